// SPDX-License-Identifier: Apache-2.0

import HTTP
import Kernel
import Loop
import Support
import Testing

@testable import Tunnel

/// Applications through a tunnel: what one says, the other hears, and their ends.
@Suite struct StreamTests {
    @Test(arguments: [false, true]) func `a request reaches the server and is accepted, with headers both ways`(_ two: Bool)
        throws
    {
        let bench = try TunnelBench.open(hasTwoLoops: two)
        let (near, far) = try bench.connect()
        let request = try #require(bench.server.requests.first)
        #expect(request.head.method == "CONNECT")
        #expect(request.head.authority == "10.0.0.5:5432")
        #expect(request.head.headers["traceparent"] == "00-1-2-00")
        #expect(near.headers["baggage"] == "k8s.namespace.name=shop")
        near.application.send("hello")
        far.application.send("welcome")
        try bench.run("words") { near.application.received == 7 && far.application.received == 5 }
        #expect(far.application.text == "hello" && near.application.text == "welcome")
    }

    @Test(arguments: [1, 16_375, 16_384, 65_536, 1_000_000]) func `bytes go both ways as they are, then both ends`(_ count: Int)
        throws
    {
        let bench = try TunnelBench.open()
        let (near, far) = try bench.connect()
        near.application.sendPattern(count, seed: 1)
        far.application.sendPattern(count + 3, seed: 2)
        (far.application.expectedSeed, near.application.expectedSeed) = (1, 2)
        near.application.finish()
        far.application.finish()
        try bench.run("both ends") { near.application.end != nil && far.application.end != nil }
        far.application.expect(count, seed: 1)
        near.application.expect(count + 3, seed: 2)
        #expect(near.application.end == .finished && far.application.end == .finished)
        try bench.run("both relays' ends") { near.ends == 1 && far.ends == 1 }
        #expect(near.failure == nil && far.failure == nil)
        var tally = Tally()
        (tally.received, tally.sent) = (UInt64(count), UInt64(count + 3))
        #expect(near.relay.tally(asClient: true) == tally)
        #expect(far.relay.tally(asClient: false) == tally)
        try bench.run("the streams' end") { bench.clientTunnel.openStreams == 0 && bench.serverTunnel.openStreams == 0 }
        #expect(bench.clientTunnel.state == .open && bench.serverTunnel.state == .open)
    }

    @Test(arguments: [false, true]) func `a hundred megabytes go both ways at once, equal to the last byte`(_ two: Bool) throws {
        let bench = try TunnelBench.open(hasTwoLoops: two)
        let (near, far) = try bench.connect()
        near.application.sendPattern(100 << 20, seed: 3)
        far.application.sendPattern(100 << 20, seed: 4)
        (far.application.expectedSeed, near.application.expectedSeed) = (3, 4)
        near.application.finish()
        far.application.finish()
        try bench.run("both ends", seconds: 120) { near.application.end != nil && far.application.end != nil }
        far.application.expect(100 << 20, seed: 3)
        near.application.expect(100 << 20, seed: 4)
        #expect(near.application.end == .finished && far.application.end == .finished)
    }

    @Test(arguments: [true, false]) func `an end is passed on alone, and the other direction goes on`(_ clientFirst: Bool) throws
    {
        let bench = try TunnelBench.open()
        let (near, far) = try bench.connect()
        let (first, second) = clientFirst ? (near, far) : (far, near)
        first.application.send("question")
        first.application.finish()
        try bench.run("the end") { second.application.end != nil }
        #expect(second.application.text == "question")
        #expect(second.application.end == .finished)
        #expect(first.application.end == nil, "an end was invented")
        second.application.sendPattern(400_000, seed: 5)
        second.application.finish()
        first.application.expectedSeed = 5
        try bench.run("the answer") { first.application.end != nil }
        first.application.expect(400_000, seed: 5)
        #expect(first.application.end == .finished)
        try bench.run("the relays' end") { near.ends == 1 && far.ends == 1 }
        #expect(near.failure == nil && far.failure == nil)
    }

    @Test func `an end without a byte is an end`() throws {
        let bench = try TunnelBench.open()
        let (near, far) = try bench.connect()
        near.application.finish()
        far.application.finish()
        try bench.run("both ends") { near.application.end == .finished && far.application.end == .finished }
        #expect(near.application.received == 0 && far.application.received == 0)
    }

    @Test func `I13 no byte of the application leaves before the 200`() throws {
        let bench = try TunnelBench.open()
        bench.server.answer = { try $0.hold($2, in: $1) }
        let call = try bench.client.call(bench.clientTunnel)
        let near = try #require(call)
        near.application.send("secret")
        try bench.run("the request") { bench.server.requests.count == 1 }
        // The client's owner has the application's socket until the 200: nothing can have been read of it.
        let before = bench.serverTunnel.bytesReceived
        bench.settle()
        #expect(bench.serverTunnel.bytesReceived == before)
        #expect(bench.server.carried[0].relay.tally(asClient: false).received == 0)
    }

    @Test func `bytes right behind the 200 are delivered`() throws {
        let bench = try TunnelBench.open()
        bench.server.answer = { end, tunnel, request in
            try end.accept(request, in: tunnel)
            end.carried.last?.application.send("banner")
        }
        let call = try bench.client.call(bench.clientTunnel)
        let near = try #require(call)
        try bench.run("the banner") { near.application.received == 6 }
        #expect(near.application.text == "banner")
    }

    @Test func `two hundred streams at once carry each its own`() throws {
        var bounds = TunnelBounds()
        bounds.streamsPerTunnel = 200
        let bench = try TunnelBench.open(bounds: bounds)
        var calls: [Carried] = []
        for _ in 0..<200 {
            let call = try bench.client.call(bench.clientTunnel)
            calls.append(try #require(call))
        }
        #expect(!bench.clientTunnel.hasRoom)
        try bench.run("all connections") { calls.allSatisfy { $0.accepted == 1 } && bench.server.carried.count == 200 }
        #expect(bench.clientTunnel.openStreams == 200)
        // Streams are taken in order, so the n-th request is the n-th call.
        for (number, pair) in zip(calls, bench.server.carried).enumerated() {
            let (near, far) = pair
            near.application.sendPattern(30_000 + number, seed: number)
            far.application.sendPattern(20_000 + number, seed: 1000 + number)
            (far.application.expectedSeed, near.application.expectedSeed) = (number, 1000 + number)
            near.application.finish()
            far.application.finish()
        }
        let all = calls + bench.server.carried
        try bench.run("all ends", seconds: 60) { all.allSatisfy { $0.application.end != nil } }
        for (number, pair) in zip(calls, bench.server.carried).enumerated() {
            pair.1.application.expect(30_000 + number, seed: number)
            pair.0.application.expect(20_000 + number, seed: 1000 + number)
        }
        #expect(all.allSatisfy { $0.application.end == .finished })
        try bench.run("room again") { bench.clientTunnel.openStreams == 0 }
        #expect(bench.clientTunnel.hasRoom)
        #expect(bench.clientTunnel.streamsOpened == 200)
    }

    @Test func `a stream's memory goes when it ends`() throws {
        let bench = try TunnelBench.open()
        weak var relay: StreamRelay?
        do {
            let (near, far) = try bench.connect()
            relay = near.relay
            near.application.finish()
            far.application.finish()
            try bench.run("the relays' end") { near.ends == 1 && far.ends == 1 }
            try bench.run("the stream's end") { bench.clientTunnel.openStreams == 0 }
            near.letGo()
        }
        #expect(relay == nil, "the tunnel or the loop still holds the relay")
    }
}
