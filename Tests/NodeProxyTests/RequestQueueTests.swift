// SPDX-License-Identifier: Apache-2.0

import HTTP
import Kernel
import Loop
import Support
import Testing

@testable import NodeProxy

/// CONNECTs that arrive by the hundred: a tunnel begins some in each turn, others have theirs in between.
@Suite struct RequestQueueTests {
    private static let head = HTTP2RequestHead(method: "CONNECT", authority: "127.0.0.1:80")

    @Test func `some begin at once, the others in the next turns and in their order`() throws {
        let loop = try Loop()
        let queue = RequestQueue(loop)
        loop.turn(wait: .zero)
        let begun = (0..<20).filter { queue.mayBegin(Int32($0), Self.head) }
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
        let queue = RequestQueue(loop)
        loop.turn(wait: .zero)
        for stream in 0..<10 { _ = queue.mayBegin(Int32(stream), Self.head) }
        loop.turn(wait: .zero)
        #expect(!queue.mayBegin(10, Self.head))
        queue.clear()
        #expect(queue.isEmpty && queue.take() == nil)
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
