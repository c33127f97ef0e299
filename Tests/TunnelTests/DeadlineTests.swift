// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
import Kernel
import Loop
import Support
import Testing

@testable import Tunnel

/// Every wait of a tunnel ends: with what was waited for, or by its bound.
@Suite struct DeadlineTests {
    private var short: TunnelBounds {
        var bounds = TunnelBounds()
        bounds.connectTimeout = .milliseconds(80)
        bounds.handshakeTimeout = .milliseconds(80)
        bounds.settingsTimeout = .milliseconds(80)
        bounds.goodbyeTimeout = .milliseconds(80)
        return bounds
    }

    /// A client's tunnel towards an address, with whatever connecting came to.
    private func dial(_ address: SocketAddress, _ loop: Loop) throws -> (end: TunnelEnd, tunnel: TunnelConnection) {
        let end = TunnelEnd(loop: loop, bounds: short)
        let socket = try Socket.tcp(.v4)
        _ = try socket.connect(to: address)
        let tunnel = TunnelConnection(
            role: .client, loop: loop, settings: short, socket: socket, remote: address,
            tls: try Identities.shared().connecting(), http2: HTTP2Settings(.client), owner: end)
        tunnel.start()
        return (end, tunnel)
    }

    @Test func `a connect that nobody answers ends by its bound, and says where to look`() throws {
        // A listener whose queue is full drops further SYNs, as a firewall does.
        let listener = try LoopbackListener(backlog: 0)
        var fillers: [Application] = []
        for _ in 0..<4 {
            let filler = try Socket.tcp(.v4)
            _ = try filler.connect(to: listener.address)
            fillers.append(Application(filler))
        }
        let loop = try Loop()
        let began = Instant.now()
        let (end, tunnel) = try dial(listener.address, loop)
        try drive("the end", { loop.turn(wait: .milliseconds(5)) }) { end.closed == 1 }
        #expect(Instant.now().since(began) >= .milliseconds(80))
        #expect(end.failure?.kind == .timeout)
        #expect(end.failure?.reason.contains("connecting to \(listener.address)") == true)
        #expect(tunnel.state == .closed)
        withExtendedLifetime(fillers) {}
    }

    @Test func `a connect that is refused ends at once`() throws {
        let address: SocketAddress
        do {
            let listener = try LoopbackListener()
            address = listener.address
        }
        let loop = try Loop()
        let (end, _) = try dial(address, loop)
        try drive("the end", { loop.turn(wait: .milliseconds(5)) }) { end.closed == 1 }
        #expect(end.failure?.kind == .connect)
        #expect(end.failure?.reason == "connecting to \(address): connection refused")
    }

    @Test(arguments: [HTTP2Role.client, .server]) func `a peer that says nothing ends the handshake by its bound`(
        _ role: HTTP2Role
    ) throws {
        let bench = try RawBench(role, bounds: short)
        let began = Instant.now()
        bench.tunnel.start()
        // The peer's step is what would answer.
        try drive("the end", { bench.loop.turn(wait: .milliseconds(5)) }) { bench.end.closed == 1 }
        #expect(Instant.now().since(began) >= .milliseconds(80))
        #expect(bench.end.failure?.kind == .timeout)
        #expect(bench.end.failure?.reason.contains("TLS with") == true)
    }

    @Test func `a peer that says a byte now and then doesn't prolong the handshake`() throws {
        let bench = try RawBench(.server, bounds: short)
        bench.tunnel.start()
        // The head of a record that would be 512 bytes long.
        let record: [UInt8] = [0x16, 3, 1, 2, 0] + [UInt8](repeating: 1, count: 400)
        var sent = 0
        try drive(
            "the end",
            {
                if sent < record.count {
                    bench.peer.sendBelowTLS([record[sent]])
                    sent += 1
                }
                bench.loop.turn(wait: .milliseconds(2))
            }
        ) { bench.end.closed == 1 }
        #expect(bench.end.failure?.kind == .timeout)
    }

    @Test(arguments: [HTTP2Role.client, .server]) func `a peer that never sends SETTINGS isn't waited for without end`(
        _ role: HTTP2Role
    ) throws {
        let bench = try RawBench(role, bounds: short)
        bench.peer.greeting = role == .server ? RawPeer.preface : []
        bench.peer.acknowledgesSettings = false
        bench.tunnel.start()
        try bench.run("the end") { bench.end.closed == 1 }
        #expect(bench.end.secured == 1)
        #expect(bench.end.opened == 0)
        #expect(bench.end.failure?.kind == .timeout)
        #expect(bench.end.failure?.reason.contains("SETTINGS") == true)
    }

    @Test func `a peer that isn't there any more is missed, and its streams are reset`() throws {
        var bounds = TunnelBounds()
        bounds.pingInterval = .milliseconds(40)
        bounds.pingTimeout = .milliseconds(80)
        let bench = try RawBench.open(.client, bounds: bounds)
        let (connection, _) = try bench.connect()
        bench.peer.answersPings = false
        let began = Instant.now()
        try bench.run("the end") { bench.end.closed == 1 && connection.application.end != nil }
        #expect(Instant.now().since(began) >= .milliseconds(80))
        #expect(bench.peer.frames(.ping).count >= 1)
        #expect(bench.end.failure?.kind == .timeout)
        #expect(bench.end.failure?.reason.contains("PING") == true)
        #expect(connection.application.wasReset)
        #expect(connection.ends == 1)
    }

    @Test func `I14 a silent peer that answers PINGs stays, as does one that sends anything instead`() throws {
        var bounds = TunnelBounds()
        bounds.pingInterval = .milliseconds(20)
        bounds.pingTimeout = .milliseconds(40)
        for answersPings in [true, false] {
            let bench = try RawBench.open(.client, bounds: bounds)
            let (connection, stream) = try bench.connect()
            bench.peer.answersPings = answersPings
            let until = Instant.now() + .milliseconds(400)
            while Instant.now() < until {
                if !answersPings { bench.peer.send(.data(stream, ".")) }
                bench.turn()
            }
            #expect(bench.end.closed == 0)
            #expect(connection.ends == 0)
            #expect(bench.tunnel.state == .open)
            // Asked only when it was silent.
            if answersPings { #expect(bench.peer.frames(.ping).count >= 2) }
        }
    }

    @Test func `a tunnel without streams is released after its time, one with a stream isn't`() throws {
        var bounds = TunnelBounds()
        bounds.pingInterval = .milliseconds(20)
        bounds.idleTimeout = .milliseconds(60)
        let began = Instant.now()
        let (idle, used) = (try TunnelBench.open(bounds: bounds), try TunnelBench.open(bounds: bounds))
        let (near, far) = try used.connect()
        try drive(
            "the idle one's end",
            {
                idle.turn()
                used.turn()
            }
        ) { idle.client.closed == 1 && idle.server.closed == 1 }
        #expect(Instant.now().since(began) >= .milliseconds(60))
        #expect(idle.client.failure == nil && idle.server.failure == nil)
        used.settle(100)
        #expect(used.client.closed == 0)
        #expect(near.ends == 0)
        near.application.finish()
        far.application.finish()
        try used.run("its end, when the stream is done") { used.client.closed == 1 }
        #expect(used.client.failure == nil)
    }

    @Test func `a spare tunnel without streams is released sooner than the only one`() throws {
        var bounds = TunnelBounds()
        bounds.pingInterval = .milliseconds(20)
        bounds.spareTimeout = .milliseconds(60)
        let (spare, only) = (try TunnelBench.open(bounds: bounds), try TunnelBench.open(bounds: bounds))
        spare.client.isSpare = true
        try spare.run("its end") { spare.client.closed == 1 && spare.server.closed == 1 }
        #expect(spare.client.failure == nil && spare.server.failure == nil)
        only.settle(100)
        #expect(only.client.closed == 0)
    }

    @Test func `a goodbye that nobody answers ends by its bound`() throws {
        for role in [HTTP2Role.client, .server] {
            let bench = try RawBench.open(role, bounds: short)
            bench.peer.answersPings = false
            bench.peer.isReading = false
            bench.tunnel.leave()
            try bench.run("the end") { bench.tunnel.state == .closed }
            #expect(bench.end.closed == 1)
        }
    }

    @Test func `a closed tunnel's timers are gone`() throws {
        var bounds = short
        bounds.pingInterval = .milliseconds(20)
        let bench = try TunnelBench.open(bounds: bounds)
        bench.clientTunnel.close(nil)
        try bench.run("both ends") { bench.clientTunnel.state == .closed && bench.serverTunnel.state == .closed }
        // With no timer left the loop sleeps as long as it may.
        let began = Instant.now()
        bench.client.loop.turn(wait: .milliseconds(300))
        bench.client.loop.turn(wait: .milliseconds(300))
        #expect(Instant.now().since(began) >= .milliseconds(290))
    }
}
