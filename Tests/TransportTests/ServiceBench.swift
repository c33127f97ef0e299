// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
import Kernel
import Loop
import Support
import TLS
import Testing
import Transport

/// A service on a thread of its own, in clear or over TLS, that echoes: real clients can be run beside it.
final class ServiceBench: Sendable {
    enum Security: Sendable {
        case plain
        case tls
        case unix(String)
    }

    let address: SocketAddress
    let authority: Authority
    private let stop: Mailbox<Bool>
    private let thread: Thread

    /// What both ends need to know each other.
    struct Authority: Sendable {
        let root: CertificateAuthority
        let now: Int64

        init() throws {
            now = WallTime.now().seconds
            root = try CertificateAuthority.createRoot(trustDomain: "cluster.local", now: now)
        }

        static let service = "spiffe://cluster.local/ns/warren-system/sa/warren-control"

        func server() throws -> TLSContext {
            let identity = try #require(SPIFFEID(Self.service))
            let credential = try root.serverCredential(
                for: identity, hosts: ["localhost"], addresses: [.loopbackV4], now: now, lifetime: 3600)
            return try TLSContext(service: ShownCertificates(credential), clientRoots: root.roots)
        }

        func client(_ account: String = "web") throws -> ShownCertificates {
            let identity = try #require(SPIFFEID(trustDomain: "cluster.local", namespace: "shop", serviceAccount: account))
            return ShownCertificates(try root.credential(for: identity, now: now, lifetime: 3600))
        }
    }

    init(_ security: Security = .plain, _ bounds: HTTPServerBounds = HTTPServerBounds()) throws {
        authority = try Authority()
        let authority = authority
        let listener: Descriptor
        if case .unix(let path) = security {
            listener = try UnixSocket.listen(path: path, mode: 0o600, backlog: 64)
        } else {
            listener = try Socket.listen(SocketAddress(.loopbackV4, 0), backlog: 64)
        }
        address = listener.localAddress() ?? SocketAddress(.loopbackV4, 0)
        let held = try listener.duplicate()
        let stop = try Mailbox<Bool>()
        self.stop = stop
        let number = held.number
        _ = number
        let box = DescriptorBox(held)
        thread = try Thread(name: "service") {
            do {
                let loop = try Loop()
                let context: HTTPServerSecurity
                if case .tls = security {
                    let tls = try authority.server()
                    context = .tls { tls }
                } else {
                    context = .plain
                }
                let service = EchoService()
                let server = HTTPServer(loop: loop, listener: box.take(), security: context, bounds: bounds) { service.take($0) }
                try server.start()
                try stop.attach(to: loop) { isGraceful in
                    if isGraceful { server.stop() } else { loop.stop() }
                }
                loop.run()
                server.close()
            } catch {
                bug("the service can't begin: \(error)")
            }
        }
    }

    /// No new connections; what is under way goes on.
    func drain() { stop.send(true) }

    deinit {
        stop.send(false)
        thread.join()
    }
}

/// Hands a descriptor to a thread.
final class DescriptorBox: @unchecked Sendable {
    private var descriptor: Descriptor?
    init(_ descriptor: consuming Descriptor) { self.descriptor = consume descriptor }
    func take() -> Descriptor {
        guard let taken = descriptor.take() else { bug("taken twice") }
        return taken
    }
}

/// Answers by path.
final class EchoService {
    private var calls: [ObjectIdentifier: GRPCEcho] = [:]

    func take(_ exchange: any HTTPExchange) {
        switch exchange.head.target {
        case "/hello": exchange.respond(HTTP1Response("hello\n"))
        case "/head":
            exchange.respond(
                HTTP1Response("\(exchange.head.method) \(exchange.head.authority) \(exchange.head.headers["x-word"] ?? "-")\n"))
        case "/echo":
            exchange.readBody(limit: 1 << 20) { result in
                switch result {
                case .success(let body): exchange.respond(HTTP1Response(status: 200, body: body))
                case .failure(.tooLarge(let limit)): exchange.respond(HTTP1Response(status: 413, "at most \(limit)\n"))
                case .failure(.timeout): exchange.respond(HTTP1Response(status: 408, "too slow\n"))
                case .failure(.aborted): break
                }
            }
        case "/stream":
            exchange.begin(status: 200, headers: ["content-type": "text/plain"])
            for word in ["one", "two", "three"] { exchange.send(Array("\(word)\n".utf8)) }
            exchange.finish(trailers: [:])
        case "/flood":
            // More than any client's window: sent as it is taken.
            let pump = Pump(exchange)
            exchange.begin(status: 200, headers: [:])
            pump.go()
        case "/peer":
            let names = exchange.peer.certificates.first?.uriSANs.joined(separator: " ") ?? "none"
            exchange.respond(HTTP1Response("\(names) \(exchange.peer.process?.user.description ?? "-")\n"))
        case "/abort":
            exchange.begin(status: 200, headers: [:])
            exchange.send(Array("half".utf8))
            exchange.abort()
        case "/never": break
        case "/test.Echo/Chat":
            guard let stream = GRPCServerStream(exchange) else { return }
            let echo = GRPCEcho(stream) { [weak self] in self?.calls[$0] = nil }
            calls[ObjectIdentifier(echo)] = echo
            stream.delegate = echo
        default: exchange.respond(HTTP1Response(status: 404, "there is no \(exchange.head.target)\n"))
        }
    }
}

/// Sends 8 MiB, a chunk when the last has left.
final class Pump {
    private let exchange: any HTTPExchange
    private var left = 128
    init(_ exchange: any HTTPExchange) { self.exchange = exchange }

    func go() {
        exchange.onDrained = { self.go() }
        while left > 0, exchange.queued < 128 << 10 {
            left -= 1
            exchange.send([UInt8](repeating: 0x61, count: 64 << 10))
        }
        guard left == 0 else { return }
        exchange.onDrained = nil
        exchange.finish(trailers: [:])
    }
}

/// Answers each message by itself; `fail` ends the call with a status, `many` by a thousand messages.
final class GRPCEcho: GRPCStreamDelegate {
    private let stream: GRPCServerStream
    private let done: (ObjectIdentifier) -> Void
    private var left = 0
    private var hasEnded = false

    init(_ stream: GRPCServerStream, done: @escaping (ObjectIdentifier) -> Void) {
        self.stream = stream
        self.done = done
    }

    func messageReceived(_ message: [UInt8], on stream: any GRPCStream) {
        switch String(decoding: message, as: UTF8.self) {
        case "fail":
            stream.finish(GRPCStatus(.failedPrecondition, "as you wish: 100 % größer"))
            return done(ObjectIdentifier(self))
        case "many":
            left = 1000
            drained(stream)
        default: stream.send(message)
        }
        stream.take()
    }

    func drained(_ stream: any GRPCStream) {
        while left > 0, stream.queued < 64 << 10 {
            left -= 1
            stream.send([UInt8](repeating: 0x62, count: 4000))
        }
        finishIfDone()
    }

    func messagesEnded(on stream: any GRPCStream) {
        hasEnded = true
        finishIfDone()
    }

    /// The client may have said all long before it has heard all.
    private func finishIfDone() {
        guard hasEnded, left == 0 else { return }
        stream.finish(.ok)
        done(ObjectIdentifier(self))
    }

    func ended(_ status: GRPCStatus, on stream: any GRPCStream) { done(ObjectIdentifier(self)) }
}
