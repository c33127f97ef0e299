// SPDX-License-Identifier: Apache-2.0

import Kernel
import Support
import Synchronization
import Testing

@testable import Store

/// What concerns a cluster: several processes on one store, long lists, long histories, and what is refused.
@Suite struct EtcdStoreTests {
    private static let key = StoreKey("services", namespace: "shop", "a")

    @Test func `what was committed is there for the next process, with its history and identity`() throws {
        try Etcd.withSettings { settings in
            let one = try EtcdStore(settings)
            let start = try one.revision()
            let first = try one.put(Self.key, "1")
            let second = try one.put(Self.key, "2")
            _ = try one.commit(StoreTransaction(writes: [.delete(Self.key)]))
            let other = try EtcdStore(settings)
            #expect(other.identity == one.identity)
            #expect(try other.revision() == (try one.revision()))
            // Before its time: read from etcd, not from memory.
            #expect(other.history.floor > second)
            #expect(try other.changes(after: start, limit: 10) == (try one.changes(after: start, limit: 10)))
            #expect(try other.changes(after: start, limit: 1).map(\.revision) == [first])
            #expect(try other.changes(after: first, limit: 10).map(\.previous) == [Array("1".utf8), Array("2".utf8)])
        }
    }

    @Test func `another process's changes are told, and observed`() throws {
        try Etcd.withSettings { settings in
            let (one, other) = (try EtcdStore(settings), try EtcdStore(settings))
            let start = try other.revision()
            let told = Atomic<Int>(0)
            other.observe { told.add(1, ordering: .relaxed) }
            let revision = try one.put(Self.key, "1")
            let end = Instant.now() + .seconds(5)
            while try other.changes(after: start, limit: 10).isEmpty, Instant.now() < end { Thread.sleep(.milliseconds(1)) }
            #expect(try other.changes(after: start, limit: 10).map(\.revision) == [revision])
            while told.load(ordering: .relaxed) == 0, Instant.now() < end { Thread.sleep(.milliseconds(1)) }
            #expect(told.load(ordering: .relaxed) > 0)
        }
    }

    @Test func `what others do in the cluster is no change of ours`() throws {
        try Etcd.withSettings { settings in
            let (ours, theirs) = (try EtcdStore(settings), try EtcdStore(Self.elsewhere(settings)))
            let revision = try ours.put(Self.key, "1")
            try theirs.put(Self.key, "2")
            #expect(try ours.revision() == revision)
            #expect(try ours.list(nil, namespace: nil).revision == revision)
            #expect(try ours.changes(after: revision, limit: 10).isEmpty)
            #expect(try ours.commit(StoreTransaction()) == revision)
            #expect(ours.identity != theirs.identity)
        }
    }

    private static func elsewhere(_ settings: EtcdSettings) -> EtcdSettings {
        var settings = settings
        settings.prefix += "-elsewhere"
        return settings
    }

    @Test(.timeLimit(.minutes(1))) func `lists are of one moment, however many pages and megabytes they have`() throws {
        try Etcd.withSettings { settings in
            let store = try EtcdStore(settings)
            for page in 0..<25 {
                let writes = (0..<100).map {
                    StoreTransaction.Write.put(StoreKey("x", "\(page)-\($0)"), [UInt8](repeating: 7, count: 100))
                }
                _ = try store.commit(StoreTransaction(writes: writes))
            }
            // More than an answer may have.
            for number in 0..<34 {
                _ = try store.commit(StoreTransaction(writes: [.put(StoreKey("y", "\(number)"), Self.large)]))
            }
            let list = try store.list(nil, namespace: nil)
            #expect(list.objects.count == 2534)
            #expect(list.objects.map(\.key) == list.objects.map(\.key).sorted())
            #expect(list.objects.filter { $0.value == Self.large }.count == 34)
            #expect(list.revision == (try store.revision()))
            // The same as changes, from etcd.
            let other = try EtcdStore(settings)
            var (told, count) = (list.objects.map(\.revision).min().map { $0 - 1 } ?? 0, 0)
            while let changes = Optional(try other.changes(after: told, limit: 500)), let last = changes.last {
                count += changes.count
                told = last.revision
            }
            #expect(count == 2534 && told == list.revision)
        }
    }

    private static let large = [UInt8](repeating: 9, count: 1 << 20)

    @Test func `who follows from before a compaction is told so`() throws {
        try Etcd.withSettings { settings in
            let (one, other) = (try EtcdStore(settings), try EtcdStore(settings))
            let start = try one.revision()
            let first = try one.put(Self.key, "1")
            let second = try one.put(Self.key, "2")
            let end = Instant.now() + .seconds(20)
            while try other.changes(after: start, limit: 10).last?.revision != second, Instant.now() < end {
                Thread.sleep(.milliseconds(20))
            }
            try one.compact(before: second)
            // What the other has in memory is still good.
            #expect(try other.changes(after: start, limit: 10).last?.revision ?? 0 <= second)
            let third = try EtcdStore(settings)
            #expect(failure { () throws(StoreFailure) in try third.changes(after: start, limit: 9) } == .compacted(oldest: first))
            #expect(try third.changes(after: first, limit: 9).map(\.previous) == [Array("1".utf8)])
            // A second time, and by another: nothing to do.
            try other.compact(before: first)
        }
    }

    @Test func `a name whose holder is gone is given to another`() throws {
        try Etcd.withSettings { settings in
            let other = try EtcdStore(settings)
            var one: EtcdStore? = try EtcdStore(settings)
            let lease = try #require(try one?.acquire("leader", value: []))
            // Renewed for as long as its process lives.
            let longer = Instant.now() + .seconds(EtcdLease.lifetime + 2)
            while Instant.now() < longer {
                try #require(lease.isHeld)
                try #require(try other.acquire("leader", value: []) == nil)
                Thread.sleep(.milliseconds(500))
            }
            // As after a kill: nobody releases it.
            one?.client.close()
            one = nil
            let end = Instant.now() + .seconds(EtcdLease.lifetime + 10)
            var next: (any StoreLease)?
            while next == nil, Instant.now() < end {
                next = try other.acquire("leader", value: [])
                if next != nil { #expect(!lease.isHeld) }
                // It never speaks in the name of who comes next.
                if next != nil { #expect(failure { () throws(StoreFailure) in try lease.say([1]) } != nil) }
                Thread.sleep(.milliseconds(100))
            }
            #expect(next?.isHeld == true)
        }
    }

    @Test func `a change of more objects than etcd takes is refused whole`() throws {
        try Etcd.withSettings { settings in
            let store = try EtcdStore(settings)
            func writes(_ count: Int) -> StoreTransaction {
                StoreTransaction(writes: (0..<count).map { .put(StoreKey("x", "\($0)"), []) })
            }
            _ = try store.commit(writes(StoreTransaction.limit))
            guard
                case .unusable(let text) = failure({ () throws(StoreFailure) in
                    try store.commit(writes(StoreTransaction.limit + 1))
                })
            else {
                Issue.record("it was taken")
                return
            }
            #expect(text.contains("etcd takes 100"))
            guard
                case .unavailable(let words) = failure({ () throws(StoreFailure) in
                    try store.commit(StoreTransaction(writes: [.put(Self.key, Self.large + Self.large)]))
                })
            else {
                Issue.record("it was taken")
                return
            }
            #expect(words.contains("max-request-bytes"), "\(words)")
            #expect(try store.get(Self.key) == nil)
        }
    }

    @Test func `something else below the prefix is refused`() throws {
        try Etcd.withSettings { settings in
            let taken = settings.prefix + "-taken"
            let store = try EtcdStore(settings)
            var request = EtcdTransaction()
            request.success = [.put(Array("\(taken)/songs".utf8), [])]
            let _: EtcdTransactionAnswer = try store.client.call(EtcdPath.transaction, request.bytes)
            var other = settings
            other.prefix = taken
            guard case .unusable(let text) = failure({ () throws(StoreFailure) in try EtcdStore(other) }) else {
                Issue.record("it was taken for a store")
                return
            }
            #expect(text.contains("songs"))
        }
    }
}
