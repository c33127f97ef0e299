// SPDX-License-Identifier: Apache-2.0

package import Kernel
package import Loop
package import Store
internal import Synchronization

/// Which replicas of the control plane there are, and what they say of their hosts. Each has a name in the store, new with each start, that ends with
/// it: whoever sees it vanish knows that what only that replica knew, which hosts are connected to it for instance, isn't so any more. On the loop of
/// the API; the store, which blocks, is asked by a thread that ends with the process.
package final class Replicas {
    /// Of names in the store.
    private static let prefix = "replica/"
    /// Between two looks while nothing happens.
    private static let interval = Interval.seconds(2)
    /// And while something does.
    private static let pause = Interval.milliseconds(200)

    /// Ours.
    package let own: String
    /// Nil until the store was asked once.
    private(set) var reading: ReplicaReading?
    /// Our name stood there once.
    package private(set) var isNamed = false
    /// Some came or went.
    package var onChange: (() -> Void)?
    private let desk = ReplicaDesk()
    /// Others may come.
    let isShared: Bool

    /// Takes a name. `host` is for people.
    package init(store: any Store, loop: Loop, host: String) throws(Errno) {
        let digits = randomBytes(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        own = "\(host.prefix(200))-\(digits)"
        isShared = store.isShared
        let news = try Mailbox<ReplicaReading>()
        try news.attach(to: loop) { [weak self] in self?.take($0) }
        if isShared { store.observe { [desk] in desk.noteNews() } }
        let name = Self.prefix + own
        _ = try Thread(name: "replica") { [desk] in Self.follow(store, name, desk, news) }
    }

    /// How many have a name. Blocks.
    static func count(in store: any Store) throws(StoreFailure) -> Int {
        try store.leases().keys.count { $0.hasPrefix(prefix) }
    }

    package var count: Int { max(reading?.reports.count ?? 1, 1) }

    /// Whether a replica of this name may still serve hosts. While nobody knows, it does: a host is unhealthy only where that is certain.
    package func isLive(_ name: String) -> Bool { name == own || reading.map { $0.reports.keys.contains(name) } ?? true }

    /// What the others say; nil while nobody knows whether there are any.
    var others: OtherReplicas? { isShared ? reading?.others(than: own) : OtherReplicas.nobody }

    /// Says the text of a report beside our name, soon, and again if it gets lost.
    func say(_ report: [UInt8]) { desk.leave(report) }

    /// Has the store asked for what stands now, soon and not too often: if anything happened in it since it was last, or if that was too long ago.
    func look(isOutdated: Bool) { desk.ring(isOutdated: isOutdated) }

    private func take(_ next: ReplicaReading) {
        let names = reading.map { Set($0.reports.keys) }
        reading = next
        if next.reports.keys.contains(own) { isNamed = true }
        if names != Set(next.reports.keys) { onChange?() }
    }

    /// Keeps the name, says what is left on the desk, and tells of all. A store that doesn't answer leaves everything as it was.
    private static func follow(_ store: any Store, _ name: String, _ desk: ReplicaDesk, _ news: Mailbox<ReplicaReading>) {
        var lease: (any StoreLease)?
        /// What stood beside our name when it was last read.
        var standing: [UInt8]?
        while true {
            let begun = Instant.now()
            let text = desk.take()
            do throws(StoreFailure) {
                if let lease, lease.isHeld {
                    if standing != text { try lease.say(text) }
                } else {
                    lease = try store.acquire(name, value: text)
                }
            } catch {
                // The store's own thread tells people of it. Whether it was said is seen when the names are read.
            }
            do throws(StoreFailure) {
                let asked = Instant.now()
                let all = try store.leases().filter { $0.key.hasPrefix(prefix) }
                standing = all[name]
                let texts = Dictionary(all.map { (String($0.key.dropFirst(prefix.count)), $0.value) }) { one, _ in one }
                news.send(ReplicaReading(begun: asked, texts: texts))
            } catch { standing = nil }
            // A store that only this process has doesn't change behind its back.
            guard store.isShared else { return }
            Thread.sleep(pause)
            desk.wait(until: begun + interval)
        }
    }
}

/// What the loop leaves for the thread that asks the store. Any thread.
private final class ReplicaDesk: Sendable {
    private let text = Mutex<[UInt8]>([])
    private let bell = Semaphore()
    private let isRung = Atomic(false)
    private let hasNews = Atomic(true)

    func leave(_ new: [UInt8]) {
        text.withLock { $0 = new }
        ring()
    }

    func noteNews() { hasNews.store(true, ordering: .releasing) }
    func ring(isOutdated: Bool) { if isOutdated || hasNews.load(ordering: .acquiring) { ring() } }

    private func ring() { if !isRung.exchange(true, ordering: .acquiringAndReleasing) { bell.signal() } }

    /// What is to be said; what happens from here on is news again.
    func take() -> [UInt8] {
        isRung.store(false, ordering: .releasing)
        hasNews.store(false, ordering: .releasing)
        return text.withLock { $0 }
    }

    func wait(until end: Instant) { _ = bell.wait(until: end) }
}
