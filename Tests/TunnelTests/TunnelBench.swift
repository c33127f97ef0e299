// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
import Kernel
import Loop
import Support
import TLS
import Testing
import Tunnel

/// A tunnel with both of its ends in this process, over loopback TCP, and the applications at either end.
///
///     application ◄─► client end ◄═══ HTTP/2 in TLS in TCP ═══► server end ◄─► application
final class TunnelBench {
    let client: TunnelEnd
    let server: TunnelEnd
    let clientTunnel: TunnelConnection
    let serverTunnel: TunnelConnection

    /// - Parameters:
    ///   - bounds, serverBounds: of the two ends; the server has the client's unless it is told otherwise.
    ///   - hasTwoLoops: each end turns by itself, as on two hosts.
    ///   - buffer: kernel buffers of all applications' sockets, in bytes.
    init(
        bounds: TunnelBounds = TunnelBounds(), serverBounds: TunnelBounds? = nil, hasTwoLoops: Bool = false, buffer: CInt? = nil,
        tunnelBuffer: CInt? = nil, clientHTTP2: HTTP2Settings = HTTP2Settings(.client),
        serverHTTP2: HTTP2Settings = HTTP2Settings(.server)
    ) throws {
        let loop = try Loop()
        client = TunnelEnd(loop: loop, bounds: bounds)
        server = TunnelEnd(loop: hasTwoLoops ? try Loop() : loop, bounds: serverBounds ?? bounds)
        (client.buffer, server.buffer) = (buffer, buffer)
        let identities = try Identities.shared()
        let pair = try SocketPair(buffer: tunnelBuffer)
        clientTunnel = TunnelConnection(
            role: .client, loop: client.loop, settings: client.bounds, socket: try pair.takeFirst(),
            remote: SocketAddress(.loopbackV4, 15008), tls: try identities.connecting(), http2: clientHTTP2, owner: client)
        serverTunnel = TunnelConnection(
            role: .server, loop: server.loop, settings: server.bounds, socket: try pair.takeSecond(),
            remote: SocketAddress(.loopbackV4, 40000), tls: identities.accepting(), http2: serverHTTP2, owner: server)
        clientTunnel.start()
        serverTunnel.start()
    }

    /// The same, up and running.
    static func open(
        bounds: TunnelBounds = TunnelBounds(), hasTwoLoops: Bool = false, buffer: CInt? = nil, tunnelBuffer: CInt? = nil,
        serverHTTP2: HTTP2Settings = HTTP2Settings(.server)
    ) throws -> TunnelBench {
        let bench = try TunnelBench(
            bounds: bounds, hasTwoLoops: hasTwoLoops, buffer: buffer, tunnelBuffer: tunnelBuffer, serverHTTP2: serverHTTP2)
        try bench.run("both ends open") { bench.client.opened == 1 && bench.server.opened == 1 }
        return bench
    }

    /// One turn of each loop, and a step of each application.
    func turn() {
        client.step()
        server.step()
        client.loop.turn(wait: client.loop === server.loop ? .milliseconds(1) : .zero)
        if server.loop !== client.loop { server.loop.turn(wait: .milliseconds(1)) }
    }

    func run(_ what: String, seconds: Double = 20, until condition: () -> Bool) throws {
        try drive(what, seconds: seconds, detail: { describe() }, turn, until: condition)
    }

    /// So many turns in which whatever could still happen does.
    func settle(_ turns: Int = 40) { for _ in 0..<turns { turn() } }

    /// A connection through the tunnel, reached at the other end.
    func connect() throws -> (near: Carried, far: Carried) {
        let call = try client.call(clientTunnel)
        let near = try #require(call)
        let index = server.carried.count
        try run("the connection") { near.accepted == 1 && server.carried.count > index }
        return (near, server.carried[index])
    }

    private func describe() -> String {
        let states =
            "client \(clientTunnel.state), server \(serverTunnel.state), failures \(String(describing: client.failure)), "
        let faults = "\(String(describing: server.failure)), faults \(client.faults + server.faults), "
        return states + faults + "received \((client.carried + server.carried).map(\.application.received))"
    }
}
