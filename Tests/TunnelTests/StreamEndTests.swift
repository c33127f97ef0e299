// SPDX-License-Identifier: Apache-2.0

import HTTP
import Kernel
import Loop
import Support
import Testing

@testable import Tunnel

/// How connections in a tunnel end when something goes wrong: always as a reset (I12), and without harm to the others.
@Suite struct StreamEndTests {
    enum Side: CaseIterable {
        case client
        case server
    }

    /// A connection in the middle of a transfer both ways.
    private func busy(_ bench: TunnelBench) throws -> (near: Carried, far: Carried) {
        let (near, far) = try bench.connect()
        near.application.sendPattern(1 << 30, seed: 1)
        far.application.sendPattern(1 << 30, seed: 2)
        (far.application.expectedSeed, near.application.expectedSeed) = (1, 2)
        try bench.run("bytes both ways") { near.application.received > 100_000 && far.application.received > 100_000 }
        return (near, far)
    }

    private func expectResets(_ bench: TunnelBench, _ connections: Carried..., at location: SourceLocation = #_sourceLocation)
        throws
    {
        try bench.run("resets") { connections.allSatisfy { $0.application.end != nil && $0.ends == 1 } }
        for connection in connections {
            #expect(
                connection.application.wasReset, "\(String(describing: connection.application.end))", sourceLocation: location)
            #expect(connection.application.isIntact, sourceLocation: location)
            #expect(connection.failure != nil, sourceLocation: location)
        }
    }

    @Test(arguments: Side.allCases) func `I12 an application's reset reaches the other end as one, and nobody else`(_ side: Side)
        throws
    {
        let bench = try TunnelBench.open()
        let other = try bench.connect()
        let (near, far) = try busy(bench)
        let (first, second) = side == .client ? (near, far) : (far, near)
        first.application.reset()
        try bench.run("the reset") { second.application.end != nil && first.ends == 1 && second.ends == 1 }
        #expect(second.application.wasReset)
        #expect(first.failure?.kind == .reset)
        #expect(second.failure?.reason.contains("CONNECT_ERROR") == true)
        other.near.application.send("still here")
        try bench.run("the other connection") { other.far.application.received == 10 }
        #expect(bench.clientTunnel.state == .open)
    }

    @Test(arguments: Side.allCases) func `I12 a reset behind an end that was passed on stays a reset`(_ side: Side) throws {
        let bench = try TunnelBench.open()
        let (near, far) = try bench.connect()
        let (first, second) = side == .client ? (near, far) : (far, near)
        second.application.finish()
        try bench.run("the end") { first.application.end == .finished }
        second.application.expectedSeed = 3
        first.application.sendPattern(5_000_000, seed: 3)
        try bench.run("some of it") { second.application.received > 10_000 }
        first.application.reset()
        try bench.run("the reset") { second.application.end != nil }
        #expect(second.application.wasReset)
    }

    @Test(arguments: Side.allCases) func `I12 a tunnel that is closed in the middle of a transfer resets both applications`(
        _ side: Side
    ) throws {
        let bench = try TunnelBench.open(hasTwoLoops: true)
        let (near, far) = try busy(bench)
        let tunnel = side == .client ? bench.clientTunnel : bench.serverTunnel
        tunnel.close(ConnectionFailure(.shutdown, "warrend is ending"))
        try expectResets(bench, near, far)
        #expect((side == .client ? near : far).failure?.reason == "warrend is ending")
        #expect((side == .client ? far : near).failure?.kind == .tunnelLost)
        try bench.run("the owners") { bench.client.closed == 1 && bench.server.closed == 1 }
    }

    @Test(arguments: Side.allCases) func `I12 a tunnel that is closed without a failure still invents no end`(_ side: Side) throws
    {
        let bench = try TunnelBench.open()
        let (near, far) = try busy(bench)
        (side == .client ? bench.clientTunnel : bench.serverTunnel).close(nil)
        try expectResets(bench, near, far)
    }

    @Test(arguments: Side.allCases) func `I12 a connection that is cut resets both applications and leaves the tunnel`(
        _ side: Side
    ) throws {
        let bench = try TunnelBench.open()
        let (near, far) = try busy(bench)
        let denial = ConnectionFailure(.denied, "no longer allowed", policy: "shop/deny")
        (side == .client ? near : far).relay.cut(denial)
        try expectResets(bench, near, far)
        #expect((side == .client ? near : far).failure == denial)
        #expect(bench.clientTunnel.state == .open)
        let again = try bench.connect()
        again.near.application.send("x")
        try bench.run("a new connection") { again.far.application.received == 1 }
    }

    @Test(arguments: [400, 401, 403, 405, 503]) func `a refusal resets the application and says its status`(_ status: Int) throws
    {
        let bench = try TunnelBench.open()
        bench.server.answer = { _, tunnel, request in tunnel.refuse(request.stream, status: status) }
        let call = try bench.client.call(bench.clientTunnel)
        let near = try #require(call)
        near.application.send("hello")
        try bench.run("the refusal") { near.ends == 1 && near.application.end != nil }
        #expect(near.failure?.kind == .refused)
        #expect(near.failure?.status == status)
        #expect(near.application.wasReset)
        #expect(near.accepted == 0)
        try bench.run("the stream's end") { bench.clientTunnel.openStreams == 0 && bench.serverTunnel.openStreams == 0 }
        bench.server.answer = { try $0.accept($2, in: $1) }
        _ = try bench.connect()
        #expect(bench.clientTunnel.state == .open)
    }

    @Test func `I13 a stream that the peer didn't take may be repeated, one that it reset may not`() throws {
        let bench = try TunnelBench.open()
        for (code, kind) in [
            (HTTP2Code.refusedStream, ConnectionFailure.Kind.notTaken), (HTTP2Code.cancel, .refused),
            (HTTP2Code.noError, .refused), (HTTP2Code.connectError, .refused), (HTTP2Code.internalError, .refused),
        ] {
            bench.server.answer = { _, tunnel, request in tunnel.reset(request.stream, code) }
            let call = try bench.client.call(bench.clientTunnel)
            let near = try #require(call)
            try bench.run("the reset \(code)") { near.ends == 1 }
            #expect(near.failure?.kind == kind, "\(HTTP2Code.name(code))")
        }
    }

    @Test func `I13 a stream that was accepted is never called untaken`() throws {
        let bench = try RawBench.open(.client)
        let (connection, stream) = try bench.connect()
        connection.application.send("a letter")
        try bench.run("the letter") { bench.peer.dataReceived == 8 }
        bench.peer.send(.reset(stream, HTTP2Code.refusedStream))
        try bench.run("the reset") { connection.ends == 1 }
        #expect(connection.failure?.kind == .tunnelLost)
        #expect(connection.failure?.reason.contains("REFUSED_STREAM") == true)
    }

    @Test(arguments: Side.allCases) func `a call that is given up before its answer leaves nothing behind`(_ side: Side) throws {
        let bench = try TunnelBench.open()
        bench.server.answer = { try $0.hold($2, in: $1) }
        let call = try bench.client.call(bench.clientTunnel)
        let near = try #require(call)
        try bench.run("the request") { bench.server.carried.count == 1 }
        let far = bench.server.carried[0]
        (side == .client ? near : far).relay.cut(ConnectionFailure(.timeout, "the CONNECT wasn't answered"))
        try bench.run("both ends") { near.ends == 1 && far.ends == 1 }
        try bench.run("the streams' end") { bench.clientTunnel.openStreams == 0 && bench.serverTunnel.openStreams == 0 }
        #expect(near.application.end == nil || near.application.wasReset)
    }

    @Test func `a half-closed connection that stays silent ends after its time, a talking one doesn't`() throws {
        var bounds = TunnelBounds()
        bounds.halfClosedTimeout = .milliseconds(150)
        let bench = try TunnelBench.open(bounds: bounds)
        let (silent, talking) = (try bench.connect(), try bench.connect())
        silent.near.application.finish()
        talking.near.application.finish()
        let began = Instant.now()
        try bench.run("the silent one's end") {
            talking.far.application.send(".")
            return silent.near.ends == 1 && silent.far.ends == 1
        }
        #expect(Instant.now().since(began) >= .milliseconds(150))
        try expectResets(bench, silent.near)
        #expect([silent.near, silent.far].contains { $0.failure?.kind == .timeout })
        #expect(talking.near.ends == 0 && talking.far.ends == 0)
    }

    @Test func `I09 a connection reaches its greatest age and no more, where one is set`() throws {
        var bounds = TunnelBounds()
        bounds.streamAge = .milliseconds(100)
        let bench = try TunnelBench.open(bounds: bounds)
        let (near, far) = try bench.connect()
        try bench.run("the end") {
            near.application.send(".")
            return near.ends == 1 && far.ends == 1
        }
        #expect([near, far].contains { $0.failure?.kind == .limit })
        try expectResets(bench, near, far)
    }
}
