// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel
internal import Store

/// Moves a control plane's store from its file into etcd, while it doesn't run: identity and all objects stay, tokens too, and revisions go on above
/// those that clients and hosts have seen (I21). At no moment do both places serve. Blocking.
///
///     file locked ──► copied, verified ──► file says where it went ──► etcd serves
///
/// Broken off before the file says so, all is as before; after it, this has to be run again, or taken back.
struct Migration {
    /// Where to; with all that is needed to get there.
    let target: StoreSettings
    let configuration: ControlConfiguration
    let tell: (String) -> Void

    private var path: String { configuration.storeFile }

    /// What was done, and what to do next.
    func run() throws(ControlFailure) -> String {
        let (address, settings) = try destination()
        let store = try open()
        try attempt { () throws(StoreFailure) in try Self.check(store, address) }
        guard let authority = try Assembly.standingAuthority(configuration) else {
            throw ControlFailure(
                "\(configuration.authorityDirectory) holds no authority, and hosts trust that of this mesh: "
                    + "name the configuration that warren-control was started with by --config"
            )
        }
        let (revision, count) = try attempt { () throws(StoreFailure) in
            let list = try store.list(nil, namespace: nil)
            guard !list.objects.isEmpty else { throw .unusable("\(path): nothing is in it that could be moved") }
            let contents = StoreContents(
                identity: store.identity, revision: list.revision,
                objects: MovedObjects.shared(list.objects, authority: authority))
            let move = try EtcdMove(contents, to: settings, tell: tell)
            guard case .begun = try move.prepare(replacing: false) else {
                try store.move(to: address)
                return (UInt64?.none, contents.objects.count)
            }
            try store.move(to: address)
            do throws(StoreFailure) { return (try move.finish(), contents.objects.count) } catch {
                // What surely didn't happen is taken back; what may have happened isn't.
                if case .unusable = error { try store.move(to: nil) }
                throw error
            }
        }
        return report(address, count, revision)
    }

    /// Has the file serve again that a broken move left.
    func cancel() throws(ControlFailure) -> String {
        let (address, settings) = try destination()
        let store = try open()
        return try attempt { () throws(StoreFailure) in
            guard try store.destination() != nil else {
                throw .unusable("\(path) isn't being moved: nothing is to be taken back")
            }
            try Self.check(store, address)
            let contents = StoreContents(identity: store.identity, revision: try store.revision(), objects: [])
            guard try EtcdMove(contents, to: settings, tell: tell).abandon() else {
                throw .unusable(
                    "the store is at \(address) whole, and served from there: set store.etcd to it. The way back is a backup of it, "
                        + "by `warren control backup` and `restore --replace`"
                )
            }
            try store.move(to: nil)
            return "\(path) is served again, and nothing of it is left at \(address).\n"
        }
    }

    // MARK: - What is there

    private func destination() throws(ControlFailure) -> (address: String, settings: EtcdSettings) {
        if target.etcd.isEmpty { throw ControlFailure("say where to: --to etcd://HOST:PORT,HOST:PORT/PREFIX") }
        if let problem = target.problem { throw ControlFailure("\(problem.message). \(problem.remedy)") }
        guard let address = StoreAddress(target.etcd), let settings = EtcdSettings(target) else {
            throw ControlFailure("\(target.etcd) is no address of etcd. \(StoreSettings.form)")
        }
        return (address.description, settings)
    }

    /// Its lock says that no control plane runs.
    private func open() throws(ControlFailure) -> SQLiteStore {
        guard (try? File.status(path)) != nil else {
            throw ControlFailure("\(path) isn't there: a control plane without a store of its own has nothing to move")
        }
        do throws(StoreFailure) { return try SQLiteStore(path: path, isMoving: true) } catch {
            guard case .unavailable = error else { throw ControlFailure("the store can't be moved: \(error.text)") }
            throw ControlFailure(
                "the store can't be moved: \(error.text). A store is moved while warren-control doesn't run: "
                    + "`systemctl stop warren-control`; hosts serve on meanwhile"
            )
        }
    }

    private static func check(_ store: SQLiteStore, _ address: String) throws(StoreFailure) {
        if let standing = try store.destination(), standing != address {
            throw .unusable("it was moved to \(standing) already, or that broke off: give that with --to")
        }
    }

    private func attempt<Result>(_ body: () throws(StoreFailure) -> Result) throws(ControlFailure) -> Result {
        do throws(StoreFailure) { return try body() } catch {
            if case .unavailable = error {
                throw ControlFailure(
                    "the store isn't moved, as far as is known: \(error.text). Run it again: it begins anew, or finds that it is done"
                )
            }
            throw ControlFailure("the store isn't moved: \(error.text)")
        }
    }

    private func report(_ address: String, _ count: Int, _ revision: UInt64?) -> String {
        var lines = ["store:", "  etcd: \(address)"]
        for (name, value) in [
            ("ca", target.ca), ("certificate", target.certificate), ("key", target.key), ("user", target.user),
            ("passwordFile", target.passwordFile),
        ] where !value.isEmpty { lines.append("  \(name): \(value)") }
        let done =
            revision.map { "moved \(count) objects, compared one by one; the store goes on at revision \($0)." }
            ?? "all \(count) objects were moved before already."
        return """
            \(done)
            Write into \(ControlConfiguration.standardPath), and start warren-control:

            \(lines.joined(separator: "\n"))

            Hosts, tokens and contexts go on as they are; clients that watch are told to list anew. \(path) isn't served any more: keep it until
            the first backup. For each further control plane: `warren ca intermediate`.

            """
    }
}
