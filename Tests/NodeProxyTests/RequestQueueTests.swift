// SPDX-License-Identifier: Apache-2.0

import HTTP
import Kernel
import Loop
import Support
import Testing
import Tunnel

@testable import NodeProxy

/// CONNECTs that arrive by the hundred: a tunnel begins some in each turn, others have theirs in between.
@Suite struct RequestQueueTests {
    private static let head = HTTP2RequestHead(method: "CONNECT", authority: "127.0.0.1:80")

    @Test func `some begin at once, the others in the next turns and in their order`() throws {
        let loop = try Loop()
        let queue = RequestQueue(loop, WindowBudget(bytes: 0))
        loop.turn(wait: .zero)
        let begun = (0..<20).filter { queue.place(Int32($0), Self.head) == .begins }
        #expect(begun == Array(0..<RequestQueue.perTurn))
        #expect(queue.take() == nil, "this turn's are gone")
        var order: [Int32] = []
        for _ in 0..<10 {
            loop.turn(wait: .zero)
            let before = order.count
            while let next = queue.take() { order.append(next.stream) }
            #expect(order.count - before <= RequestQueue.perTurn)
        }
        #expect(order == (Int32(RequestQueue.perTurn)..<20).map { $0 })
        #expect(queue.isEmpty)
    }

    @Test func `who comes later doesn't overtake, and what is cleared is gone`() throws {
        let loop = try Loop()
        let queue = RequestQueue(loop, WindowBudget(bytes: 0))
        loop.turn(wait: .zero)
        for stream in 0..<10 { _ = queue.place(Int32(stream), Self.head) }
        loop.turn(wait: .zero)
        #expect(queue.place(10, Self.head) == .waits)
        queue.clear()
        #expect(queue.isEmpty && queue.take() == nil)
    }

    @Test func `what waits is held at the peer's expense, and given back when it begins or is cleared`() throws {
        let loop = try Loop()
        let held = HeldBytes()
        let queue = RequestQueue(loop, WindowBudget(bytes: 0, held: 400_000))
        queue.holder = held
        let large = HTTP2RequestHead(
            method: "CONNECT", authority: "127.0.0.1:80", headers: ["forwarded": String(repeating: "x", count: 60_000)])
        let places = (0..<8).map { queue.place(Int32($0), large, mayBegin: false) }
        #expect(places == [.waits, .waits, .waits] + Array(repeating: .refused, count: 5), "half of all is one peer's")
        #expect(180_000...200_000 ~= held.count)
        loop.turn(wait: .zero)
        #expect(queue.take()?.stream == 0)
        #expect(held.count < 130_000)
        #expect(queue.place(9, large, mayBegin: false) == .waits, "there is room again")
        queue.clear()
        #expect(held.count == 0)
    }

    @Test func `a queue that never empties keeps nothing of those that began`() throws {
        let loop = try Loop()
        let held = HeldBytes()
        let queue = RequestQueue(loop, WindowBudget(bytes: 0))
        queue.holder = held
        _ = queue.place(-1, Self.head, mayBegin: false)
        let one = held.count
        var order: [Int32] = []
        for stream in Int32(0)..<1000 {
            loop.turn(wait: .zero)
            _ = queue.place(stream, Self.head, mayBegin: false)
            if let next = queue.take() { order.append(next.stream) }
        }
        #expect(order == Array(-1..<999), "in their order")
        #expect(held.count == one && !queue.isEmpty)
    }

    @Test func `a hundred CONNECTs at once are all carried, and those given up meanwhile cost nothing`() throws {
        let bench = try NodeBench()
        let end = try bench.tunnel()
        try bench.run("the tunnel") { end.isOpen }
        let calls = try (0..<60).map { _ in try end.call("127.0.0.5:\(bench.port)") }
        try bench.run("all of them") { calls.allSatisfy(\.isAccepted) }
        #expect(bench.worker.connections.count == 60)
        for call in calls { call.application.reset() }
        try bench.run("their end") { bench.worker.connections.count == 0 }
    }
}
