// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

@testable import Store

/// What a process leaves that is killed while it commits, and one whose disk is full. The process is this test program, run again for one test.
@Suite struct SQLiteCrashTests {
    /// Set for the child only: where its store is.
    private static let path = Files.environment("WARREN_STORE_CHILD")
    private static let key = StoreKey("counters", "acknowledged")
    private static let pair = StoreKey("counters", "pair")

    private static func startChild(_ test: String, path: String) throws -> RunningCommand {
        try RunningCommand(
            ["/proc/self/exe", "--testing-library", "swift-testing", "--filter", "SQLiteCrashTests.*child \(test)"],
            environment: ["WARREN_STORE_CHILD": path])
    }

    private static func counter(_ store: SQLiteStore, _ key: StoreKey) throws -> Int {
        try store.text(key).flatMap { Int($0) } ?? 0
    }

    /// The numbers that the child has said.
    private static func acknowledged(_ child: RunningCommand) -> [Int] {
        // The last line may be half written.
        child.out.split(separator: "\n", omittingEmptySubsequences: false).dropLast().compactMap { line in
            line.hasPrefix("committed ") ? Int(line.dropFirst("committed ".count)) : nil
        }
    }

    private func say(_ words: String) {
        let line = Array("\(words)\n".utf8)
        _ = unsafe write(1, line, line.count)
    }

    @Test(.enabled(if: path != nil)) func `child commits and says so`() throws {
        let store = try SQLiteStore(path: #require(Self.path))
        var number = try Self.counter(store, Self.key)
        while true {
            number += 1
            let value = Array("\(number)".utf8)
            _ = try store.commit(StoreTransaction(writes: [.put(Self.key, value), .put(Self.pair, value)]))
            if number % 300 == 0 { try store.compact(before: store.revision() - 100) }
            say("committed \(number)")
        }
    }

    @Test(.enabled(if: path == nil), .timeLimit(.minutes(5))) func `a killed process loses nothing that it acknowledged`() throws
    {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        let path = "\(folder)/control.db"
        var identity: String?
        var committed = 0
        for _ in 0..<6 {
            let child = try Self.startChild("commits", path: path)
            let start = Moment.now()
            while Self.acknowledged(child).isEmpty, child.status == nil, Moment.now() < start + 60 { usleep(1000) }
            usleep(.random(in: 0..<60_000))
            child.signal(SIGKILL)
            _ = child.wait(seconds: 30)
            let last = try #require(Self.acknowledged(child).last, "\(child.out) \(child.err)")
            #expect(last > committed)
            let store = try SQLiteStore(path: path)
            let stands = try Self.counter(store, Self.key)
            // One more may have been on the disk when the word of it was lost.
            #expect(stands == last || stands == last + 1)
            #expect(try Self.counter(store, Self.pair) == stands)
            #expect(try store.revision() == UInt64(stands))
            if let identity { #expect(store.identity == identity) }
            identity = store.identity
            committed = stands
        }
    }

    @Test(.enabled(if: path != nil)) func `child fills its disk`() throws {
        let store = try SQLiteStore(path: #require(Self.path))
        let revision = try store.put(Self.key, "1")
        // A limit on the size of files does to this process what a full disk does to all.
        _ = signal(SIGXFSZ, SIG_IGN)
        let fileSize = __rlimit_resource_t(1)
        var limit = rlimit()
        let known = unsafe getrlimit(fileSize, &limit)
        #expect(known == 0)
        let usual = limit.rlim_cur
        limit.rlim_cur = 200_000
        let limited = unsafe setrlimit(fileSize, &limit)
        #expect(limited == 0)
        let large = [UInt8](repeating: 1, count: 500_000)
        let refused = failure { () throws(StoreFailure) in
            try store.commit(StoreTransaction(writes: [.put(Self.key, large), .put(Self.pair, [1])]))
        }
        guard case .unavailable? = refused else {
            Issue.record("\(refused.debugDescription)")
            return
        }
        #expect(try store.text(Self.key) == "1")
        #expect(try store.get(Self.pair) == nil)
        limit.rlim_cur = usual
        let lifted = unsafe setrlimit(fileSize, &limit)
        #expect(lifted == 0)
        #expect(try store.put(Self.key, "2") == revision + 1)
        say("overcome")
    }

    @Test(.enabled(if: path == nil)) func `a full disk refuses a commit, harms nothing, and is overcome`() throws {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        let child = try Self.startChild("fills", path: "\(folder)/control.db")
        let outcome = child.finish(seconds: 60)
        #expect(outcome.succeeded, "\(outcome)")
        // The filter found it, and it came to its end.
        #expect(outcome.out.contains("overcome"))
    }
}
