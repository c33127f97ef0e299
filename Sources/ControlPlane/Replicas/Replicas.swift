// SPDX-License-Identifier: Apache-2.0

package import Kernel
package import Loop
package import Store

/// Which replicas of the control plane there are. Each has a name in the store, new with each start, that ends with it: whoever sees it vanish knows
/// that what only that replica knew, which hosts are connected to it for instance, isn't so any more. On the loop of the API; the store, which
/// blocks, is asked by a thread that ends with the process.
package final class Replicas {
    /// Of names in the store.
    private static let prefix = "replica/"

    /// Ours.
    package let own: String
    /// Nil until the store was asked once.
    private(set) var live: Set<String>?
    /// Some came or went.
    package var onChange: (() -> Void)?

    /// Takes a name. `host` is for people.
    package init(store: any Store, loop: Loop, host: String) throws(Errno) {
        let digits = randomBytes(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        own = "\(host.prefix(200))-\(digits)"
        let news = try Mailbox<Set<String>>()
        try news.attach(to: loop) { [weak self] in self?.take($0) }
        let name = Self.prefix + own
        _ = try Thread(name: "replica") { Self.follow(store, name, news) }
    }

    /// How many have a name. Blocks.
    static func count(in store: any Store) throws(StoreFailure) -> Int {
        try store.leases().keys.count { $0.hasPrefix(prefix) }
    }

    package var count: Int { max(live?.count ?? 1, 1) }

    /// Whether a replica of this name may still serve hosts. While nobody knows, it does: a host is unhealthy only where that is certain.
    package func isLive(_ name: String) -> Bool { name == own || live?.contains(name) ?? true }

    private func take(_ names: Set<String>) {
        guard names != live else { return }
        live = names
        onChange?()
    }

    /// Keeps the name, and tells of all. A store that doesn't answer leaves everything as it was.
    private static func follow(_ store: any Store, _ name: String, _ news: Mailbox<Set<String>>) {
        var lease: (any StoreLease)?
        while true {
            do throws(StoreFailure) {
                if lease?.isHeld != true { lease = try store.acquire(name, value: []) }
                let names = try store.leases().keys.filter { $0.hasPrefix(prefix) }
                news.send(Set(names.map { String($0.dropFirst(prefix.count)) }))
            } catch {
                // The store's own thread tells people of it.
            }
            // A store that only this process has doesn't change behind its back.
            guard store.isShared else { return }
            Thread.sleep(.seconds(2))
        }
    }
}
