// SPDX-License-Identifier: Apache-2.0

import Kernel
import Support
import Testing

@testable import Store

/// A whole store that is put into etcd: it serves when it is there, as the same store, above all revisions of before.
@Suite struct EtcdImportTests {
    private static let key = StoreKey("services", namespace: "shop", "a")

    /// A store that was elsewhere.
    private static func contents(_ count: Int = 250, revision: UInt64 = 5_000_000_000, bytes: Int = 100) -> StoreContents {
        StoreContents(
            identity: "store-a", revision: revision,
            objects: (0..<count).map {
                StoredObject(
                    key: StoreKey("services", namespace: "shop", "s-\($0)"),
                    value: [UInt8](repeating: UInt8($0 % 251), count: bytes),
                    revision: UInt64($0))
            })
    }

    @discardableResult
    private static func put(_ contents: StoreContents, _ settings: EtcdSettings, replacing: Bool = false) throws -> UInt64 {
        let work = try EtcdImport(contents, to: settings)
        guard case .begun = try work.begin(replacing: replacing) else { throw LabFailure(description: "it was done") }
        try work.copy { _ in }
        try work.verify()
        return try work.finish()
    }

    private static func words(_ body: () throws(StoreFailure) -> Void) -> String { failure(body)?.text ?? "no failure" }

    @Test func `I21 the store is the same, its objects too, and every revision is above those of before`() throws {
        try Etcd.withSettings { settings in
            let contents = Self.contents()
            let first = try Self.put(contents, settings)
            #expect(first > contents.revision)
            let store = try EtcdStore(settings)
            #expect(store.identity == "store-a")
            #expect(try store.revision() == first)
            let list = try store.list(nil, namespace: nil)
            #expect(list.revision == first)
            #expect(list.objects.map(\.key) == contents.objects.map(\.key))
            #expect(list.objects.map(\.value) == contents.objects.map(\.value))
            #expect(list.objects.allSatisfy { $0.revision > contents.revision && $0.revision <= first })
            // Who follows from before is told to read it all anew, at whatever revision it was.
            for told in [0, 1, contents.revision - 1, contents.revision, contents.revision + 1] {
                #expect(
                    failure { () throws(StoreFailure) in try store.changes(after: told, limit: 9) } == .compacted(oldest: first))
            }
            #expect(try store.changes(after: first, limit: 9).isEmpty)
            // It goes on as any other: conditions, changes, deletions, for a second replica too, and when history is forgotten.
            let other = try EtcdStore(settings)
            let standing = try #require(list.objects.first)
            let second = try store.commit(
                StoreTransaction(
                    conditions: [.init(standing.key, revision: standing.revision)], writes: [.put(standing.key, [1])]))
            #expect(second > first)
            #expect(try other.get(standing.key) == StoredObject(key: standing.key, value: [1], revision: second))
            let stale = failure { () throws(StoreFailure) in
                try other.commit(
                    StoreTransaction(conditions: [.init(standing.key, revision: 17)], writes: [.put(standing.key, [2])]))
            }
            #expect(
                stale == .conflict(standing.key, current: StoredObject(key: standing.key, value: [1], revision: second)))
            let third = try other.commit(
                StoreTransaction(conditions: [.init(standing.key, revision: second)], writes: [.delete(standing.key)]))
            try waitUntil("the first hears of it", seconds: 5) {
                (try? store.changes(after: first, limit: 9).map(\.revision)) == [second, third]
            }
            #expect(try EtcdStore(settings).changes(after: first, limit: 9).map(\.revision) == [second, third])
            try store.compact(before: third)
            #expect(
                failure { () throws(StoreFailure) in try EtcdStore(settings).changes(after: first, limit: 9) }
                    == .compacted(oldest: second))
        }
    }

    @Test func `what is half there isn't served, whenever it was broken off, and is begun anew`() throws {
        try Etcd.withSettings { settings in
            let contents = Self.contents()
            func serves() -> Bool { failure { () throws(StoreFailure) in try EtcdStore(settings) } == nil }
            // After each step, as a kill would leave it.
            for steps in 0..<3 {
                let work = try EtcdImport(contents, to: settings)
                guard case .begun = try work.begin(replacing: false) else { throw LabFailure(description: "it was done") }
                if steps > 0 { try work.copy { _ in } }
                if steps > 1 { try work.verify() }
                let words = Self.words { () throws(StoreFailure) in _ = try EtcdStore(settings) }
                #expect(words.contains("store-a is being put at") && words.contains("nothing is served before"), "\(words)")
            }
            // Another store isn't put in its place.
            let other = StoreContents(identity: "store-b", revision: 1, objects: contents.objects)
            let words = Self.words { () throws(StoreFailure) in _ = try EtcdImport(other, to: settings).begin(replacing: false) }
            #expect(words.contains("the store store-a is being put"), "\(words)")
            // What is fewer now isn't left behind by the attempt before.
            try Self.put(Self.contents(20), settings)
            #expect(serves())
            #expect(try EtcdStore(settings).list(nil, namespace: nil).objects.count == 20)
        }
    }

    @Test func `of two that put a store there one goes on, and the other says so`() throws {
        try Etcd.withSettings { settings in
            let (one, other) = (try EtcdImport(Self.contents(), to: settings), try EtcdImport(Self.contents(), to: settings))
            _ = try one.begin(replacing: false)
            _ = try other.begin(replacing: false)
            #expect(Self.words { () throws(StoreFailure) in try one.copy { _ in } }.contains("somebody else"))
            try other.copy { _ in }
            #expect(Self.words { () throws(StoreFailure) in _ = try one.finish() }.contains("somebody else"))
            #expect(failure { () throws(StoreFailure) in try EtcdStore(settings) } != nil)
            let first = try other.finish()
            #expect(try EtcdStore(settings).revision() == first)
            // Who is told nothing, since the answer got lost, finds it done.
            let again = try EtcdImport(Self.contents(), to: settings)
            guard case .alreadyDone(isUntouched: true) = try again.begin(replacing: false) else {
                Issue.record("it began anew")
                return
            }
            try EtcdStore(settings).put(Self.key, "1")
            guard case .alreadyDone(isUntouched: false) = try again.begin(replacing: false) else {
                Issue.record("a change isn't seen")
                return
            }
            #expect(try again.abandon() == false)
        }
    }

    @Test func `what isn't what was written is found, and an attempt is taken back`() throws {
        try Etcd.withSettings { settings in
            let work = try EtcdImport(Self.contents(), to: settings)
            _ = try work.begin(replacing: false)
            try work.copy { _ in }
            let keys = EtcdKeys(prefix: settings.prefix)
            let client = try EtcdClient(settings)
            defer { client.close() }
            for (operation, count) in [
                (EtcdTransaction.Operation.delete(keys.key(StoreKey("services", namespace: "shop", "s-7"))), 249),
                (.put(keys.key(StoreKey("services", namespace: "shop", "s-7")), [1]), 250),
            ] {
                var request = EtcdTransaction()
                request.success = [operation]
                let bytes = request.bytes
                let _: EtcdTransactionAnswer = try client.call(EtcdPath.transaction, bytes)
                let words = Self.words { () throws(StoreFailure) in try work.verify() }
                #expect(words.contains("isn't what was written (\(count) of 250 objects)"), "\(words)")
            }
            #expect(try work.abandon())
            // Nothing is left: a store of its own can begin.
            let store = try EtcdStore(settings)
            #expect(store.identity != "store-a")
            #expect(try store.list(nil, namespace: nil).objects.isEmpty)
            let words = Self.words { () throws(StoreFailure) in
                _ = try EtcdImport(Self.contents(), to: settings).begin(replacing: false)
            }
            #expect(words.contains("a store stands at") && words.contains(store.identity), "\(words)")
        }
    }

    @Test func `I21 a replica that was thought gone neither tells of the other store nor writes into it`() throws {
        try Etcd.withSettings { settings in
            try Self.put(Self.contents(), settings)
            let late = try EtcdStore(settings)
            let start = try late.revision()
            let put = try late.put(Self.key, "1")
            #expect(try late.changes(after: start, limit: 9).map(\.revision) == [put])
            // While one is there, the store isn't touched.
            let lease = try #require(try late.acquire("replica/a", value: []))
            let restored = StoreContents(
                identity: "store-a", revision: 10, objects: [StoredObject(key: Self.key, value: [7], revision: 1)])
            let words = Self.words { () throws(StoreFailure) in _ = try EtcdImport(restored, to: settings).begin(replacing: true)
            }
            #expect(words.contains("replica/a") && words.contains("stop"), "\(words)")
            #expect(try late.text(Self.key) == "1")
            lease.release()
            let first = try Self.put(restored, settings, replacing: true)
            #expect(first > put)
            try waitUntil("it knows", seconds: 5) { late.history.isOver }
            for words in [
                Self.words { () throws(StoreFailure) in _ = try late.changes(after: put, limit: 9) },
                Self.words { () throws(StoreFailure) in try late.put(Self.key, "2") },
                Self.words { () throws(StoreFailure) in _ = try late.list(nil, namespace: nil) },
            ] {
                #expect(words.contains("another store was put in place") && words.contains("restart"), "\(words)")
            }
            let store = try EtcdStore(settings)
            #expect(try store.get(Self.key)?.value == [7])
            #expect(try store.list(nil, namespace: nil).objects.count == 1)
        }
    }

    @Test(.timeLimit(.minutes(1))) func `objects as large as etcd takes, and many of them, come there`() throws {
        try Etcd.withSettings { settings in
            let contents = Self.contents(12, bytes: 1 << 20)
            var told: [Int] = []
            let work = try EtcdImport(contents, to: settings)
            _ = try work.begin(replacing: false)
            try work.copy { told.append($0) }
            #expect(told == Array(1...12))
            try work.verify()
            _ = try work.finish()
            #expect(try EtcdStore(settings).list(nil, namespace: nil).objects.map(\.value) == contents.objects.map(\.value))
        }
    }
}
