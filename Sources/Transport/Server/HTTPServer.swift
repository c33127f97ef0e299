// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Kernel
package import Loop

/// A server of HTTP/1.1 and HTTP/2 on a loop, over TLS, TCP or a Unix socket: each request becomes an `HTTPExchange`. It owns its listener; a client that
/// misbehaves costs its own connection.
package final class HTTPServer: EventSource, TimerTarget {
    let loop: Loop
    let bounds: HTTPServerBounds
    let handler: (any HTTPExchange) -> Void
    private let security: HTTPServerSecurity
    private var listener: Descriptor?
    private var token: Token?
    private var connections: [ObjectIdentifier: ServerConnection] = [:]
    private var byAddress: [IPAddress: Int] = [:]
    /// Of bodies that aren't whole yet.
    private(set) var heldBodies = 0

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

    private func begin(_ accepted: consuming Accepted) {
        guard connections.count < bounds.connections else { return }
        let address = accepted.peer
        let socket = accepted.take()
        let credentials = isUnix ? try? socket.peerCredentials() : nil
        if credentials == nil {
            guard byAddress[address.ip, default: 0] < bounds.connectionsPerAddress else { return }
            byAddress[address.ip, default: 0] += 1
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
        guard let ip = connection.peer.address?.ip, let count = byAddress[ip] else { return }
        byAddress[ip] = count > 1 ? count - 1 : nil
    }

    /// Makes room for bytes of a body; false if all requests together hold too many.
    func hold(_ count: Int) -> Bool {
        guard heldBodies + count <= bounds.bodies else { return false }
        heldBodies += count
        return true
    }

    func release(_ count: Int) { heldBodies -= count }
}
