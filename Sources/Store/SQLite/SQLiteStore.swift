// SPDX-License-Identifier: Apache-2.0

import Kernel
import Synchronization

/// The store of a control plane that stands alone: one SQLite file. Every call takes the one connection in turn; a commit returns after its log is on
/// the disk (I23). The file belongs to one control plane; others may read it, for a backup.
package final class SQLiteStore: Store {
    package let identity: String
    package let isShared = false
    private let connection: Mutex<SQLiteConnection>
    /// Holds the file's lock. Declared after the connection, so that it goes after it.
    private let file: Descriptor
    private let observers = Mutex<[@Sendable () -> Void]>([])
    /// Nobody else has the file: names are this process's affair.
    private let leased = Mutex<[String: [UInt8]]>([:])

    /// Opens the store at a path, or makes it there; its folder must be there.
    /// - Parameter isMoving: also one that was moved elsewhere: not to serve it.
    /// - Throws: `.unusable` if there is something else, a newer version, damage, or what was moved elsewhere; it is left as it is.
    package init(path: String, isMoving: Bool = false) throws(StoreFailure) {
        file = try SQLiteSchema.takeFile(path)
        let connection = try SQLiteConnection(path: path)
        identity = try SQLiteSchema.open(connection)
        let destination = try connection.destination()
        if !isMoving, let destination {
            throw .unusable(
                "\(path): this store was moved to \(destination): set store.etcd to that. If the move broke off, "
                    + "`warren control migrate` finishes it, and with --cancel takes it back"
            )
        }
        self.connection = Mutex(connection)
    }

    package func revision() throws(StoreFailure) -> UInt64 {
        try connection.withLock { connection throws(StoreFailure) in try connection.revision() }
    }

    package func get(_ key: StoreKey) throws(StoreFailure) -> StoredObject? {
        try connection.withLock { connection throws(StoreFailure) in try connection.object(key) }
    }

    package func list(_ resource: String?, namespace: String?) throws(StoreFailure) -> StoredList {
        try connection.withLock { connection throws(StoreFailure) in
            let connection = connection
            return try connection.transaction(writing: false) { () throws(StoreFailure) in
                StoredList(
                    objects: try connection.objects(resource, namespace: namespace), revision: try connection.revision())
            }
        }
    }

    package func commit(_ transaction: StoreTransaction) throws(StoreFailure) -> UInt64 {
        let (revision, changed) = try connection.withLock { connection throws(StoreFailure) in
            let connection = connection
            return try connection.transaction(writing: true) { () throws(StoreFailure) in try connection.apply(transaction) }
        }
        if changed { for notify in observers.withLock({ $0 }) { notify() } }
        return revision
    }

    /// One flush for all. A condition that doesn't hold is seen before anything of its transaction is written; what else fails, fails all of them.
    package func commit(_ transactions: [StoreTransaction]) -> [Result<UInt64, StoreFailure>] {
        var changed = false
        var results: [Result<UInt64, StoreFailure>] = []
        do throws(StoreFailure) {
            results = try connection.withLock { connection throws(StoreFailure) in
                let connection = connection
                return try connection.transaction(writing: true) { () throws(StoreFailure) in
                    var results: [Result<UInt64, StoreFailure>] = []
                    for transaction in transactions {
                        do throws(StoreFailure) {
                            let applied = try connection.apply(transaction)
                            if applied.changed { changed = true }
                            results.append(.success(applied.revision))
                        } catch {
                            guard case .conflict = error else { throw error }
                            results.append(.failure(error))
                        }
                    }
                    return results
                }
            }
        } catch {
            return transactions.map { _ in .failure(error) }
        }
        if changed { for notify in observers.withLock({ $0 }) { notify() } }
        return results
    }

    package func changes(after revision: UInt64, limit: Int) throws(StoreFailure) -> [StoreChange] {
        try connection.withLock { connection throws(StoreFailure) in
            let connection = connection
            return try connection.transaction(writing: false) { () throws(StoreFailure) in
                try connection.changes(after: revision, limit: limit)
            }
        }
    }

    /// In one step: these objects stand and nothing else, all of this revision, which is the newest; the store is called so from its next opening on.
    /// What happened before is forgotten.
    package func restore(_ contents: StoreContents) throws(StoreFailure) {
        try connection.withLock { connection throws(StoreFailure) in
            let connection = connection
            try connection.transaction(writing: true) { () throws(StoreFailure) in
                try connection.restore(contents.objects, identity: contents.identity, revision: contents.revision)
                try connection.move(to: nil)
            }
        }
    }

    /// Where it was moved, or is being: it isn't served from here since. Nil: it is.
    package func destination() throws(StoreFailure) -> String? {
        try connection.withLock { connection throws(StoreFailure) in try connection.destination() }
    }

    package func move(to destination: String?) throws(StoreFailure) {
        try connection.withLock { connection throws(StoreFailure) in
            let connection = connection
            try connection.transaction(writing: true) { () throws(StoreFailure) in try connection.move(to: destination) }
        }
    }

    package func observe(_ notify: @escaping @Sendable () -> Void) {
        observers.withLock { $0.append(notify) }
    }

    package func compact(before revision: UInt64) throws(StoreFailure) {
        try connection.withLock { connection throws(StoreFailure) in
            let connection = connection
            try connection.transaction(writing: true) { () throws(StoreFailure) in try connection.compact(before: revision) }
        }
    }

    // MARK: - Leases

    package func acquire(_ name: String, value: [UInt8]) throws(StoreFailure) -> (any StoreLease)? {
        let isFree = leased.withLock { leased in
            guard leased[name] == nil else { return false }
            leased[name] = value
            return true
        }
        return isFree ? SQLiteLease(name, store: self) : nil
    }

    package func leases() throws(StoreFailure) -> [String: [UInt8]] { leased.withLock { $0 } }

    fileprivate func say(_ name: String, _ value: [UInt8]) { leased.withLock { $0[name] = value } }
    fileprivate func release(_ name: String) { leased.withLock { $0[name] = nil } }
}

/// A name in the one process that has the file: it is its own until it lets it go.
private final class SQLiteLease: StoreLease {
    let name: String
    private let held = Atomic(true)
    private weak let store: SQLiteStore?

    init(_ name: String, store: SQLiteStore) {
        self.name = name
        self.store = store
    }

    deinit { release() }

    var isHeld: Bool { held.load(ordering: .acquiring) }

    func say(_ value: [UInt8]) throws(StoreFailure) {
        guard isHeld, let store else { throw .unavailable("the name \(name) was let go") }
        store.say(name, value)
    }

    func release() {
        guard held.exchange(false, ordering: .acquiringAndReleasing) else { return }
        store?.release(name)
    }
}
