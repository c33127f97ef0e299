// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import HTTP
package import Kernel
package import Loop
package import TLS

/// A server of HTTP/1.1 and HTTP/2 on a loop, over TLS, TCP or a Unix socket: each request becomes an `HTTPExchange`. It owns its listener; a
/// client that misbehaves costs its own connection. Whoever holds it calls `close` before letting go of it.
package final class HTTPServer: EventSource, TimerTarget {
    let loop: Loop
    let bounds: HTTPServerBounds
    private let handler: (any HTTPExchange) -> Void
    private let security: HTTPServerSecurity
    private var listener: Descriptor?
    private var token: Token?
    private var connections: [ObjectIdentifier: ServerConnection] = [:]
    private var byAddress: [IPAddress: Int] = [:]
    private var bodies: HeldBodies
    private var answers: HeldBodies
    /// Connections that were hung up on at once, because there were too many.
    package private(set) var refused: UInt64 = 0
    /// A client showed a certificate that isn't taken, or doesn't have its key: no request follows. Called on the loop.
    package var onStranger: ((HTTPPeer, TLSFailure) -> Void)?
    /// Requests that were told to the handler.
    package private(set) var requests: UInt64 = 0

    /// - Parameters:
    ///   - listener: non-blocking and listening.
    ///   - handler: called on the loop, once per request.
    package init(
        loop: Loop, listener: consuming Descriptor, security: HTTPServerSecurity = .plain,
        bounds: HTTPServerBounds = HTTPServerBounds(), handler: @escaping (any HTTPExchange) -> Void
    ) {
        self.loop = loop
        self.listener = consume listener
        self.security = security
        self.bounds = bounds
        self.handler = handler
        bodies = HeldBodies(limit: bounds.bodies, perAddress: bounds.bodiesPerAddress)
        answers = HeldBodies(limit: bounds.answers, perAddress: bounds.answersPerAddress)
    }

    package func start() throws(Errno) {
        guard let number = listener?.number else { return }
        token = try loop.watch(number, for: .read, source: self)
    }

    /// Takes no more connections and lets those that are there finish what they do. Call `close` in the end.
    package func stop() {
        if let token = token.take() { loop.unwatch(token) }
        listener = nil
        for connection in connections.values { connection.drain() }
    }

    /// Ends every connection now.
    package func close() {
        if let token = token.take() { loop.unwatch(token) }
        listener = nil
        for connection in connections.values { connection.close() }
    }

    /// How many clients there are.
    package var clients: Int { connections.count }

    package func ready(_ readiness: Readiness) {
        for _ in 0..<256 {
            do throws(Errno) {
                guard let accepted = try listener?.accept() else { return }
                begin(accepted)
            } catch {
                guard error.isExhaustion else { continue }
                rest()
                return
            }
        }
    }

    /// Without descriptors accepting would spin: a moment's rest, then again.
    private func rest() {
        if let token = token.take() { loop.unwatch(token) }
        _ = loop.arm(.milliseconds(100), self, tag: 0)
    }

    package func timerFired(_ tag: UInt32) {
        if (try? start()) == nil { rest() }
    }

    /// A client that vanished is gone after two minutes. Who reads slowly has bounds of its own, so the kernel needs none.
    private static let keepalive: Keepalive = {
        var keepalive = Keepalive()
        (keepalive.idle, keepalive.interval, keepalive.probes, keepalive.userTimeout) = (.seconds(60), .seconds(15), 4, nil)
        return keepalive
    }()

    private func begin(_ accepted: consuming Accepted) {
        guard connections.count < bounds.connections else { return refused += 1 }
        let address = accepted.peer
        let socket = accepted.take()
        let credentials = isUnix ? try? socket.peerCredentials() : nil
        if credentials == nil {
            let site = address.ip.site
            guard byAddress[site, default: 0] < bounds.connectionsPerAddress else { return refused += 1 }
            byAddress[site, default: 0] += 1
            // Answers go out in pieces, and a watcher whose host vanished says nothing more: the kernel asks it. Without these it works, too.
            try? socket.setNoDelay()
            try? socket.setKeepalive(Self.keepalive)
        }
        let peer = HTTPPeer(
            address: credentials == nil ? address : nil,
            process: credentials.map { HTTPPeer.Process(user: $0.user, group: $0.group, pid: $0.process) })
        let context: ServerConnection.Security
        switch security {
        case .plain: context = .plain
        case .tls(let current): context = .tls(current())
        }
        let connection = ServerConnection(self, socket, peer: peer, security: context)
        connections[ObjectIdentifier(connection)] = connection
        connection.start()
    }

    /// Whether the listener is a Unix socket: it has no address of the network.
    private lazy var isUnix: Bool = listener?.localAddress() == nil

    func ended(_ connection: ServerConnection) {
        guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        guard let site = connection.peer.address?.ip.site, let count = byAddress[site] else { return }
        byAddress[site] = count > 1 ? count - 1 : nil
    }

    /// A request is complete as far as it can be told.
    func handle(_ exchange: any HTTPExchange) {
        requests += 1
        handler(exchange)
    }

    /// Makes room for bytes of a body; false if this client, or all together, hold too many.
    func hold(_ count: Int, for peer: HTTPPeer) -> Bool { bodies.hold(count, for: peer.address?.ip.site) }

    func release(_ count: Int, for peer: HTTPPeer) { bodies.release(count, for: peer.address?.ip.site) }

    /// Bytes of bodies that are held now.
    package var heldBytes: Int { bodies.count }

    /// The answer, or, if its client or all together let too much wait, one that says so.
    func fitting(_ response: HTTP1Response, for peer: HTTPPeer) -> (response: HTTP1Response, held: Int) {
        let count = response.body.count
        if answers.hold(count, for: peer.address?.ip.site) { return (response, count) }
        return (HTTP1Response(status: 503, "too many answers wait to be taken: try again\n"), 0)
    }

    func releaseAnswer(_ count: Int, for peer: HTTPPeer) { answers.release(count, for: peer.address?.ip.site) }

    /// Bytes of whole answers that clients haven't taken yet.
    package var waitingBytes: Int { answers.count }
}
