// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
import Kernel
import Loop
import Support
import Testing
import Transport

/// A server on a loop that the test turns, and clients of bytes.
final class ServerBench {
    let loop: Loop
    let server: HTTP1Server
    let address: SocketAddress
    private(set) var clients: [Application] = []
    private let handler: Handler

    /// What the server is asked, and how it answers: at once with the path and body unless the test says otherwise.
    final class Handler {
        var requests: [HTTP1Request] = []
        /// Answers that are still owed, when `isLate`.
        var owed: [HTTP1Answer] = []
        var isLate = false
        var respond: (HTTP1Request) -> HTTP1Response = { request in
            HTTP1Response("\(request.method) \(request.path) \(String(decoding: request.body, as: UTF8.self))\n")
        }

        func take(_ request: HTTP1Request, _ answer: @escaping HTTP1Answer) {
            requests.append(request)
            if isLate { owed.append(answer) } else { answer(respond(request)) }
        }
    }

    init(_ bounds: HTTP1ServerBounds = HTTP1ServerBounds()) throws {
        loop = try Loop()
        let listener = try Socket.listen(SocketAddress(.loopbackV4, 0), backlog: 64)
        let bound = listener.localAddress()
        address = try #require(bound)
        let handler = Handler()
        self.handler = handler
        server = HTTP1Server(loop: loop, listener: listener, bounds: bounds) { handler.take($0, $1) }
        try server.start()
    }

    var requests: [HTTP1Request] { handler.requests }
    var owed: [HTTP1Answer] { handler.owed }
    var isLate: Bool {
        get { handler.isLate }
        set { handler.isLate = newValue }
    }
    var respond: (HTTP1Request) -> HTTP1Response {
        get { handler.respond }
        set { handler.respond = newValue }
    }

    /// A client that has said this so far.
    func client(_ text: String = "") throws -> Application {
        let socket = try Socket.tcp(.v4)
        _ = try socket.connect(to: address)
        let client = Application(socket)
        client.send(text)
        clients.append(client)
        return client
    }

    func turn() {
        for client in clients { client.step() }
        loop.turn(wait: .milliseconds(1))
    }

    func run(_ what: String, until condition: () -> Bool) throws {
        try drive(
            what, detail: { "\(clients.map { ($0.received, $0.end) }), \(requests.count) requests" }, turn, until: condition)
    }

    func settle(_ turns: Int = 30) { for _ in 0..<turns { turn() } }
}

extension Application {
    /// How many answers with this status came.
    func answers(_ status: Int) -> Int { text.ranges(of: "HTTP/1.1 \(status) ").count }
}

/// A request of the usual kind.
func get(_ path: String = "/", _ more: String = "") -> String { "GET \(path) HTTP/1.1\r\nhost: localhost\r\n\(more)\r\n" }
