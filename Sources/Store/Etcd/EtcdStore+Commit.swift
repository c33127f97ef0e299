// SPDX-License-Identifier: Apache-2.0

internal import Kernel
internal import Synchronization

extension EtcdStore {
    /// How often a deletion of what may not be there is tried again because that changed meanwhile.
    private static let attempts = 8

    package func commit(_ transaction: StoreTransaction) throws(StoreFailure) -> UInt64 {
        let writes = transaction.lastWrites
        guard writes.count <= StoreTransaction.limit, transaction.conditions.count <= StoreTransaction.limit else {
            throw .unusable(
                "a change of \(writes.count) objects under \(transaction.conditions.count) conditions: etcd takes \(StoreTransaction.limit) of each"
            )
        }
        // Each change has a mark of its own, by which it is known again if its answer got lost.
        let mark = randomBytes(16)
        var isKnown = true
        for _ in 0..<Self.attempts {
            let standing = try standing(writes, transaction)
            let attempt = attempt(transaction, writes, standing, mark: mark)
            let (answer, isFirst) = try send(attempt)
            isKnown = isKnown && isFirst
            if answer.succeeded {
                guard attempt.changes else { return try Self.clock(answer.ranges.first, keys) }
                let revision = keys.told(answer.header.revision)
                note(revision)
                return revision
            }
            // Nothing of ours goes into another store, however late it comes.
            guard answer.ranges.dropLast().last?.values.first?.revision == record.revision else { throw .unusable(keys.replaced) }
            // Who tries again has to see with what.
            note(try Self.clock(answer.ranges.last, keys))
            if !isKnown {
                if let revision = try revision(of: mark, among: answer) { return revision }
                switch try fate(of: mark, transaction, answer) {
                case .happened(let revision): return revision
                case .missed: break
                case .unknown:
                    throw .unavailable("etcd: the answer to a change got lost, and what it was to change has changed")
                }
            }
            if let failure = conflict(transaction, answer) { throw failure }
        }
        throw .unavailable("what is to be deleted changes too quickly")
    }

    /// How many changes of a key are looked back at for one of ours.
    private static let steps = 8

    /// Sends it until an answer comes. One that can't happen twice, since each thing that it writes must be of the revision that it says, is sent
    /// again when its answer got lost: to a leader that dies a change is often lost before it was ever written, and nobody says so.
    /// - Returns: the answer, and whether no earlier copy can have happened.
    private func send(_ attempt: Attempt) throws(StoreFailure) -> (EtcdTransactionAnswer, isFirst: Bool) {
        let begin = Instant.now()
        var isFirst = true
        while true {
            do throws(EtcdFailure) {
                let answer: EtcdTransactionAnswer = try client.call(
                    EtcdPath.transaction, attempt.request.bytes, isRead: false, isQuick: attempt.isGuarded, since: begin)
                return (answer, isFirst)
            } catch {
                guard attempt.isGuarded, error.isTransient, Instant.now() + EtcdClient.quickAttempt < begin + EtcdClient.patience
                else { throw error.storeFailure }
                isFirst = false
            }
        }
    }

    /// When the change with this mark happened: the clock had it then. That is looked for when what it writes was last changed, and now.
    private func revision(of mark: [UInt8], among answer: EtcdTransactionAnswer) throws(StoreFailure) -> UInt64? {
        let begin = Instant.now()
        for revision in Set(answer.ranges.compactMap { $0.values.first?.revision }).sorted() {
            guard let clock = try found(keys.clock, at: revision, since: begin), clock.revision == revision,
                Array(clock.value) == mark
            else { continue }
            return keys.told(revision)
        }
        return nil
    }

    /// A key as it stood at a revision of the cluster's; nil: not at all, or nobody remembers.
    private func found(_ key: [UInt8], at revision: UInt64, since begin: Instant) throws(StoreFailure) -> EtcdKeyValue? {
        let range = EtcdRange(key: key, revision: revision)
        do throws(EtcdFailure) {
            let answer: EtcdRangeAnswer = try client.call(EtcdPath.range, range.bytes, isQuick: true, since: begin)
            return answer.values.first
        } catch {
            guard error.isCompacted else { throw error.storeFailure }
            return nil
        }
    }

    private enum Fate {
        case happened(UInt64)
        /// No copy happened, and none can any more.
        case missed
        case unknown
    }

    /// What became of the copies of a change whose conditions don't hold (any more). What it puts where something of a certain revision had to stand
    /// tells: the revisions of that key since then are those of others, or one is ours. And a revision never comes back, so that no copy happens
    /// later, however long it was under way. Of what had to be absent neither can be said: it may be again.
    private func fate(
        of mark: [UInt8], _ transaction: StoreTransaction, _ answer: EtcdTransactionAnswer
    ) throws(StoreFailure) -> Fate {
        let begin = Instant.now()
        let put = Set(
            transaction.lastWrites.compactMap { write in
                if case .put(let key, _) = write { key } else { nil }
            })
        for (condition, range) in zip(transaction.conditions, answer.ranges) where put.contains(condition.key) {
            let wanted = keys.compared(condition.revision)
            guard wanted > 0, var current = range.values.first, current.revision > wanted else { continue }
            for _ in 0..<Self.steps {
                guard let before = try found(keys.key(condition.key), at: current.revision - 1, since: begin) else { break }
                if before.revision == wanted { return .missed }
                let clock = try found(keys.clock, at: before.revision, since: begin)
                if let clock, clock.revision == before.revision, Array(clock.value) == mark {
                    return .happened(keys.told(before.revision))
                }
                current = before
            }
        }
        return .unknown
    }

    /// Of what is deleted without saying that it is there: whether it is, since deleting nothing is no change. Nil where that doesn't matter.
    private func standing(
        _ writes: [StoreTransaction.Write], _ transaction: StoreTransaction
    ) throws(StoreFailure) -> [StoreKey: UInt64]? {
        let present = Set(transaction.conditions.filter { $0.revision != nil }.map(\.key))
        let isSure = writes.contains { write in
            switch write {
            case .put: true
            case .delete(let key): present.contains(key)
            }
        }
        guard !isSure, !writes.isEmpty else { return nil }
        var request = EtcdTransaction()
        request.success = writes.map { .range(EtcdRange(key: keys.key($0.key), isKeysOnly: true)) }
        let answer: EtcdTransactionAnswer = try Self.ask { () throws(EtcdFailure) in
            try client.call(EtcdPath.transaction, request.bytes, isQuick: true)
        }
        return Dictionary(
            zip(writes, answer.ranges).map { ($0.key, $1.values.first?.revision ?? 0) }, uniquingKeysWith: { first, _ in first })
    }

    private struct Attempt {
        var request: EtcdTransaction
        /// There is something to write.
        var changes: Bool
        /// It can't happen twice.
        var isGuarded: Bool
    }

    private func attempt(
        _ transaction: StoreTransaction, _ writes: [StoreTransaction.Write], _ standing: [StoreKey: UInt64]?, mark: [UInt8]
    ) -> Attempt {
        var request = EtcdTransaction()
        request.compares = transaction.conditions.map { (keys.key($0.key), keys.compared($0.revision)) }
        request.compares.append((keys.store, record.revision))
        var changes = false
        for write in writes {
            switch write {
            case .put(let key, let bytes):
                request.success.append(.put(keys.key(key), bytes))
                changes = true
            case .delete(let key):
                let place = keys.key(key)
                if let revision = standing?[key] {
                    request.compares.append((place, revision))
                    if revision == 0 { continue }
                }
                request.success.append(.delete(place))
                changes = true
            }
        }
        // What stands is told also to who changes nothing: the clock says which revision that is.
        request.success.append(changes ? .put(keys.clock, mark) : .range(EtcdRange(key: keys.clock)))
        request.failure = transaction.conditions.map { .range(EtcdRange(key: keys.key($0.key))) }
        request.failure += [.range(EtcdRange(key: keys.store, isKeysOnly: true)), .range(EtcdRange(key: keys.clock))]
        let conditions = Set(transaction.conditions.map(\.key))
        let isGuarded = writes.allSatisfy { write in
            // A deletion says what it deletes, in its conditions or by what was found standing.
            if case .put(let key, _) = write { conditions.contains(key) } else { true }
        }
        return Attempt(request: request, changes: changes, isGuarded: isGuarded)
    }

    /// The condition that didn't hold; nil if all of the caller's do.
    private func conflict(_ transaction: StoreTransaction, _ answer: EtcdTransactionAnswer) -> StoreFailure? {
        for (condition, found) in zip(transaction.conditions, answer.ranges) {
            let current = found.values.first
            guard current?.revision ?? 0 != keys.compared(condition.revision) else { continue }
            return .conflict(
                condition.key,
                current: current.map {
                    StoredObject(key: condition.key, value: Array($0.value), revision: keys.told($0.revision))
                })
        }
        return nil
    }

    // MARK: - Leases

    package func acquire(_ name: String, value: [UInt8]) throws(StoreFailure) -> (any StoreLease)? {
        let since = Instant.now()
        let granted: EtcdLeaseAnswer = try Self.ask { () throws(EtcdFailure) in
            try client.call(EtcdPath.grant, EtcdRequest.grant(seconds: EtcdLease.lifetime))
        }
        let place = keys.lease(name)
        var request = EtcdTransaction()
        request.compares = [(place, 0)]
        request.success = [.put(place, value, lease: granted.lease)]
        let lease = EtcdLease(name, number: granted.lease, since: since, of: self)
        do throws(EtcdFailure) {
            let answer: EtcdTransactionAnswer = try client.call(EtcdPath.transaction, request.bytes, isRead: false)
            guard answer.succeeded else {
                lease.release()
                return nil
            }
        } catch {
            // It may have got the name: that goes with the lease.
            lease.release()
            throw error.storeFailure
        }
        client.send(.keep(lease))
        return lease
    }

    package func leases() throws(StoreFailure) -> [String: [UInt8]] { try Self.leases(client, keys) }

    static func leases(_ client: EtcdClient, _ keys: EtcdKeys) throws(StoreFailure) -> [String: [UInt8]] {
        let span = keys.allLeases
        let answer: EtcdRangeAnswer = try ask { () throws(EtcdFailure) in
            try client.call(EtcdPath.range, EtcdRange(key: span.key, end: span.end, limit: 1000).bytes)
        }
        return Dictionary(
            answer.values.compactMap { value in keys.leaseName(value.key).map { ($0, Array(value.value)) } },
            uniquingKeysWith: { first, _ in first })
    }
}
