// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel
internal import Synchronization
internal import Wire

/// The store of control planes that are several: an etcd v3 cluster. Every change is one transaction of etcd's and has its revision; reads are
/// linearisable. A change whose answer got lost is sent again if it can't happen twice; where that doesn't tell either it is `.unavailable`: it may
/// have happened. Nothing of an authority's keys is ever here (I22).
package final class EtcdStore: Store {
    package var identity: String { record.identity }
    package let isShared = true
    /// As it stood when this process came: a change of it means that another store is in its place.
    let record: EtcdRecord
    let keys: EtcdKeys
    let client: EtcdClient
    let history: EtcdHistory
    /// The newest revision that this process knows of: whoever asks for changes gets at least these.
    let known: Atomic<UInt64>
    private let observers: EtcdObservers

    /// Reaches the cluster, and makes a store below the prefix if nothing is there. Blocks for some seconds at most.
    /// - Throws: `.unusable` if something else is there, or who answers is no etcd; `.unavailable` if nobody does.
    package init(_ settings: EtcdSettings) throws(StoreFailure) {
        try settings.check()
        var keys = EtcdKeys(prefix: settings.prefix)
        client = try EtcdClient(settings)
        do throws(StoreFailure) {
            record = try Self.open(client, keys)
            keys.base = record.base
            self.keys = keys
            let revision = try Self.clock(client, keys)
            known = Atomic(revision)
            history = EtcdHistory(after: revision)
            observers = try EtcdObservers()
        } catch {
            client.close()
            throw error
        }
        let observers = observers
        client.send(.follow(self.keys, history, news: { observers.tell() }))
    }

    deinit {
        observers.close()
        client.close()
    }

    // MARK: - Opening

    private static func open(_ client: EtcdClient, _ keys: EtcdKeys) throws(StoreFailure) -> EtcdRecord {
        if let record = try EtcdRecord.read(client, keys) { return record }
        try checkEmpty(client, keys)
        let record = EtcdRecord(identity: randomBytes(16).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
        var transaction = EtcdTransaction()
        transaction.compares = [(keys.store, 0), (keys.importing, 0)]
        transaction.success = [.put(keys.store, record.text), .put(keys.clock, [])]
        let bytes = transaction.bytes
        // Of two that make it one does; and what got lost on the way may have been made: it is read in any case.
        do throws(EtcdFailure) {
            let _: EtcdTransactionAnswer = try client.call(EtcdPath.transaction, bytes, isRead: true)
        } catch { throw error.storeFailure }
        guard let made = try EtcdRecord.read(client, keys) else { throw .unavailable("etcd: \(keys.prefix)/store vanished") }
        return made
    }

    /// Nothing of anybody's is below the prefix.
    static func checkEmpty(_ client: EtcdClient, _ keys: EtcdKeys) throws(StoreFailure) {
        var request = EtcdTransaction()
        let span = keys.everything
        request.success = [
            .range(EtcdRange(key: keys.importing)), .range(EtcdRange(key: span.key, end: span.end, limit: 1, isKeysOnly: true)),
        ]
        let bytes = request.bytes
        let answer: EtcdTransactionAnswer = try ask { () throws(EtcdFailure) in try client.call(EtcdPath.transaction, bytes) }
        if let mark = answer.ranges.first?.values.first {
            let whose = EtcdImportMark.identity(in: mark.value).map { " \($0)" } ?? ""
            throw .unusable(
                "etcd: the store\(whose) is being put at \(keys.prefix), or that was broken off: "
                    + "let `warren control migrate` or `restore` finish, or run it again; nothing is served before"
            )
        }
        if let other = answer.ranges.last?.values.first {
            throw .unusable(
                "etcd: \(String(decoding: other.key, as: UTF8.self)) is there, but no store of Warren's is at \(keys.prefix): choose another prefix"
            )
        }
    }

    /// The newest revision of ours.
    private static func clock(_ client: EtcdClient, _ keys: EtcdKeys) throws(StoreFailure) -> UInt64 {
        let answer: EtcdRangeAnswer = try ask { () throws(EtcdFailure) in
            try client.call(EtcdPath.range, EtcdRange(key: keys.clock).bytes, isQuick: true)
        }
        return try clock(answer, keys)
    }

    static func clock(_ answer: EtcdRangeAnswer?, _ keys: EtcdKeys) throws(StoreFailure) -> UInt64 {
        guard let revision = answer?.values.first?.revision else {
            throw .unusable("etcd: damaged: \(keys.prefix)/clock is missing")
        }
        return keys.told(revision)
    }

    static func ask<Answer>(_ body: () throws(EtcdFailure) -> Answer) throws(StoreFailure) -> Answer {
        do throws(EtcdFailure) { return try body() } catch { throw error.storeFailure }
    }

    // MARK: - Reading

    /// Whoever asks for changes afterwards gets all up to it.
    package func revision() throws(StoreFailure) -> UInt64 {
        let revision = try Self.clock(client, keys)
        note(revision)
        return revision
    }

    package func get(_ key: StoreKey) throws(StoreFailure) -> StoredObject? {
        let range = EtcdRange(key: keys.key(key))
        let answer: EtcdRangeAnswer = try Self.ask { () throws(EtcdFailure) in
            try client.call(EtcdPath.range, range.bytes, isQuick: true)
        }
        return answer.values.first.map { StoredObject(key: key, value: Array($0.value), revision: keys.told($0.revision)) }
    }

    package func observe(_ notify: @escaping @Sendable () -> Void) { observers.add(notify) }

    package func changes(after revision: UInt64, limit: Int) throws(StoreFailure) -> [StoreChange] {
        guard !history.isOver else { throw .unusable(keys.replaced) }
        guard limit > 0 else { return [] }
        let born = keys.told(record.revision)
        guard revision >= born else { throw .compacted(oldest: born) }
        let known = known.load(ordering: .acquiring)
        if revision >= history.floor, revision < known, !history.wait(for: known, until: .now() + EtcdClient.patience) {
            if history.isOver { throw .unusable(keys.replaced) }
            throw .unavailable("etcd's watch is behind: the change at \(known) hasn't come")
        }
        if let changes = history.changes(after: revision, limit: limit) { return changes }
        return try client.past(keys, after: revision, to: history.floor, limit: limit)
    }

    package func compact(before revision: UInt64) throws(StoreFailure) {
        guard revision > 0 else { return }
        let last = min(revision - 1, try self.revision())
        let asked = keys.asked(last)
        guard asked > 0 else { return }
        do throws(EtcdFailure) {
            let _: EtcdPlainAnswer = try client.call(EtcdPath.compact, EtcdRequest.compact(asked))
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
