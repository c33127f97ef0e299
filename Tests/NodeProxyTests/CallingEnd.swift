// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
import Kernel
import Loop
import Support
import TLS
import Testing
import Tunnel

/// The client's end of a tunnel, and its connections.
final class CallingEnd: TunnelOwner {
    private let loop: Loop
    private let windows = WindowBudget(bytes: 1 << 20)
    private var made: TunnelConnection?
    private(set) var calls: [Call] = []
    private(set) var isOpen = false
    private(set) var isClosed = false
    private(set) var failure: ConnectionFailure?

    init(_ loop: Loop, to address: SocketAddress, as credential: Credential) throws {
        self.loop = loop
        let socket = try Socket.tcp(.v4)
        _ = try socket.connect(to: address)
        let context = try TLSContext(role: .client, credential: credential)
        let tls = TLSSession(connecting: context, expecting: [try TestNode.identity("db")])
        let tunnel = TunnelConnection(
            role: .client, loop: loop, settings: TunnelBounds(), socket: socket, remote: address, tls: tls,
            http2: HTTP2Settings(.client), owner: self)
        made = tunnel
        tunnel.start()
    }

    var tunnel: TunnelConnection {
        guard let made else { preconditionFailure("no tunnel was made") }
        return made
    }

    /// Asks for a connection by whatever request.
    func call(_ authority: String, method: String = "CONNECT", headers: HTTPHeaders = [:]) throws -> Call {
        let call = try Call(loop, windows)
        let isConnect = method == "CONNECT"
        let head = HTTP2RequestHead(
            method: method, authority: authority, scheme: isConnect ? nil : "https", path: isConnect ? nil : "/", headers: headers
        )
        try #require(tunnel.open(call.relay, head: head))
        calls.append(call)
        return call
    }

    func step() { for call in calls { call.application.step() } }

    func tunnelSecured(_ tunnel: TunnelConnection) -> ConnectionFailure? { nil }
    func tunnelOpened(_ tunnel: TunnelConnection) { isOpen = true }
    func tunnelRequested(_ tunnel: TunnelConnection, stream: Int32, head: HTTP2RequestHead) {}
    func tunnelHasRoom(_ tunnel: TunnelConnection) {}
    func tunnelClosed(_ tunnel: TunnelConnection, _ failure: ConnectionFailure?) {
        isClosed = true
        self.failure = failure
    }
}

/// One connection of a client: its application, and what became of it.
final class Call: StreamOwner {
    let application: Application
    private var inner: SocketPair?
    private var made: StreamRelay?
    private(set) var headers: HTTPHeaders?
    private(set) var ends = 0
    private(set) var failure: ConnectionFailure?

    init(_ loop: Loop, _ windows: WindowBudget) throws {
        let pair = try SocketPair()
        application = Application(try pair.takeFirst())
        inner = pair
        made = StreamRelay(
            RelayContext(loop: loop, bounds: TunnelBounds(), windows: windows, pipes: PipePool(limit: 0, loop: loop)), owner: self
        )
    }

    var relay: StreamRelay {
        guard let made else { preconditionFailure("no relay was made") }
        return made
    }

    /// The answer was 200.
    var isAccepted: Bool { headers != nil }
    /// The answer, as far as there is one.
    var status: Int? { isAccepted ? 200 : failure?.status }

    func streamAccepted(_ headers: HTTPHeaders) {
        self.headers = headers
        guard let inner = inner.take(), let socket = try? inner.takeSecond() else { return }
        socket.setResetOnClose(true)
        relay.begin(socket, hasSpoken: true)
    }

    func streamEnded(_ failure: ConnectionFailure?) {
        ends += 1
        self.failure = failure
    }
}
