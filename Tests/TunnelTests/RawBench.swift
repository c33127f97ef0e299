// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
import Kernel
import Loop
import Support
import Testing
import Tunnel

/// One end of a tunnel that is ours, with a peer whose every frame is the test's.
final class RawBench {
    let loop: Loop
    let end: TunnelEnd
    let tunnel: TunnelConnection
    let peer: RawPeer

    /// - Parameter role: of our end; the peer has the other.
    init(
        _ role: HTTP2Role, bounds: TunnelBounds = TunnelBounds(), http2: HTTP2Settings? = nil, buffer: CInt? = nil,
        tunnelBuffer: CInt? = nil, expecting account: String = "db"
    ) throws {
        let loop = try Loop()
        self.loop = loop
        end = TunnelEnd(loop: loop, bounds: bounds)
        end.buffer = buffer
        let identities = try Identities.shared()
        let pair = try SocketPair(buffer: tunnelBuffer)
        let isClient = role == .client
        peer = try RawPeer(isClient ? .server : .client, isClient ? try pair.takeSecond() : try pair.takeFirst())
        tunnel = TunnelConnection(
            role: role, loop: loop, settings: bounds, socket: isClient ? try pair.takeFirst() : try pair.takeSecond(),
            remote: SocketAddress(.loopbackV4, 15008),
            tls: isClient ? try identities.connecting(expecting: account) : identities.accepting(),
            http2: http2 ?? HTTP2Settings(role), owner: end)
    }

    /// The same, started and open.
    static func open(
        _ role: HTTP2Role, bounds: TunnelBounds = TunnelBounds(), http2: HTTP2Settings? = nil, buffer: CInt? = nil,
        tunnelBuffer: CInt? = nil, greeting: [Frame]? = nil
    ) throws -> RawBench {
        let bench = try RawBench(role, bounds: bounds, http2: http2, buffer: buffer, tunnelBuffer: tunnelBuffer)
        if let greeting { bench.peer.greeting = (role == .server ? RawPeer.preface : []) + greeting.flatMap(\.bytes) }
        bench.tunnel.start()
        try bench.run("the tunnel") { bench.end.opened == 1 }
        return bench
    }

    func turn() {
        end.step()
        peer.step()
        loop.turn(wait: .milliseconds(1))
    }

    func run(_ what: String, until condition: () -> Bool) throws {
        try drive(what, detail: { describe() }, turn, until: condition)
    }

    func settle(_ turns: Int = 40) { for _ in 0..<turns { turn() } }

    /// Client: a connection that the peer has accepted.
    func connect() throws -> (connection: Carried, stream: UInt32) {
        let connection = try call()
        let stream = UInt32(clamping: connection.relay.stream)
        try run("the CONNECT") { !peer.frames(.headers, stream: stream).isEmpty }
        peer.send(.answer(stream, status: 200))
        try run("the 200") { connection.accepted == 1 }
        return (connection, stream)
    }

    /// Client: a connection that waits for the peer's answer.
    func call() throws -> Carried {
        let call = try end.call(tunnel)
        return try #require(call, "the tunnel has no room")
    }

    private func describe() -> String {
        "\(tunnel.state), \(String(describing: end.failure)), peer \(String(describing: peer.end)), faults \(end.faults)"
    }
}
