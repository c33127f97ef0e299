// SPDX-License-Identifier: Apache-2.0

import Kernel
import Synchronization
import Testing

@testable import Store

/// What every store does alike.
@Suite struct ConformanceTests {
    private static let (a, b, c) = (
        StoreKey("services", namespace: "shop", "a"), StoreKey("services", namespace: "shop", "b"), StoreKey("nodes", "c")
    )

    @Test(arguments: StoreKind.allCases) func `an empty store has an identity and nothing else`(kind: StoreKind) throws {
        try kind.withStore { store in
            #expect(!store.identity.isEmpty)
            #expect(try store.get(Self.a) == nil)
            #expect(try store.list(nil, namespace: nil).objects.isEmpty)
            let revision = try store.revision()
            #expect(try store.changes(after: revision, limit: 10).isEmpty)
        }
    }

    @Test(arguments: StoreKind.allCases) func `an object is what was put last, with that change's revision`(kind: StoreKind)
        throws
    {
        try kind.withStore { store in
            let first = try store.put(Self.a, "1")
            let second = try store.put(Self.a, "2")
            #expect(first < second)
            #expect(try store.get(Self.a) == StoredObject(key: Self.a, value: Array("2".utf8), revision: second))
            #expect(try store.revision() == second)
            _ = try store.commit(StoreTransaction(writes: [.delete(Self.a)]))
            #expect(try store.get(Self.a) == nil)
        }
    }

    @Test(arguments: StoreKind.allCases) func `any bytes and any names come back as they were`(kind: StoreKind) throws {
        try kind.withStore { store in
            for bytes in [[], [0], Array(UInt8.min...UInt8.max), [UInt8](repeating: 7, count: 1 << 20)] as [[UInt8]] {
                let key = StoreKey("x", namespace: "", "it's \"\(bytes.count)\" %;--ü")
                _ = try store.commit(StoreTransaction(writes: [.put(key, bytes)]))
                #expect(try store.get(key)?.value == bytes)
                #expect(try store.changes(after: store.revision() - 1, limit: 1).first?.value == bytes)
            }
        }
    }

    @Test(arguments: StoreKind.allCases) func `lists are by key, of a resource, a namespace, both or all`(kind: StoreKind) throws
    {
        try kind.withStore { store in
            let keys = [
                StoreKey("services", namespace: "z", "a"), Self.b, Self.a, Self.c, StoreKey("services.x", namespace: "shop", "a"),
            ]
            for key in keys { try store.put(key, key.name) }
            func names(_ resource: String?, _ namespace: String?) throws -> [StoreKey] {
                let list = try store.list(resource, namespace: namespace)
                #expect(list.revision == (try store.revision()))
                return list.objects.map(\.key)
            }
            #expect(try names(nil, nil) == keys.sorted())
            #expect(try names("services", nil) == [Self.a, Self.b, keys[0]])
            #expect(try names("services", "shop") == [Self.a, Self.b])
            #expect(try names(nil, "shop") == [Self.a, Self.b, keys[4]])
            #expect(try names("services", "nowhere") == [])
        }
    }

    @Test(arguments: StoreKind.allCases) func `a condition that fails changes nothing and tells what stands`(kind: StoreKind)
        throws
    {
        try kind.withStore { store in
            let first = try store.put(Self.a, "1")
            let standing = try store.get(Self.a)
            let writes: [StoreTransaction.Write] = [.put(Self.b, [1]), .put(Self.a, [2])]
            func commit(_ conditions: [StoreTransaction.Condition]) -> StoreFailure? {
                failure { () throws(StoreFailure) in
                    try store.commit(StoreTransaction(conditions: conditions, writes: writes))
                }
            }
            #expect(commit([.init(Self.a, revision: nil)]) == .conflict(Self.a, current: standing))
            #expect(commit([.init(Self.a, revision: first + 1)]) == .conflict(Self.a, current: standing))
            #expect(commit([.init(Self.a, revision: first), .init(Self.b, revision: first)]) == .conflict(Self.b, current: nil))
            #expect(try store.get(Self.b) == nil)
            #expect(try store.get(Self.a) == standing)
            #expect(try store.revision() == first)
            #expect(commit([.init(Self.a, revision: first), .init(Self.b, revision: nil)]) == nil)
            #expect(try store.get(Self.a)?.revision == first + 1)
        }
    }

    @Test(arguments: StoreKind.allCases) func `the writes of a transaction have one revision, of a key the last counts`(
        kind: StoreKind
    ) throws {
        try kind.withStore { store in
            try store.put(Self.a, "old")
            let revision = try store.commit(
                StoreTransaction(writes: [.put(Self.b, [1]), .delete(Self.a), .put(Self.c, [2]), .put(Self.b, [3])]))
            let changes = try store.changes(after: revision - 1, limit: 10)
            #expect(
                Set(changes) == [
                    StoreChange(key: Self.a, revision: revision, value: nil, previous: Array("old".utf8)),
                    StoreChange(key: Self.b, revision: revision, value: [3], previous: nil),
                    StoreChange(key: Self.c, revision: revision, value: [2], previous: nil),
                ])
            #expect(changes.count == 3)
        }
    }

    @Test(arguments: StoreKind.allCases) func `what is committed together has conditions, revisions and answers of its own`(
        kind: StoreKind
    ) throws {
        try kind.withStore { store in
            let first = try store.put(Self.a, "1")
            let put = { (key: StoreKey, revision: UInt64?, byte: UInt8) in
                StoreTransaction(conditions: [.init(key, revision: revision)], writes: [.put(key, [byte])])
            }
            let results = store.commit([
                put(Self.a, first, 2),
                // Too late now: what stands before it in the group has changed it.
                put(Self.a, first, 3),
                put(Self.b, nil, 4),
                // A part that would hold is nothing without the other.
                StoreTransaction(
                    conditions: [.init(Self.c, revision: nil), .init(Self.b, revision: nil)], writes: [.put(Self.c, [5])]),
                StoreTransaction(),
            ])
            guard results.count == 5, case .success(let one) = results[0],
                case .failure(.conflict(Self.a, let standing)) = results[1],
                case .success(let two) = results[2], case .failure(.conflict(Self.b, _)) = results[3], case .success = results[4]
            else {
                Issue.record("\(results)")
                return
            }
            #expect(first < one && one < two)
            #expect(standing?.value == [2])
            #expect(try store.get(Self.a)?.revision == one && store.get(Self.b)?.revision == two && store.get(Self.c) == nil)
            #expect(try store.changes(after: first, limit: 10).map(\.revision) == [one, two])
            #expect(store.commit([StoreTransaction]()).isEmpty)
        }
    }

    @Test(arguments: StoreKind.allCases) func `deleting nothing is no change`(kind: StoreKind) throws {
        try kind.withStore { store in
            let revision = try store.put(Self.a, "1")
            #expect(try store.commit(StoreTransaction(writes: [.delete(Self.b)])) == revision)
            #expect(try store.commit(StoreTransaction()) == revision)
            #expect(try store.changes(after: revision, limit: 10).isEmpty)
        }
    }

    @Test(arguments: StoreKind.allCases) func `changes come in order and never a part of a transaction`(kind: StoreKind) throws {
        try kind.withStore { store in
            let start = try store.revision()
            try store.put(Self.a, "1")
            let pair = try store.commit(StoreTransaction(writes: [.put(Self.a, [2]), .put(Self.b, [2])]))
            try store.put(Self.b, "3")
            #expect(try store.changes(after: start, limit: 100).map(\.revision) == [start + 1, pair, pair, pair + 1])
            #expect(try store.changes(after: start, limit: 2).map(\.revision) == [start + 1])
            #expect(try store.changes(after: start + 1, limit: 1).map(\.revision) == [pair, pair])
            #expect(try store.changes(after: pair, limit: 1).map(\.previous) == [[2]])
            #expect(try store.changes(after: start, limit: 0).isEmpty)
            #expect(try store.changes(after: .max, limit: .max).isEmpty)
        }
    }

    @Test(arguments: StoreKind.allCases) func `what is compacted is refused, the rest and all objects stay`(kind: StoreKind)
        throws
    {
        try kind.withStore { store in
            let first = try store.put(Self.a, "1")
            let second = try store.put(Self.b, "2")
            try store.compact(before: second)
            #expect(
                failure { () throws(StoreFailure) in try store.changes(after: first - 1, limit: 9) } == .compacted(oldest: first))
            #expect(try store.changes(after: first, limit: 9).map(\.key) == [Self.b])
            try store.compact(before: 0)
            try store.compact(before: .max)
            #expect(
                failure { () throws(StoreFailure) in try store.changes(after: first, limit: 9) } == .compacted(oldest: second))
            #expect(try store.changes(after: second, limit: 9).isEmpty)
            #expect(try store.list(nil, namespace: nil).objects.map(\.key) == [Self.a, Self.b])
            #expect(try store.put(Self.c, "3") == second + 1)
        }
    }

    @Test(arguments: StoreKind.allCases) func `observers are told after a commit`(kind: StoreKind) throws {
        try kind.withStore { store in
            let told = Mutex<[UInt64]>([])
            // Reading inside is allowed: no lock is held.
            store.observe { [unowned store] in told.withLock { $0.append((try? store.revision()) ?? 0) } }
            let revision = try store.put(Self.a, "1")
            let end = Instant.now() + .seconds(5)
            while told.withLock({ !$0.contains(revision) }), Instant.now() < end {}
            #expect(told.withLock { $0.contains(revision) })
        }
    }

    @Test(arguments: StoreKind.allCases) func `of concurrent commits under one condition one wins`(kind: StoreKind) throws {
        try kind.withStore { store in
            let start = try store.revision()
            try store.put(Self.a, "0")
            let wins = Atomic<Int>(0)
            let failures = Mutex<[StoreFailure]>([])
            try concurrently(4) { _ in
                for _ in 0..<25 {
                    let won = failure { () throws(StoreFailure) in
                        let object = try store.get(Self.a)
                        let number = object.flatMap { Int(String(decoding: $0.value, as: UTF8.self)) } ?? -1
                        _ = try store.commit(
                            StoreTransaction(
                                conditions: [.init(Self.a, revision: object?.revision)],
                                writes: [.put(Self.a, Array("\(number + 1)".utf8))]))
                    }
                    switch won {
                    case nil: wins.add(1, ordering: .relaxed)
                    case .conflict: break
                    case let other?: failures.withLock { $0.append(other) }
                    }
                }
            }
            #expect(failures.withLock { $0 } == [])
            #expect(wins.load(ordering: .relaxed) > 0)
            let revisions = try store.changes(after: start, limit: 1000).map(\.revision)
            #expect(try store.text(Self.a) == "\(wins.load(ordering: .relaxed))")
            #expect(revisions.count == wins.load(ordering: .relaxed) + 1)
            #expect(Set(revisions).count == revisions.count)
        }
    }

    @Test(arguments: StoreKind.allCases) func `a name is one holder's until it is released`(kind: StoreKind) throws {
        try kind.withReplicas { one, other in
            let lease = try #require(try one.acquire("replica/a", value: [1]))
            #expect(lease.isHeld && lease.name == "replica/a")
            #expect(try other.acquire("replica/a", value: [2]) == nil)
            let second = try #require(try other.acquire("replica/b", value: [2]))
            #expect(try one.leases() == ["replica/a": [1], "replica/b": [2]])
            #expect(try one.list(nil, namespace: nil).objects.isEmpty)
            // What it says changes with it, and no object does.
            let revision = try one.revision()
            try lease.say([1, 2])
            try lease.say([3])
            #expect(try other.leases() == ["replica/a": [3], "replica/b": [2]])
            #expect(try one.revision() == revision && one.changes(after: revision, limit: 10).isEmpty)
            lease.release()
            #expect(!lease.isHeld)
            #expect(failure { () throws(StoreFailure) in try lease.say([4]) } != nil)
            #expect(try other.leases() == ["replica/b": [2]])
            let again = try #require(try other.acquire("replica/a", value: [3]))
            #expect(again.isHeld && second.isHeld)
        }
    }
}
