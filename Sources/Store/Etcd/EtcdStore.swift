// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel
internal import Synchronization
internal import Wire

/// The store of control planes that are several: an etcd v3 cluster. Every change is one transaction of etcd's and has its revision; reads are
/// linearisable. A change whose answer got lost is sent again if it can't happen twice; where that doesn't tell either it is `.unavailable`: it may have happened. Nothing of an authority's keys is ever here (I22).
package final class EtcdStore: Store {
    package let identity: String
    package let isShared = true
    let keys: EtcdKeys
    let client: EtcdClient
    let history: EtcdHistory
    /// The newest revision that this process knows of: whoever asks for changes gets at least these.
    let known: Atomic<UInt64>
    private let observers: EtcdObservers

    /// Raised when what stands in etcd changes its form.
    private static let version: Int64 = 1

    /// Reaches the cluster, and makes a store below the prefix if nothing is there. Blocks for some seconds at most.
    /// - Throws: `.unusable` if something else is there, or who answers is no etcd; `.unavailable` if nobody does.
    package init(_ settings: EtcdSettings) throws(StoreFailure) {
        try settings.check()
        keys = EtcdKeys(prefix: settings.prefix)
        client = try EtcdClient(settings)
        do throws(StoreFailure) {
            identity = try Self.open(client, keys)
            let revision = try Self.revision(client, keys)
            known = Atomic(revision)
            history = EtcdHistory(after: revision)
            observers = try EtcdObservers()
        } catch {
            client.close()
            throw error
        }
        let observers = observers
        client.send(.follow(keys, history, news: { observers.tell() }))
    }

    deinit {
        observers.close()
        client.close()
    }

    // MARK: - Opening

    private static func open(_ client: EtcdClient, _ keys: EtcdKeys) throws(StoreFailure) -> String {
        if let identity = try read(client, keys) { return identity }
        let span = keys.everything
        let others: EtcdRangeAnswer = try ask {
            () throws(EtcdFailure) in
            try client.call(
                EtcdPath.range, EtcdRange(key: span.key, end: span.end, limit: 1, isKeysOnly: true).bytes)
        }
        if let other = others.values.first {
            throw .unusable(
                "etcd: \(String(decoding: other.key, as: UTF8.self)) is there, but no store of Warren's is at \(keys.prefix): choose another prefix"
            )
        }
        let digits = randomBytes(16).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let text = Value.object([("identity", .string(digits)), ("version", .integer(version))]).jsonBytes
        var transaction = EtcdTransaction()
        transaction.compares = [(keys.store, 0)]
        transaction.success = [.put(keys.store, text), .put(keys.clock, [])]
        let bytes = transaction.bytes
        // Of two that make it one does; and what got lost on the way may have been made: it is read in any case.
        do throws(EtcdFailure) {
            let _: EtcdTransactionAnswer = try client.call(EtcdPath.transaction, bytes, isRead: true)
        } catch { throw error.storeFailure }
        guard let identity = try read(client, keys) else { throw .unavailable("etcd: \(keys.prefix)/store vanished") }
        return identity
    }

    /// The identity; nil if there is no store.
    private static func read(_ client: EtcdClient, _ keys: EtcdKeys) throws(StoreFailure) -> String? {
        let answer: EtcdRangeAnswer = try ask { () throws(EtcdFailure) in
            try client.call(EtcdPath.range, EtcdRange(key: keys.store).bytes)
        }
        guard let found = answer.values.first else { return nil }
        guard let value = try? JSON.read(Array(found.value)), let version = value["version"]?.integerValue else {
            throw .unusable("etcd: \(keys.prefix)/store isn't Warren's")
        }
        guard version == Self.version else {
            throw .unusable("etcd: \(keys.prefix)/store is of version \(version); this program knows version \(Self.version)")
        }
        guard let identity = value["identity"]?.stringValue, !identity.isEmpty else {
            throw .unusable("etcd: \(keys.prefix)/store is damaged: the store's identity is missing")
        }
        return identity
    }

    private static func revision(_ client: EtcdClient, _ keys: EtcdKeys) throws(StoreFailure) -> UInt64 {
        let answer: EtcdRangeAnswer = try ask { () throws(EtcdFailure) in
            try client.call(EtcdPath.range, EtcdRange(key: keys.clock).bytes, isQuick: true)
        }
        return try clock(answer, keys)
    }

    static func clock(_ answer: EtcdRangeAnswer?, _ keys: EtcdKeys) throws(StoreFailure) -> UInt64 {
        guard let revision = answer?.values.first?.revision else {
            throw .unusable("etcd: damaged: \(keys.prefix)/clock is missing")
        }
        return revision
    }

    static func ask<Answer>(_ body: () throws(EtcdFailure) -> Answer) throws(StoreFailure) -> Answer {
        do throws(EtcdFailure) { return try body() } catch { throw error.storeFailure }
    }

    // MARK: - Reading

    /// Whoever asks for changes afterwards gets all up to it.
    package func revision() throws(StoreFailure) -> UInt64 {
        let revision = try Self.revision(client, keys)
        note(revision)
        return revision
    }

    package func get(_ key: StoreKey) throws(StoreFailure) -> StoredObject? {
        let range = EtcdRange(key: keys.key(key))
        let answer: EtcdRangeAnswer = try Self.ask { () throws(EtcdFailure) in
            try client.call(EtcdPath.range, range.bytes, isQuick: true)
        }
        return answer.values.first.map { StoredObject(key: key, value: Array($0.value), revision: $0.revision) }
    }

    package func observe(_ notify: @escaping @Sendable () -> Void) { observers.add(notify) }

    package func changes(after revision: UInt64, limit: Int) throws(StoreFailure) -> [StoreChange] {
        guard limit > 0 else { return [] }
        let known = known.load(ordering: .acquiring)
        if revision >= history.floor, revision < known, !history.wait(for: known, until: .now() + EtcdClient.patience) {
            throw .unavailable("etcd's watch is behind: the change at \(known) hasn't come")
        }
        if let changes = history.changes(after: revision, limit: limit) { return changes }
        return try client.past(keys, after: revision, to: history.floor, limit: limit)
    }

    package func compact(before revision: UInt64) throws(StoreFailure) {
        guard revision > 0 else { return }
        let last = min(revision - 1, try self.revision())
        guard last > 0 else { return }
        do throws(EtcdFailure) {
            let _: EtcdPlainAnswer = try client.call(EtcdPath.compact, EtcdRequest.compact(last))
        } catch {
            // Others were there before, and further.
            guard error.isCompacted else { throw error.storeFailure }
        }
        history.forget(upTo: last)
    }

    /// This process has made or seen a change.
    func note(_ revision: UInt64) { known.max(revision, ordering: .releasing) }
}

/// Who is told of changes, on a thread of their own: they may read the store, which the loop of the connection must not wait for.
final class EtcdObservers: Sendable {
    private let observers = Mutex<[@Sendable () -> Void]>([])
    private let news = Semaphore()
    private let isOver = Atomic(false)
    private let isTold = Atomic(false)

    init() throws(StoreFailure) {
        do throws(Errno) {
            _ = try Thread(name: "etcd-news") { [self] in
                while true {
                    news.wait()
                    if isOver.load(ordering: .acquiring) { return }
                    isTold.store(false, ordering: .releasing)
                    for notify in observers.withLock({ $0 }) { notify() }
                }
            }
        } catch { throw .unavailable("etcd: no thread for news: \(error)") }
    }

    func add(_ notify: @escaping @Sendable () -> Void) { observers.withLock { $0.append(notify) } }

    func tell() { if !isTold.exchange(true, ordering: .acquiringAndReleasing) { news.signal() } }

    func close() {
        isOver.store(true, ordering: .releasing)
        observers.withLock { $0 = [] }
        news.signal()
    }
}
