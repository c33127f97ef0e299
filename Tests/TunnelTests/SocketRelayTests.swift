// SPDX-License-Identifier: Apache-2.0

import Kernel
import Loop
import Support
import Testing

@testable import Tunnel

/// A relay between two sockets that copies.
@Suite struct SocketRelayTests {
    enum Side: CaseIterable {
        case client
        case server
    }

    private func ends(_ bench: RelayBench, _ side: Side) -> (near: Application, far: Application) {
        side == .client ? (bench.client, bench.server) : (bench.server, bench.client)
    }

    @Test(arguments: [1, 65_535, 65_536, 65_537, 3_000_000]) func `bytes go both ways as they are`(_ count: Int) throws {
        let bench = try RelayBench()
        bench.client.sendPattern(count, seed: 1)
        bench.server.sendPattern(count + 7, seed: 2)
        (bench.server.expectedSeed, bench.client.expectedSeed) = (1, 2)
        bench.client.finish()
        bench.server.finish()
        try bench.run("both ends") { bench.ends > 0 }
        try bench.run("both applications") { bench.client.end != nil && bench.server.end != nil }
        bench.server.expect(count, seed: 1)
        bench.client.expect(count + 7, seed: 2)
        #expect(bench.failure == nil)
        #expect(bench.ends == 1)
        #expect(bench.client.end == .finished && bench.server.end == .finished)
        #expect(bench.relay?.tally.received == UInt64(count))
        #expect(bench.relay?.tally.sent == UInt64(count + 7))
    }

    @Test(arguments: Side.allCases) func `an end is passed on alone, and the other direction goes on`(_ side: Side) throws {
        let bench = try RelayBench()
        let (near, far) = ends(bench, side)
        near.send("question")
        near.finish()
        try bench.run("the end") { far.end != nil }
        #expect(far.text == "question")
        #expect(far.end == .finished)
        #expect(near.end == nil, "an end was invented")
        #expect(bench.ends == 0)
        far.sendPattern(500_000, seed: 3)
        near.expectedSeed = 3
        far.finish()
        try bench.run("the answer") { near.end != nil }
        near.expect(500_000, seed: 3)
        #expect(near.end == .finished)
        try bench.run("the end of the relay") { bench.ends > 0 }
        #expect(bench.failure == nil)
    }

    @Test(arguments: Side.allCases) func `I12 a reset stays a reset`(_ side: Side) throws {
        let bench = try RelayBench()
        let (near, far) = ends(bench, side)
        near.send("x")
        try bench.run("a byte") { far.received == 1 }
        near.reset()
        try bench.run("the reset") { far.end != nil }
        #expect(far.wasReset, "\(String(describing: far.end))")
        #expect(bench.failure?.kind == .reset)
        #expect(bench.failure?.reason.contains(side == .client ? "client" : "server") == true)
        #expect(bench.ends == 1)
    }

    @Test(arguments: Side.allCases) func `I12 a reset in the middle of a transfer is no end`(_ side: Side) throws {
        let bench = try RelayBench()
        let (near, far) = ends(bench, side)
        far.expectedSeed = 4
        near.sendPattern(50_000_000, seed: 4)
        try bench.run("some of it") { far.received > 100_000 }
        near.reset()
        try bench.run("the reset") { far.end != nil }
        #expect(far.wasReset)
        #expect(far.isIntact)
    }

    @Test(arguments: Side.allCases) func `I12 a reset after a half-close reaches the side that still reads`(_ side: Side) throws {
        let bench = try RelayBench()
        let (near, far) = ends(bench, side)
        far.finish()
        try bench.run("the end") { near.end == .finished }
        near.send("on and on")
        try bench.run("bytes") { far.received == 9 }
        near.reset()
        try bench.run("the reset") { far.end != nil }
        #expect(far.wasReset)
        #expect(bench.failure?.kind == .reset)
    }

    @Test(arguments: Side.allCases) func `I12 an application that leaves with bytes unread resets the other`(_ side: Side) throws
    {
        let bench = try RelayBench()
        let (near, far) = ends(bench, side)
        near.isReading = false
        far.sendPattern(300_000, seed: 1)
        try bench.run("bytes on their way") { far.sent == 300_000 }
        bench.settle()
        near.close()
        try bench.run("the reset") { far.end != nil }
        #expect(far.wasReset)
    }

    @Test func `I12 a relay that is cut resets both`() throws {
        let bench = try RelayBench()
        bench.client.send("hello")
        try bench.run("a word") { bench.server.received == 5 }
        bench.relay?.cut(ConnectionFailure(.denied, "no longer allowed", policy: "shop/deny"))
        try bench.run("both resets") { bench.client.end != nil && bench.server.end != nil }
        #expect(bench.client.wasReset && bench.server.wasReset)
        #expect(bench.failure?.policy == "shop/deny")
        bench.relay?.cut(ConnectionFailure(.shutdown, "again"))
        #expect(bench.ends == 1, "an end is told once")
    }

    @Test(arguments: Side.allCases) func `a reader that never reads holds no more than a chunk of ours`(_ side: Side) throws {
        let bench = try RelayBench(buffer: 64 * 1024)
        let (near, far) = ends(bench, side)
        far.isReading = false
        near.sendPattern(64_000_000, seed: 5)
        bench.settle(300)
        let moved = side == .client ? bench.relay?.tally.received : bench.relay?.tally.sent
        let held = try #require(moved)
        // What the kernel buffers of two sockets hold (128 KiB each as asked for, and its slack), and one chunk.
        #expect(held < 700_000, "\(held)")
        bench.expectNoSpin()
        let later = side == .client ? bench.relay?.tally.received : bench.relay?.tally.sent
        #expect(later == held)
        far.isReading = true
        far.expectedSeed = 5
        near.finish()
        try bench.run("the rest") { far.end != nil }
        far.expect(64_000_000, seed: 5)
    }

    @Test(arguments: Side.allCases) func `a stopped direction doesn't stop the other`(_ side: Side) throws {
        let bench = try RelayBench(buffer: 64 * 1024)
        let (near, far) = ends(bench, side)
        far.isReading = false
        near.sendPattern(10_000_000, seed: 6)
        bench.settle(100)
        far.sendPattern(2_000_000, seed: 7)
        near.expectedSeed = 7
        try bench.run("the other direction") { near.received == 2_000_000 }
        #expect(near.isIntact)
    }

    @Test(arguments: Side.allCases) func `an end that waits behind bytes makes no loop spin and arrives after them`(_ side: Side)
        throws
    {
        let bench = try RelayBench(buffer: 64 * 1024)
        let (near, far) = ends(bench, side)
        far.isReading = false
        near.sendPattern(600_000, seed: 8)
        near.finish()
        bench.settle(100)
        bench.expectNoSpin()
        #expect(far.end == nil)
        far.isReading = true
        far.expectedSeed = 8
        try bench.run("the end") { far.end != nil }
        far.expect(600_000, seed: 8)
        #expect(far.end == .finished)
        #expect(bench.ends == 0)
    }

    /// The far side ended first, so both halves of the near socket are shut once it ends too: epoll then tells of a hang-up without end. How
    /// much waits where at that moment depends on the count and on how fast the far side reads.
    @Test(arguments: Side.allCases, [10_000, 1 << 20])
    func `a side that hung up with bytes waiting makes no loop spin and loses nothing`(_ side: Side, _ readLimit: Int) throws {
        for count in stride(from: 300_000, through: 420_000, by: 30_000) {
            let bench = try RelayBench(buffer: 64 * 1024)
            let (near, far) = ends(bench, side)
            far.isReading = false
            far.finish()
            try bench.run("the first end") { near.end == .finished }
            near.sendPattern(count, seed: 9)
            near.finish()
            bench.settle(50)
            bench.expectNoSpin()
            far.isReading = true
            far.readLimit = readLimit
            far.expectedSeed = 9
            try bench.run("everything of \(count)") { far.end != nil }
            far.expect(count, seed: 9)
            #expect(far.end == .finished)
            try bench.run("the relay's end") { bench.ends == 1 }
            #expect(bench.failure == nil)
        }
    }

    @Test func `small messages arrive each by itself`() throws {
        let bench = try RelayBench()
        for number in 0..<50 {
            bench.client.send("ping \(number)\n")
            try bench.run("ping") { bench.server.text.hasSuffix("ping \(number)\n") }
            bench.server.send("pong \(number)\n")
            try bench.run("pong") { bench.client.text.hasSuffix("pong \(number)\n") }
        }
    }

    @Test func `a relay lets go of everything at its end`() throws {
        weak var gone: SocketRelay?
        do {
            let bench = try RelayBench()
            gone = bench.relay
            bench.client.finish()
            bench.server.finish()
            try bench.run("the end") { bench.ends == 1 }
            #expect(gone != nil)
        }
        #expect(gone == nil)
    }
}
