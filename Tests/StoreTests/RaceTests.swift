// SPDX-License-Identifier: Apache-2.0

import Kernel
import Support
import Synchronization
import Testing

@testable import Store

/// What two replicas were told, against what happened: each acknowledged change stands in the store's history exactly as it was acknowledged, and all
/// its conditions held at that moment.
struct HistoryChecker: Sendable {
    private struct Acknowledged: Sendable {
        let transaction: StoreTransaction
        let revision: UInt64
    }

    private final class Record: Sendable {
        let acknowledged = Mutex<[Acknowledged]>([])
        let failures = Mutex<[StoreFailure]>([])
    }

    private let start: UInt64
    private let record = Record()

    init(_ store: any Store) throws { start = try store.revision() }

    var count: Int { record.acknowledged.withLock { $0.count } }

    /// Commits; whether it won.
    func commit(_ transaction: StoreTransaction, to store: any Store) -> Bool {
        do throws(StoreFailure) {
            let revision = try store.commit(transaction)
            record.acknowledged.withLock { $0.append(Acknowledged(transaction: transaction, revision: revision)) }
            return true
        } catch {
            if case .conflict = error { return false }
            record.failures.withLock { $0.append(error) }
            return false
        }
    }

    /// Replays the history.
    func check(_ store: any Store) throws {
        #expect(record.failures.withLock { $0 } == [])
        // What the other replica wrote last has to have come here.
        let newest = try store.revision()
        let list = record.acknowledged.withLock { $0 }
        let claimed = Dictionary(list.map { ($0.revision, $0.transaction) }, uniquingKeysWith: { first, _ in first })
        #expect(claimed.count == list.count, "two changes were acknowledged with one revision")
        var standing: [StoreKey: (revision: UInt64, value: [UInt8])] = [:]
        var told = start
        var seen = 0
        while true {
            let changes = try store.changes(after: told, limit: 1)
            guard let revision = changes.last?.revision else { break }
            #expect(revision > told)
            told = revision
            guard let transaction = claimed[revision] else {
                Issue.record("revision \(revision) was acknowledged to nobody")
                continue
            }
            seen += 1
            for condition in transaction.conditions {
                #expect(standing[condition.key]?.revision == condition.revision, "\(condition.key) at \(revision)")
            }
            var expected: [StoreKey: [UInt8]] = [:]
            for write in transaction.writes { if case .put(let key, let value) = write { expected[key] = value } }
            #expect(Dictionary(changes.map { ($0.key, $0.value ?? []) }, uniquingKeysWith: { $1 }) == expected)
            for change in changes {
                #expect(change.previous == standing[change.key]?.value)
                standing[change.key] = change.value.map { (revision, $0) }
            }
        }
        #expect(told == newest)
        #expect(seen == list.count, "\(list.count - seen) acknowledged changes never happened")
        for (key, entry) in standing { #expect(try store.get(key)?.value == entry.value) }
    }
}

/// Two replicas that want the same (I23).
@Suite struct RaceTests {
    @Test(arguments: StoreKind.allCases) func `I23 of two replicas that make one object one wins`(kind: StoreKind) throws {
        try kind.withReplicas { one, other in
            let checker = try HistoryChecker(one)
            let wins = Mutex<[Int: [Int]]>([:])
            try concurrently(2) { replica in
                for number in 0..<60 {
                    let key = StoreKey("services", namespace: "shop", "\(number)")
                    let write = StoreTransaction(
                        conditions: [.init(key, revision: nil)], writes: [.put(key, Array("\(replica)".utf8))])
                    if checker.commit(write, to: replica == 0 ? one : other) {
                        wins.withLock { $0[number, default: []].append(replica) }
                    }
                }
            }
            #expect(wins.withLock { $0.count == 60 && $0.values.allSatisfy { $0.count == 1 } })
            for (number, replicas) in wins.withLock({ $0 }) {
                #expect(try one.text(StoreKey("services", namespace: "shop", "\(number)")) == "\(replicas[0])")
            }
            try checker.check(one)
        }
    }

    @Test(arguments: StoreKind.allCases) func `I23 no update of two replicas is lost`(kind: StoreKind) throws {
        try kind.withReplicas { one, other in
            let key = StoreKey("services", namespace: "shop", "counter")
            let checker = try HistoryChecker(one)
            _ = checker.commit(
                StoreTransaction(conditions: [.init(key, revision: nil)], writes: [.put(key, Array("0".utf8))]), to: one)
            try concurrently(4) { thread in
                let store = thread % 2 == 0 ? one : other
                for _ in 0..<40 {
                    guard let object = try? store.get(key), let number = Int(String(decoding: object.value, as: UTF8.self)) else {
                        continue
                    }
                    _ = checker.commit(
                        StoreTransaction(
                            conditions: [.init(key, revision: object.revision)], writes: [.put(key, Array("\(number + 1)".utf8))]),
                        to: store)
                }
            }
            #expect(try one.text(key) == "\(checker.count - 1)")
            try checker.check(one)
        }
    }

    @Test(arguments: StoreKind.allCases) func `I23 two replicas never give one address, nor one token, to two`(kind: StoreKind)
        throws
    {
        try kind.withReplicas { one, other in
            let checker = try HistoryChecker(one)
            let given = Mutex<[Int: Int]>([:])
            let token = StoreKey("tokens", "t")
            let redeemed = Atomic<Int>(0)
            _ = checker.commit(StoreTransaction(conditions: [.init(token, revision: nil)], writes: [.put(token, [0])]), to: one)
            let fresh = try one.get(token)?.revision
            try concurrently(2) { replica in
                let store = replica == 0 ? one : other
                let use = StoreTransaction(
                    conditions: [.init(token, revision: fresh)], writes: [.put(token, [UInt8(replica + 1)])])
                if checker.commit(use, to: store) { redeemed.add(1, ordering: .relaxed) }
                for number in 0..<30 {
                    let name = StoreKey("services", namespace: "\(replica)", "\(number)")
                    // The lowest address that is free as far as this replica has seen.
                    var wanted = 0
                    while true {
                        let place = StoreKey("_allocations", "\(wanted)")
                        let isFree = (try? store.get(place)) == nil
                        let claim = StoreTransaction(
                            conditions: [.init(place, revision: nil), .init(name, revision: nil)],
                            writes: [.put(place, Array("\(replica)".utf8)), .put(name, Array("\(wanted)".utf8))])
                        if isFree, checker.commit(claim, to: store) { break }
                        wanted += 1
                        if wanted > 200 { return }
                    }
                    given.withLock { $0[wanted, default: 0] += 1 }
                }
            }
            #expect(redeemed.load(ordering: .relaxed) == 1)
            #expect(given.withLock { $0.count == 60 && $0.values.allSatisfy { $0 == 1 } })
            try checker.check(one)
        }
    }
}
