// SPDX-License-Identifier: Apache-2.0

import HTTP
import Kernel
import Loop
import Support
import Testing

@testable import Tunnel

/// Back-pressure: what a slow side makes us hold, and that nobody else pays for it.
@Suite struct FlowTests {
    @Test func `early bytes are kept until the application is reached, and delivered in front`() throws {
        let bench = try RawBench.open(.server)
        bench.end.answer = { try $0.hold($2, in: $1) }
        bench.peer.send(.connect(1), .data(1, "first "), .data(1, "words "))
        try bench.run("the request") { bench.end.carried.count == 1 }
        bench.settle()
        let connection = bench.end.carried[0]
        #expect(connection.application.received == 0)
        #expect(bench.peer.frames(.headers).isEmpty)
        bench.tunnel.respond(1, headers: [:])
        connection.begin()
        bench.peer.send(.data(1, "then", end: true))
        try bench.run("everything") { connection.application.end != nil }
        #expect(connection.application.text == "first words then")
        #expect(connection.application.end == .finished)
    }

    @Test func `I13 early bytes with their end wait for the application, too`() throws {
        let bench = try RawBench.open(.server)
        bench.end.answer = { try $0.hold($2, in: $1) }
        bench.peer.send(.connect(1), .data(1, "one shot", end: true))
        try bench.run("the request") { bench.end.carried.count == 1 }
        bench.settle()
        bench.tunnel.respond(1, headers: [:])
        bench.end.carried[0].begin()
        try bench.run("the end") { bench.end.carried[0].application.end != nil }
        #expect(bench.end.carried[0].application.text == "one shot")
        bench.end.carried[0].application.send("answer")
        bench.end.carried[0].application.finish()
        try bench.run("the answer") { bench.peer.frames(.data, stream: 1).contains { $0.isEnd } }
        #expect(bench.peer.dataReceived == 6)
        #expect(bench.end.carried[0].ends == 1 && bench.end.carried[0].failure == nil)
    }

    @Test func `early bytes are bounded by the stream's window`() throws {
        var http2 = HTTP2Settings(.server)
        http2.initialStreamWindow = 20_000
        let bench = try RawBench.open(.server, http2: http2)
        bench.end.answer = { try $0.hold($2, in: $1) }
        bench.peer.send(.connect(1))
        for _ in 0..<2 { bench.peer.send(Frame(.data, stream: 1, [UInt8](repeating: 1, count: 10_000))) }
        try bench.run("the request") { bench.end.carried.count == 1 }
        bench.settle()
        #expect(bench.peer.frames(.windowUpdate, stream: 1).isEmpty, "credit is returned before the application took a byte")
        // A peer that sends more all the same breaks the rules of its stream.
        bench.peer.send(Frame(.data, stream: 1, [UInt8](repeating: 1, count: 10_000)))
        try bench.run("the reset") { !bench.peer.frames(.reset, stream: 1).isEmpty || bench.peer.end != nil }
        try bench.run("the end") { bench.end.carried[0].ends == 1 }
    }

    @Test func `a reader that never reads holds a window of ours and no more, and makes no loop spin`() throws {
        let bench = try TunnelBench.open(buffer: 64 * 1024)
        let (near, far) = try bench.connect()
        far.application.isReading = false
        near.application.sendPattern(64_000_000, seed: 1)
        far.application.expectedSeed = 1
        bench.settle(300)
        let taken = near.relay.tally(asClient: true).received
        // The initial window, a frame under way, and the kernel buffers towards the application.
        #expect(taken < 256 * 1024 + 600_000, "\(taken)")
        let began = Instant.now()
        for _ in 0..<20 { bench.client.loop.turn(wait: .milliseconds(10)) }
        #expect(Instant.now().since(began) >= .milliseconds(150), "the loop spins")
        #expect(near.relay.tally(asClient: true).received == taken)
        far.application.isReading = true
        near.application.finish()
        try bench.run("the rest") { far.application.end != nil }
        far.application.expect(64_000_000, seed: 1)
    }

    @Test func `one reader that never reads doesn't stop the others of its tunnel`() throws {
        let bench = try TunnelBench.open(buffer: 64 * 1024)
        let stuck = try (0..<10).map { _ in try bench.connect() }
        for (near, far) in stuck {
            far.application.isReading = false
            near.application.sendPattern(4_000_000, seed: 1)
        }
        bench.settle(100)
        let (near, far) = try bench.connect()
        near.application.sendPattern(20_000_000, seed: 2)
        far.application.sendPattern(20_000_000, seed: 3)
        (far.application.expectedSeed, near.application.expectedSeed) = (2, 3)
        near.application.finish()
        far.application.finish()
        try bench.run("the others") { near.application.end != nil && far.application.end != nil }
        far.application.expect(20_000_000, seed: 2)
        near.application.expect(20_000_000, seed: 3)
    }

    @Test func `a peer that never opens its window blocks that stream alone`() throws {
        let bench = try RawBench.open(.client, greeting: [.settings([(.initialWindow, 0)])])
        let (blocked, blockedStream) = try bench.connect()
        let (other, otherStream) = try bench.connect()
        blocked.application.send("never")
        other.application.send("later")
        bench.settle()
        #expect(bench.peer.dataReceived == 0)
        bench.peer.send(.windowUpdate(otherStream, 100))
        try bench.run("the other's bytes") { bench.peer.dataReceived == 5 }
        #expect(bench.peer.frames(.data, stream: blockedStream).isEmpty)
        // The way back is open all the same.
        bench.peer.send(.data(blockedStream, "hello"))
        try bench.run("the way back") { blocked.application.received == 5 }
        bench.peer.send(.windowUpdate(blockedStream, 5))
        try bench.run("the blocked one's bytes") { bench.peer.dataReceived == 10 }
    }

    @Test func `an application that ends while its stream is blocked loses nothing and makes no loop spin`() throws {
        let bench = try RawBench.open(.client, greeting: [.settings([(.initialWindow, 1000)])])
        let (connection, stream) = try bench.connect()
        // Its other half is ended first: epoll then tells of a hang-up again and again.
        bench.peer.send(.data(stream, "", end: true))
        try bench.run("the first end") { connection.application.end == .finished }
        connection.application.sendPattern(60_000, seed: 1)
        connection.application.finish()
        try bench.run("a window full") { bench.peer.dataReceived == 1000 }
        bench.settle()
        let began = Instant.now()
        for _ in 0..<20 { bench.loop.turn(wait: .milliseconds(10)) }
        #expect(Instant.now().since(began) >= .milliseconds(150), "the loop spins")
        for _ in 0..<59 {
            bench.peer.send(.windowUpdate(stream, 1000))
            bench.settle(3)
        }
        try bench.run("everything") { bench.peer.dataReceived == 60_000 }
        bench.peer.send(.windowUpdate(stream, 1000))
        try bench.run("the end") { bench.peer.frames(.data, stream: stream).contains { $0.isEnd } }
        #expect(connection.ends == 1 && connection.failure == nil)
    }

    @Test func `a peer that reads nothing makes us hold a bounded backlog`() throws {
        let bench = try RawBench.open(
            .client, buffer: 64 * 1024, tunnelBuffer: 64 * 1024, greeting: [.settings([(.initialWindow, 0x7fff_ffff)])])
        bench.peer.send(.windowUpdate(0, 0x3fff_ffff))
        let (connection, _) = try bench.connect()
        bench.peer.isReading = false
        connection.application.sendPattern(64_000_000, seed: 1)
        bench.settle(300)
        #expect(bench.tunnel.backlog < 200_000, "\(bench.tunnel.backlog)")
        let taken = connection.relay.tally(asClient: true).received
        #expect(taken < 1_000_000, "\(taken)")
        let began = Instant.now()
        for _ in 0..<20 { bench.loop.turn(wait: .milliseconds(10)) }
        #expect(Instant.now().since(began) >= .milliseconds(150), "the loop spins")
        bench.peer.isReading = true
        try bench.run("the rest") { bench.peer.dataReceived == 64_000_000 }
    }

    // MARK: - Windows

    @Test func `the window of a stream that drains grows to its bound, within the budget, and is given back`() throws {
        var bounds = TunnelBounds()
        bounds.largestStreamWindow = 1 << 20
        bounds.windowBudget = 2 << 20
        let bench = try TunnelBench.open(bounds: bounds)
        let (near, far) = try bench.connect()
        near.application.sendPattern(8_000_000, seed: 1)
        try bench.run("the bulk") { far.application.received == 8_000_000 }
        let grown = bounds.largestStreamWindow - bench.serverTunnel.initialWindow
        #expect(bench.server.windows.left == bounds.windowBudget - grown)
        #expect(bench.client.windows.left == bounds.windowBudget, "nothing came this way")
        near.application.finish()
        far.application.finish()
        try bench.run("the stream's end") { bench.serverTunnel.openStreams == 0 }
        #expect(bench.server.windows.left == bounds.windowBudget)
    }

    @Test func `a used-up budget slows streams down and stops none`() throws {
        var bounds = TunnelBounds()
        bounds.windowBudget = 300_000
        let bench = try TunnelBench.open(bounds: bounds)
        let connections = try (0..<4).map { _ in try bench.connect() }
        for (near, far) in connections {
            near.application.sendPattern(4_000_000, seed: 1)
            far.application.expectedSeed = 1
            near.application.finish()
        }
        try bench.run("all") { connections.allSatisfy { $0.far.application.end != nil } }
        for (_, far) in connections { far.application.expect(4_000_000, seed: 1) }
        #expect(bench.server.windows.left >= 0)
        for (_, far) in connections { far.application.finish() }
        try bench.run("the end") { bench.serverTunnel.openStreams == 0 }
        #expect(bench.server.windows.left == bounds.windowBudget)
    }

    @Test func `a window of a stalled reader doesn't grow, and a lost tunnel gives everything back`() throws {
        let bench = try TunnelBench.open(buffer: 64 * 1024)
        let stalled = try bench.connect()
        stalled.far.application.isReading = false
        stalled.near.application.sendPattern(4_000_000, seed: 1)
        bench.settle(200)
        let budget = bench.server.bounds.windowBudget
        #expect(budget - bench.server.windows.left <= bench.serverTunnel.initialWindow)
        let (near, far) = try bench.connect()
        near.application.sendPattern(20_000_000, seed: 2)
        try bench.run("the bulk") { far.application.received == 20_000_000 }
        #expect(bench.server.windows.left < budget)
        bench.serverTunnel.close(ConnectionFailure(.shutdown, "over"))
        #expect(bench.server.windows.left == budget)
    }
}
