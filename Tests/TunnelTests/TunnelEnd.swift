// SPDX-License-Identifier: Apache-2.0

import HTTP
import Kernel
import Loop
import Support
import Tunnel

/// One end of a tunnel as its owner sees it, and everything that it was told. As server it accepts requests unless the test says otherwise.
final class TunnelEnd: TunnelOwner {
    struct Request {
        let stream: Int32
        let head: HTTP2RequestHead
    }

    let loop: Loop
    let bounds: TunnelBounds
    let windows: WindowBudget
    /// Kernel buffers of the applications, in bytes; nil: as the kernel likes.
    var buffer: CInt?

    private(set) var secured = 0
    private(set) var opened = 0
    private(set) var rooms = 0
    private(set) var closed = 0
    private(set) var failure: ConnectionFailure?
    private(set) var requests: [Request] = []
    /// The connections of this end, in the order in which they began.
    private(set) var carried: [Carried] = []
    /// What went wrong in the test itself.
    private(set) var faults: [String] = []

    /// Refuses the peer after it proved who it is.
    var refusal: ConnectionFailure?
    /// What is done with a request.
    var answer: (TunnelEnd, TunnelConnection, Request) throws -> Void = { try $0.accept($2, in: $1) }

    init(loop: Loop, bounds: TunnelBounds) {
        self.loop = loop
        self.bounds = bounds
        windows = WindowBudget(bytes: bounds.windowBudget, held: bounds.heldBudget)
    }

    func tunnelSecured(_ tunnel: TunnelConnection) -> ConnectionFailure? {
        secured += 1
        return refusal
    }

    /// There is another tunnel for the same.
    var isSpare = false

    func tunnelIsSpare(_ tunnel: TunnelConnection) -> Bool { isSpare }

    func tunnelOpened(_ tunnel: TunnelConnection) { opened += 1 }

    func tunnelRequested(_ tunnel: TunnelConnection, stream: Int32, head: HTTP2RequestHead) {
        let request = Request(stream: stream, head: head)
        requests.append(request)
        do { try answer(self, tunnel, request) } catch { faults.append("\(error)") }
    }

    func tunnelHasRoom(_ tunnel: TunnelConnection) { rooms += 1 }

    func tunnelClosed(_ tunnel: TunnelConnection, _ failure: ConnectionFailure?) {
        closed += 1
        self.failure = failure
    }

    /// Server: takes the request without an answer.
    @discardableResult
    func hold(_ request: Request, in tunnel: TunnelConnection) throws -> Carried {
        let connection = try makeConnection()
        tunnel.accept(request.stream, connection.relay)
        return connection
    }

    /// Server: 200, and an application behind it.
    func accept(_ request: Request, in tunnel: TunnelConnection) throws {
        let connection = try hold(request, in: tunnel)
        tunnel.respond(request.stream, headers: ["baggage": "k8s.namespace.name=shop"])
        connection.begin()
    }

    /// Client: asks for a connection. Nil if the tunnel has no room.
    func call(_ tunnel: TunnelConnection, to authority: String = "10.0.0.5:5432") throws -> Carried? {
        let connection = try makeConnection()
        let head = HTTP2RequestHead(method: "CONNECT", authority: authority, headers: ["traceparent": "00-1-2-00"])
        return tunnel.open(connection.relay, head: head) ? connection : nil
    }

    private func makeConnection() throws -> Carried {
        let connection = try Carried(self)
        carried.append(connection)
        return connection
    }

    /// Each application of this end sends and reads what it can.
    func step() { for connection in carried { connection.application.step() } }
}

/// One connection at one end of a tunnel: its relay, and the application behind it, which the test moves.
final class Carried: StreamOwner {
    let application: Application
    private var inner: SocketPair?
    private var made: StreamRelay?
    private(set) var accepted = 0
    private(set) var headers: HTTPHeaders = [:]
    /// How often the end was told, and with what the last time.
    private(set) var ends = 0
    private(set) var failure: ConnectionFailure?

    init(_ end: TunnelEnd) throws {
        let pair = try SocketPair(buffer: end.buffer)
        application = Application(try pair.takeFirst())
        inner = pair
        made = StreamRelay(
            RelayContext(loop: end.loop, bounds: end.bounds, windows: end.windows, pipes: PipePool(limit: 0, loop: end.loop)),
            owner: self)
    }

    var relay: StreamRelay {
        guard let made else { preconditionFailure("the relay was let go") }
        return made
    }

    /// The application is reached: bytes flow. As in the daemon, a client's application may have spoken by then.
    func begin() {
        guard let inner = inner.take(), let socket = try? inner.takeSecond() else { return }
        socket.setResetOnClose(true)
        relay.begin(socket, hasSpoken: accepted > 0)
    }

    /// The connection never comes about: what its owner does with the application's socket then.
    func letGo() {
        if let inner = inner.take(), let socket = try? inner.takeSecond() { socket.setResetOnClose(true) }
        made = nil
    }

    func streamAccepted(_ headers: HTTPHeaders) {
        accepted += 1
        self.headers = headers
        begin()
    }

    func streamEnded(_ failure: ConnectionFailure?) {
        ends += 1
        self.failure = failure
        // An application that waits for a connection is refused by a reset.
        if let inner = inner.take(), let socket = try? inner.takeSecond() { socket.setResetOnClose(true) }
    }
}
