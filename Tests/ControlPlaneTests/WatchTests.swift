// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel
import Loop
import ResourceAPI
import Store
import Support
import Testing

@testable import ControlPlane

/// Watches over a real store: each change once, in order, and an end that says so when that can't be kept.
@Suite struct WatchTests {
    private final class Bench {
        let folder: String
        let loop: Loop
        let store: SQLiteStore
        let state: ControlState
        let hub: WatchHub

        init() throws {
            folder = try Files.makeTemporaryFolder()
            loop = try Loop()
            store = try SQLiteStore(path: "\(folder)/control.db")
            state = try ControlState(store: store, loop: loop)
            hub = WatchHub(state: state, loop: loop)
            try run("loading") { state.isLoaded }
        }

        deinit { Files.remove(folder) }

        func run(_ what: String, until isDone: () -> Bool) throws {
            let end = Instant.now() + .seconds(20)
            while !isDone() {
                try #require(Instant.now() < end, "\(what) took too long")
                loop.turn(wait: .milliseconds(50))
            }
        }

        /// Commits and waits until it is in memory.
        @discardableResult
        func put(_ name: String, _ labels: String = "{}", namespace: String = "shop", padding: Int = 0) throws -> UInt64 {
            let text =
                #"{"apiVersion":"v1","kind":"Service","metadata":{"name":"\#(name)","labels":\#(labels),"#
                + #""annotations":{"p":"\#(String(repeating: "x", count: padding))"}}}"#
            return try write(.put(StoreKey("services", namespace: namespace, name), Array(text.utf8)))
        }

        @discardableResult
        func delete(_ name: String, namespace: String = "shop") throws -> UInt64 {
            try write(.delete(StoreKey("services", namespace: namespace, name)))
        }

        private func write(_ write: StoreTransaction.Write) throws -> UInt64 {
            let revision = try store.commit(StoreTransaction(writes: [write]))
            try run("the change") { state.cache.revision >= revision }
            return revision
        }

        func watch(_ view: ObjectView, after revision: UInt64? = nil, bookmarks: Bool = false) throws -> FakeExchange {
            let exchange = FakeExchange("GET", "/")
            exchange.takes = true
            try begin(exchange, view, after: revision, bookmarks: bookmarks)
            return exchange
        }

        func begin(_ exchange: FakeExchange, _ view: ObjectView, after revision: UInt64? = nil, bookmarks: Bool = false) throws {
            let start: Watch.Start
            if let revision {
                start = Watch.Start(number: try #require(state.ring.number(after: revision)), revision: revision)
            } else {
                start = Watch.Start(
                    objects: state.cache.objects(view.resource, namespace: view.namespace), marksInitialEnd: bookmarks,
                    number: state.ring.end, revision: state.cache.revision)
            }
            let bookmark: ((UInt64, Bool) -> [UInt8])? =
                bookmarks ? { revision, isEnd in Array(#"{"revision":\#(revision),"end":\#(isEnd)}"#.utf8) } : nil
            hub.add(Watch(exchange, owner: "token:1", view: view, start: start, bookmark: bookmark, hub: hub), for: .seconds(600))
        }
    }

    private static var services: ObjectView { ObjectView(resource: "services", namespace: "shop") }

    private func told(_ exchange: FakeExchange) -> [String] {
        exchange.lines.map { "\($0["type"]?.stringValue ?? "?") \($0["object"]?["metadata"]?["name"]?.stringValue ?? "-")" }
    }

    @Test func `what is there comes first, then each change once and in order, of one's namespace alone`() throws {
        let bench = try Bench()
        try bench.put("a")
        let exchange = try bench.watch(Self.services)
        #expect(told(exchange) == ["ADDED a"])
        try bench.put("b")
        try bench.put("c", namespace: "other")
        try bench.put("a")
        let end = try bench.delete("b")
        #expect(told(exchange) == ["ADDED a", "ADDED b", "MODIFIED a", "DELETED b"])
        #expect(exchange.lines.last?["object"]?["metadata"]?["resourceVersion"]?.stringValue == "\(end)")
    }

    @Test func `from a revision on everything after it is told`() throws {
        let bench = try Bench()
        let first = try bench.put("a")
        try bench.put("b")
        try bench.delete("a")
        let exchange = try bench.watch(Self.services, after: first)
        #expect(told(exchange) == ["ADDED b", "DELETED a"])
    }

    @Test func `what begins to fit a selector is new, what ceases is gone`() throws {
        let bench = try Bench()
        var view = Self.services
        view.labels = try LabelSelector("app=web")
        try bench.put("a", #"{"app":"api"}"#)
        let exchange = try bench.watch(view)
        try bench.put("a", #"{"app":"web"}"#)
        try bench.put("a", #"{"app":"web","x":"y"}"#)
        try bench.put("a", #"{"app":"api"}"#)
        try bench.put("a", #"{"app":"db"}"#)
        #expect(told(exchange) == ["ADDED a", "MODIFIED a", "DELETED a"])
    }

    @Test func `a client that doesn't read costs a bounded amount and misses nothing when it does`() throws {
        let bench = try Bench()
        let slow = FakeExchange("GET", "/")
        slow.takes = false
        try bench.begin(slow, Self.services)
        let quick = try bench.watch(Self.services)
        for number in 0..<100 { try bench.put("s\(number)", padding: 10_000) }
        #expect(slow.queued <= 300 << 10)
        #expect(told(quick).count == 100)
        while told(slow).count < 100 {
            let before = told(slow).count
            slow.drain()
            try #require(told(slow).count > before)
        }
        #expect(told(slow) == told(quick))
    }

    @Test func `a client that fell behind what is remembered is told so, and let go`() throws {
        let bench = try Bench()
        let slow = FakeExchange("GET", "/")
        slow.takes = false
        try bench.begin(slow, Self.services)
        for number in 0..<60 { try bench.put("s\(number)", padding: 1 << 20) }
        slow.drain()
        #expect(slow.isFinished)
        #expect(slow.lines.last?["type"]?.stringValue == "ERROR")
        #expect(slow.lines.last?["object"]?["code"]?.integerValue == 410)
        #expect(bench.hub.count == 0)
    }

    @Test func `bookmarks tell the end of what was there and then how far one is`() throws {
        let bench = try Bench()
        try bench.put("a")
        let exchange = try bench.watch(Self.services, bookmarks: true)
        #expect(told(exchange) == ["ADDED a", "BOOKMARK -"])
        #expect(exchange.lines.last?["object"]?["end"]?.boolValue == true)
        let other = try bench.put("b", namespace: "other")
        bench.hub.timerFired(0)
        #expect(exchange.lines.last?["object"]?["revision"]?.integerValue == Int64(other))
        bench.hub.timerFired(0)
        #expect(exchange.lines.count == 3)
    }

    @Test func `who may no longer ask hears no more`() throws {
        let bench = try Bench()
        let exchange = try bench.watch(Self.services)
        bench.hub.revoke("token:2")
        #expect(bench.hub.count == 1)
        bench.hub.revoke("token:1")
        #expect(exchange.isFinished && bench.hub.count == 0)
        #expect(exchange.lines.last?["object"]?["code"]?.integerValue == 401)
    }

    @Test func `who goes away is forgotten`() throws {
        let bench = try Bench()
        let exchange = try bench.watch(Self.services)
        #expect(bench.hub.count == 1)
        exchange.leave()
        #expect(bench.hub.count == 0)
        try bench.put("a")
        #expect(exchange.lines.isEmpty)
    }
}
