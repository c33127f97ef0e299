// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
import Kernel
import Loop
import Support
import Testing

@testable import Tunnel

/// How tunnels end: in order, by goodbye, or lost.
@Suite struct TunnelEndTests {
    enum Side: CaseIterable {
        case client
        case server
    }

    // MARK: - Goodbye

    @Test(arguments: Side.allCases) func `after a goodbye no stream begins, and those that are open finish`(_ side: Side) throws {
        let bench = try TunnelBench.open()
        let (near, far) = try bench.connect()
        (side == .client ? bench.clientTunnel : bench.serverTunnel).leave()
        try bench.run("the goodbye") { !bench.clientTunnel.hasRoom }
        bench.settle()
        #expect(bench.clientTunnel.isStale)
        #expect(try bench.client.call(bench.clientTunnel) == nil)
        near.application.sendPattern(3_000_000, seed: 1)
        far.application.sendPattern(3_000_000, seed: 2)
        (far.application.expectedSeed, near.application.expectedSeed) = (1, 2)
        near.application.finish()
        far.application.finish()
        try bench.run("both ends") { near.application.end != nil && far.application.end != nil }
        far.application.expect(3_000_000, seed: 1)
        near.application.expect(3_000_000, seed: 2)
        #expect(near.application.end == .finished && far.application.end == .finished)
        try bench.run("the tunnel's end") { bench.client.closed == 1 && bench.server.closed == 1 }
        #expect(bench.client.failure == nil && bench.server.failure == nil)
        try bench.run("the sockets' end") { bench.clientTunnel.state == .closed && bench.serverTunnel.state == .closed }
    }

    @Test(arguments: Side.allCases) func `a goodbye of an idle tunnel ends it in order at both ends`(_ side: Side) throws {
        let bench = try TunnelBench.open()
        (side == .client ? bench.clientTunnel : bench.serverTunnel).leave()
        try bench.run("both ends") { bench.clientTunnel.state == .closed && bench.serverTunnel.state == .closed }
        #expect(bench.client.closed == 1 && bench.server.closed == 1)
        #expect(bench.client.failure == nil && bench.server.failure == nil)
    }

    @Test func `what the peer still sends after our last word is thrown away until it ends, too`() throws {
        let bench = try RawBench.open(.client)
        bench.tunnel.leave()
        try bench.run("our last word") { bench.tunnel.state == .closing && bench.peer.end != nil }
        #expect(bench.end.closed == 1)
        for _ in 0..<5 {
            bench.peer.send(Frame(.ping, [UInt8](repeating: 0, count: 8)))
            bench.settle(3)
            #expect(bench.tunnel.state == .closing, "a close now would be a reset that overtakes what we said")
        }
        bench.peer.endTCP()
        try bench.run("the end") { bench.tunnel.state == .closed }
        #expect(bench.end.closed == 1)
    }

    @Test func `a stream under way when the server says goodbye is taken, not lost`() throws {
        let bench = try TunnelBench.open()
        let call = try bench.client.call(bench.clientTunnel)
        let near = try #require(call)
        // Said before the request can have been read.
        bench.serverTunnel.leave()
        try bench.run("the connection") { near.accepted == 1 || near.ends == 1 }
        #expect(near.accepted == 1, "\(String(describing: near.failure))")
        near.application.send("x")
        try bench.run("a byte") { bench.server.carried.first?.application.received == 1 }
    }

    @Test func `I09 a server whose certificate expired takes no stream, whatever the client thinks`() throws {
        let bench = try RawBench.open(.server)
        bench.tunnel.expire()
        try bench.run("GOAWAY") { !bench.peer.frames(.goAway).isEmpty }
        bench.peer.send(.connect(1))
        try bench.run("the refusal") { !bench.peer.frames(.reset, stream: 1).isEmpty || bench.peer.end != nil }
        #expect(bench.peer.frames(.headers).isEmpty)
        #expect(bench.end.requests.isEmpty)
        #expect(bench.peer.frames(.reset, stream: 1).allSatisfy { $0.code == HTTP2Code.refusedStream })
    }

    @Test func `GOAWAY from the peer stops new streams; those above its last are not taken, those below finish`() throws {
        let bench = try RawBench.open(.client)
        let (kept, stream) = try bench.connect()
        let lost = try bench.call()
        try bench.run("the second CONNECT") { bench.peer.frames(.headers).count == 2 }
        bench.peer.send(.goAway(last: stream))
        try bench.run("the stream that wasn't taken") { lost.ends == 1 }
        #expect(lost.failure?.kind == .notTaken)
        #expect(!bench.tunnel.hasRoom)
        #expect(try bench.end.call(bench.tunnel) == nil)
        bench.peer.send(.data(stream, "last words", end: true))
        kept.application.finish()
        try bench.run("the end") { kept.ends == 1 }
        #expect(kept.failure == nil)
        try bench.run("all of it") { kept.application.end != nil }
        #expect(kept.application.text == "last words")
        try bench.run("the tunnel's end") { bench.end.closed == 1 }
        #expect(bench.end.failure == nil)
    }

    @Test func `GOAWAY of an idle tunnel's peer ends it`() throws {
        let bench = try RawBench.open(.client)
        bench.peer.send(.goAway(last: 0))
        try bench.run("the end") { bench.end.closed == 1 }
        #expect(bench.end.failure == nil)
    }

    @Test func `GOAWAY with an error ends the streams that the peer can't have taken`() throws {
        let bench = try RawBench.open(.client)
        let call = try bench.call()
        try bench.run("the CONNECT") { !bench.peer.frames(.headers).isEmpty }
        bench.peer.send(.goAway(last: 0, HTTP2Code.enhanceYourCalm))
        try bench.run("the end") { call.ends == 1 }
        #expect(call.failure?.kind == .notTaken)
    }

    // MARK: - Lost

    /// Each loses the tunnel in the middle of a transfer.
    enum Loss: CaseIterable {
        case closeNotify
        case endOfTCP
        case reset
        case garbage
        case processEnds
    }

    @Test(arguments: Loss.allCases) func `I12 a tunnel that is lost is a reset to its applications`(_ loss: Loss) throws {
        for role in [HTTP2Role.client, .server] {
            let bench = try RawBench.open(role)
            let connection: Carried
            let stream: UInt32
            if role == .client {
                (connection, stream) = try bench.connect()
            } else {
                bench.peer.send(.connect(1))
                try bench.run("the connection") { bench.end.carried.count == 1 }
                (connection, stream) = (bench.end.carried[0], 1)
            }
            bench.peer.send(.data(stream, "half a sent"))
            connection.application.sendPattern(50_000_000, seed: 1)
            try bench.run("bytes both ways") { connection.application.received == 11 && bench.peer.dataReceived > 50_000 }
            switch loss {
            case .closeNotify: bench.peer.closeNotify()
            case .endOfTCP: bench.peer.endTCP()
            case .reset: bench.peer.resetTCP()
            case .garbage: bench.peer.sendBelowTLS([UInt8](repeating: 0x17, count: 2000))
            case .processEnds: bench.peer.close()
            }
            try bench.run("the end") { connection.ends == 1 && connection.application.end != nil }
            #expect(connection.application.wasReset, "\(loss): \(String(describing: connection.application.end))")
            #expect(connection.failure?.kind == .tunnelLost, "\(String(describing: connection.failure))")
            #expect(bench.end.closed == 1)
            #expect(bench.end.failure != nil)
        }
    }

    @Test func `I12 the end of TCP behind an END_STREAM isn't the end of the other half`() throws {
        let bench = try RawBench.open(.client)
        let (connection, stream) = try bench.connect()
        bench.peer.send(.data(stream, "all", end: true))
        try bench.run("the first half's end") { connection.application.end == .finished }
        bench.peer.endTCP()
        try bench.run("the end") { connection.ends == 1 }
        #expect(connection.failure?.kind == .tunnelLost)
    }

    @Test func `an idle tunnel whose peer hangs up just ends`() throws {
        for role in [HTTP2Role.client, .server] {
            let bench = try RawBench.open(role)
            bench.peer.endTCP()
            try bench.run("the end") { bench.end.closed == 1 }
            #expect(bench.end.failure == nil)
        }
    }

    @Test func `a peer that breaks HTTP/2 is told why and cut off`() throws {
        let bench = try RawBench.open(.server)
        // DATA on an idle stream.
        bench.peer.send(.data(1, "hello"))
        try bench.run("GOAWAY and the end") { bench.end.closed == 1 && bench.peer.end != nil }
        #expect(bench.end.failure?.kind == .http2)
        #expect(bench.peer.frames(.goAway).first?.code == HTTP2Code.protocolError)
    }

    @Test func `a peer that speaks something else inside TLS is cut off`() throws {
        let bench = try RawBench(.server)
        bench.peer.greeting = Array("GET / HTTP/1.1\r\nhost: db\r\n\r\n".utf8)
        bench.tunnel.start()
        try bench.run("the end") { bench.end.closed == 1 }
        #expect(bench.end.failure?.kind == .http2)
        #expect(bench.end.opened == 0)
    }

    @Test func `a server's failure to be whom we called ends the tunnel before anything is asked`() throws {
        let bench = try RawBench(.client, expecting: "other")
        bench.tunnel.start()
        try bench.run("the end") { bench.end.closed == 1 }
        #expect(bench.end.failure?.kind == .identity)
        #expect(bench.end.failure?.handshake == "unexpected_identity")
        #expect(bench.end.secured == 0 && bench.end.opened == 0)
        #expect(bench.peer.frames.isEmpty)
    }

    @Test func `a peer that its owner refuses hears nothing of HTTP/2 from us`() throws {
        let bench = try RawBench(.server)
        bench.end.refusal = ConnectionFailure(.denied, "not welcome")
        bench.tunnel.start()
        try bench.run("the end") { bench.end.closed == 1 }
        #expect(bench.end.failure?.kind == .denied)
        #expect(bench.end.opened == 0)
        try bench.run("the peer's end") { bench.peer.end != nil }
        #expect(bench.peer.frames.isEmpty)
    }

    @Test func `what isn't TLS is answered by an alert and counted as what it is`() throws {
        let pair = try SocketPair()
        let client = Application(try pair.takeFirst())
        let loop = try Loop()
        let end = TunnelEnd(loop: loop, bounds: TunnelBounds())
        let tunnel = TunnelConnection(
            role: .server, loop: loop, settings: end.bounds, socket: try pair.takeSecond(),
            remote: SocketAddress(.loopbackV4, 40000), tls: try Identities.shared().accepting(), http2: HTTP2Settings(.server),
            owner: end)
        tunnel.start()
        client.send("GET / HTTP/1.1\r\nhost: db\r\n\r\n")
        try drive(
            "the end",
            {
                client.step(); loop.turn(wait: .milliseconds(1))
            }
        ) { end.closed == 1 && client.end != nil }
        #expect(end.failure?.kind == .tls)
        #expect(end.failure?.handshake == "not_tls")
        #expect(client.head == [21, 3, 3, 0, 2, 2, 10], "a fatal unexpected_message alert in clear")
    }

    @Test(arguments: Side.allCases) func `a tunnel lets go of itself at its end`(_ side: Side) throws {
        weak var tunnel: TunnelConnection?
        weak var relay: StreamRelay?
        do {
            let bench = try TunnelBench.open()
            let (near, far) = try bench.connect()
            tunnel = side == .client ? bench.clientTunnel : bench.serverTunnel
            relay = (side == .client ? near : far).relay
            tunnel?.close(ConnectionFailure(.shutdown, "over"))
            try bench.run("both ends") { bench.client.closed == 1 && bench.server.closed == 1 }
            bench.settle()
            near.letGo()
            far.letGo()
        }
        #expect(tunnel == nil)
        #expect(relay == nil)
    }
}
