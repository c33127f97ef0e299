// SPDX-License-Identifier: Apache-2.0

import Kernel
import Loop
import Support
import Testing

@testable import Tunnel

/// A relay whose bulk goes through the kernel, and the pipes for that.
@Suite struct SpliceTests {
    /// A relay with one pipe, in the middle of a transfer to a reader that stopped: the pipe is in its hands and full.
    private func bulk(_ count: Int, finishing: Bool = false) throws -> RelayBench {
        let bench = try RelayBench(pipes: 1, buffer: 64 * 1024)
        bench.server.expectedSeed = 1
        bench.client.sendPattern(count, seed: 1)
        if finishing { bench.client.finish() }
        try bench.run("a transfer under way") { bench.server.received > 2 << 20 }
        bench.server.isReading = false
        try bench.run("the pipe") { isInUse(bench.pipes) }
        // Until every buffer is full.
        var before: UInt64?
        while before != bench.relay?.tally.received {
            before = bench.relay?.tally.received
            bench.settle(100)
        }
        return bench
    }

    private func isInUse(_ pool: PipePool) -> Bool {
        guard let pipe = pool.take() else { return true }
        pool.giveBack(pipe)
        return false
    }

    @Test func `a bulky direction is spliced, and its end is an end`() throws {
        let bench = try bulk(20_000_000, finishing: true)
        bench.expectNoSpin()
        bench.server.isReading = true
        try bench.run("the end") { bench.server.end != nil }
        bench.server.expect(20_000_000, seed: 1)
        #expect(bench.server.end == .finished)
        #expect(bench.relay?.tally.received == 20_000_000)
        try bench.run("the pipe back") { !isInUse(bench.pipes) }
        bench.server.send("thanks")
        bench.server.finish()
        try bench.run("the answer") { bench.client.end != nil }
        #expect(bench.client.text == "thanks")
        #expect(bench.ends == 1 && bench.failure == nil)
    }

    @Test func `what a spliced direction holds is bounded`() throws {
        let bench = try bulk(64_000_000)
        let ahead = Int(bench.relay?.tally.received ?? 0) - bench.server.received
        // The pipe, and the kernel's buffers of two sockets.
        #expect(ahead < 1_500_000, "\(ahead)")
        bench.settle(50)
        #expect(Int(bench.relay?.tally.received ?? 0) - bench.server.received == ahead)
    }

    @Test func `I12 a reset of the sender stays one while splicing, and its pipe isn't used again`() throws {
        let bench = try bulk(64_000_000)
        bench.client.reset()
        bench.server.isReading = true
        try bench.run("the reset") { bench.server.end != nil }
        #expect(bench.server.wasReset)
        #expect(bench.server.isIntact)
        #expect(bench.failure?.kind == .reset)
        let next = try #require(bench.pipes.take())
        #expect(next.held == 0, "bytes of one connection must not come out of another")
    }

    @Test func `I12 a reset of the receiver stays one while splicing`() throws {
        let bench = try bulk(64_000_000)
        bench.server.reset()
        try bench.run("the reset") { bench.client.end != nil }
        #expect(bench.client.wasReset)
        #expect(bench.ends == 1)
        #expect(try #require(bench.pipes.take()).held == 0)
    }

    @Test func `both directions splice at once, and without a pipe they go on copying`() throws {
        for limit in [0, 1, 2] {
            let bench = try RelayBench(pipes: limit)
            bench.client.sendPattern(12_000_000, seed: 1)
            bench.server.sendPattern(12_000_000, seed: 2)
            (bench.server.expectedSeed, bench.client.expectedSeed) = (1, 2)
            bench.client.finish()
            bench.server.finish()
            try bench.run("both ends with \(limit) pipes") { bench.client.end != nil && bench.server.end != nil }
            bench.server.expect(12_000_000, seed: 1)
            bench.client.expect(12_000_000, seed: 2)
            try bench.run("the end") { bench.ends == 1 }
            #expect(bench.failure == nil)
        }
    }

    @Test func `small messages behind a bulk transfer pass as before`() throws {
        let bench = try RelayBench(pipes: 2)
        bench.client.sendPattern(4_000_000, seed: 3)
        try bench.run("the bulk") { bench.server.received == 4_000_000 }
        for number in 1...20 {
            bench.client.send("x")
            try bench.run("a byte") { bench.server.received == 4_000_000 + number }
        }
    }

    @Test func `small messages are copied, however many there are, and a bulk transfer among them is spliced`() throws {
        let bench = try RelayBench(pipes: 2)
        let message = String(repeating: "m", count: 12_000)
        var sent = 0
        func converse(_ times: Int) throws {
            for _ in 0..<times {
                sent += message.utf8.count
                bench.client.send(message)
                try bench.run("a message") { bench.server.received == sent }
            }
        }
        // 1.4 MB without a pause.
        try converse(120)
        #expect(bench.relay?.tally.spliced == 0)
        sent += 8_000_000
        bench.client.sendPattern(8_000_000, seed: 3)
        try bench.run("the bulk") { bench.server.received == sent }
        let spliced = try #require(bench.relay?.tally.spliced)
        #expect(spliced > 4_000_000)
        // What was bulk is forgotten among messages.
        try converse(40)
        let after = try #require(bench.relay?.tally.spliced)
        try converse(40)
        #expect(bench.relay?.tally.spliced == after)
        #expect(!isInUse(bench.pipes))
    }

    // MARK: - Pipes

    @Test func `a pool makes no more pipes than its limit and gives the same ones again`() throws {
        let loop = try Loop()
        let pool = PipePool(limit: 2, loop: loop)
        let first = try #require(pool.take())
        let second = try #require(pool.take())
        #expect(pool.take() == nil)
        pool.giveBack(first)
        #expect(pool.take() === first)
        pool.giveBack(second)
        #expect(pool.take() === second)
        #expect(pool.take() == nil)
    }

    @Test func `pipes that nobody needs are closed after a while, and who is used again and again stays`() throws {
        let loop = try Loop()
        let pool = PipePool(limit: 3, loop: loop, rest: .milliseconds(50))
        var pipes = try (0..<3).map { _ in try #require(pool.take()) }
        weak let idle = pipes[0]
        weak let alsoIdle = pipes[1]
        weak let used = pipes[2]
        for pipe in pipes { pool.giveBack(pipe) }
        pipes = []
        try drive("two are closed", { loop.turn(wait: .milliseconds(1)) }) {
            if let pipe = pool.take() { pool.giveBack(pipe) }
            return idle == nil && alsoIdle == nil
        }
        #expect(used != nil)
        try drive("the third too", { loop.turn(wait: .milliseconds(1)) }) { used == nil }
        // They don't count any more.
        for _ in 0..<3 { pipes.append(try #require(pool.take())) }
        #expect(pool.take() == nil)
    }

    @Test func `a pipe with bytes in it is thrown away, and another may be made for it`() throws {
        let loop = try Loop()
        let pool = PipePool(limit: 1, loop: loop)
        let dirty = try #require(pool.take())
        dirty.held = 10
        pool.giveBack(dirty)
        let next = try #require(pool.take())
        #expect(next !== dirty)
        #expect(next.held == 0)
    }
}
