// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import HTTP
import Kernel
import Loop
import Support
import TLS
import Testing
import Transport

@testable import Operator

/// A control plane in memory behind a real server: over TLS on loopback, or over a Unix socket. Its thread ends with it.
final class ServedPlane: Sendable {
    let root: CertificateAuthority
    let address: SocketAddress
    private let stop: Mailbox<Bool>
    private let thread: Thread

    private final class Box: @unchecked Sendable {
        private var descriptor: Descriptor?
        init(_ descriptor: consuming Descriptor) { self.descriptor = consume descriptor }
        func take() -> Descriptor {
            guard let descriptor = descriptor.take() else { bug("taken twice") }
            return descriptor
        }
    }

    init(socket path: String? = nil) throws {
        let now = WallTime.now().seconds
        root = try CertificateAuthority.createRoot(trustDomain: "cluster.local", now: now)
        let listener =
            try path.map { try UnixSocket.listen(path: $0, mode: 0o600, backlog: 8) }
            ?? Socket.listen(SocketAddress(.loopbackV4, 0), backlog: 8)
        address = listener.localAddress() ?? SocketAddress(.loopbackV4, 0)
        let identity = try #require(SPIFFEID("spiffe://cluster.local/ns/warren-system/sa/warren-control"))
        let credential = try root.serverCredential(
            for: identity, hosts: ["localhost"], addresses: [.loopbackV4], now: now, lifetime: 3600)
        // The root goes along, for hosts that know its digest alone.
        let shown = try ShownCertificates(key: credential.key, chain: [credential.leaf] + credential.intermediates + root.roots)
        let tls = try TLSContext(service: shown, clientRoots: root.roots)
        let stop = try Mailbox<Bool>()
        self.stop = stop
        let (box, root) = (Box(listener), root)
        thread = try Thread(name: "plane") {
            do {
                let (loop, plane) = (try Loop(), FakePlane())
                Self.prepare(plane, root)
                let server = HTTPServer(
                    loop: loop, listener: box.take(), security: path == nil ? .tls { tls } : .plain, bounds: HTTPServerBounds()
                ) { Self.answer($0, plane) }
                try server.start()
                try stop.attach(to: loop) { _ in loop.stop() }
                loop.run()
                server.close()
            } catch {
                bug("the plane can't begin: \(error)")
            }
        }
    }

    deinit {
        stop.send(true)
        thread.join()
    }

    private static func prepare(_ plane: FakePlane, _ root: CertificateAuthority) {
        let roots = String(decoding: root.roots.pem, as: UTF8.self)
        plane.handlers["GET /warren/v1/roots"] = { _ in FakePlane.ok(["roots": .string(roots), "trustDomain": "cluster.local"]) }
        plane.handlers["POST /warren/v1/join"] = { body in
            guard let csr = try? SigningRequest(pem: Array((body["csr"]?.stringValue ?? "").utf8)), let node = csr.node,
                let chain = try? root.issue(node: node, publicKey: csr.publicKey, now: WallTime.now().seconds, lifetime: 3600)
            else { return FakePlane.status(403, "Forbidden", "no") }
            return FakePlane.ok([
                "certificateChain": .string(String(decoding: chain.pem, as: UTF8.self)), "roots": .string(roots),
            ])
        }
    }

    private static func answer(_ exchange: any HTTPExchange, _ plane: FakePlane) {
        let head = exchange.head
        exchange.readBody(limit: 1 << 20) { result in
            guard case .success(let body) = result, let method = ControlRequest.Method(rawValue: head.method) else { return }
            var request = ControlRequest(method, head.target)
            request.accept = head.headers["accept"] ?? ""
            request.contentType = head.headers["content-type"]
            request.body = body
            if head.target.contains("watch=1") { return watch(exchange) }
            // Who is asked may be asked: the test looks at what arrived.
            if head.target == "/echo" {
                let seen = "\(head.headers["authorization"] ?? "-") \(exchange.peer.certificates.first?.uriSANs.first ?? "-")"
                return exchange.respond(HTTP1Response(seen))
            }
            let answer = (try? plane.send(request)) ?? ControlAnswer(status: 500, body: [])
            exchange.respond(
                HTTP1Response(status: answer.status, headers: ["content-type": "application/json"], body: answer.body))
        }
    }

    private static func watch(_ exchange: any HTTPExchange) {
        exchange.begin(status: 200, headers: ["content-type": "application/json"])
        for name in ["a", "b"] {
            let event: Value = ["type": "ADDED", "object": ["metadata": ["name": .string(name), "resourceVersion": "107"]]]
            exchange.send(Array((event.json + "\n").utf8))
        }
        exchange.finish(trailers: [:])
    }
}

/// The client with a real server, over TLS and over a Unix socket.
@Suite struct NetworkTests {
    private func run(_ words: [String]) -> (code: ExitCode, output: String, errors: String) {
        var (output, errors) = ("", "")
        let console = Console(isTerminal: false, hasColours: false, output: { output += $0 }, errors: { errors += $0 })
        let session = Session(console: console, pause: { _ in false }, environment: { _ in nil })
        return (Warren.run(words, session), output, errors)
    }

    private func withRoot(_ plane: ServedPlane, _ body: (_ folder: String, _ options: [String]) throws -> Void) throws {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        try Files.write(String(decoding: plane.root.roots.pem, as: UTF8.self), to: "\(folder)/root.pem")
        try body(folder, ["--server", "https://localhost:\(plane.address.port)", "--ca-file", "\(folder)/root.pem"])
    }

    @Test func `commands work over TLS on one connection, and a watch ends with its stream`() throws {
        let plane = try ServedPlane()
        try withRoot(plane) { folder, options in
            try Files.write("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n", to: "\(folder)/a.yaml")
            #expect(run(["apply", "-f", "\(folder)/a.yaml"] + options).output == "namespace/shop created\n")
            #expect(run(["apply", "-f", "\(folder)/a.yaml"] + options).output == "namespace/shop unchanged\n")
            #expect(run(["get", "ns"] + options).output == "NAME  COUNT\nshop      7\n")
            let watched = run(["get", "ns", "-w", "-o", "name"] + options)
            #expect(watched.code == .ok && watched.output == "namespace/shop\nnamespace/a\nnamespace/b\n", "\(watched)")
            #expect(run(["get", "ns", "gone"] + options).code == .failed)
        }
    }

    @Test func `the same over a Unix socket`() throws {
        let path = "/tmp/warren-served-\(Limits.processID).sock"
        let plane = try ServedPlane(socket: path)
        defer { try? File.remove(path) }
        #expect(run(["namespace", "create", "shop", "--server", "unix://\(path)"]).code == .ok)
        #expect(run(["get", "ns", "--server", "unix://\(path)"]).output == "NAME  COUNT\nshop      7\n")
        let watched = run(["get", "ns", "-w", "-o", "name", "--server", "unix://\(path)"])
        #expect(watched.output == "namespace/shop\nnamespace/a\nnamespace/b\n", "\(watched)")
        _ = plane
    }

    private func echo(_ endpoint: ControlEndpoint) -> Result<String, ControlFailure> {
        Result { () throws(ControlFailure) in
            String(decoding: try Session.client(endpoint).send(ControlRequest(.get, "/echo")).body, as: UTF8.self)
        }
    }

    @Test func `who the control plane is gets checked by name, by identity or by fingerprint, before anything is said`() throws {
        let (plane, other) = (try ServedPlane(), try ServedPlane())
        var endpoint = ControlEndpoint(.network(host: "127.0.0.1", port: plane.address.port))
        endpoint.token = "wa1.x"
        let root = try #require(plane.root.roots.first)
        let uri = "spiffe://cluster.local/ns/warren-system/sa/warren-control"
        for trust: ControlEndpoint.Trust in [
            .roots(root.pem, hostName: "127.0.0.1"), .fingerprint(root.fingerprint.description),
            .identity(roots: root.pem, uri: uri),
        ] {
            endpoint.trust = trust
            #expect(try echo(endpoint).get() == "Bearer wa1.x -", "\(trust)")
        }
        let stranger = try #require(other.root.roots.first)
        for trust: ControlEndpoint.Trust in [
            .roots(stranger.pem, hostName: "127.0.0.1"), .roots(root.pem, hostName: "10.0.0.1"),
            .roots(root.pem, hostName: "example.org"), .fingerprint(stranger.fingerprint.description),
            .fingerprint(String(repeating: "0", count: 64)), .identity(roots: stranger.pem, uri: uri),
            .identity(roots: root.pem, uri: "spiffe://cluster.local/ns/shop/sa/web"),
        ] {
            endpoint.trust = trust
            #expect(throws: ControlFailure.self, "\(trust)") { try echo(endpoint).get() }
        }
    }

    @Test func `a host shows its certificate`() throws {
        let plane = try ServedPlane()
        let key = PrivateKey.generate()
        let node = try #require(NodeIdentity(trustDomain: "cluster.local", name: "host-b"))
        let chain = try plane.root.issue(node: node, publicKey: key.publicKey, now: WallTime.now().seconds, lifetime: 600)
        var endpoint = ControlEndpoint(.network(host: "127.0.0.1", port: plane.address.port))
        endpoint.trust = .roots(plane.root.roots.pem, hostName: "127.0.0.1")
        (endpoint.certificate, endpoint.key) = (chain.pem, key.pem)
        #expect(try echo(endpoint).get() == "- spiffe://cluster.local/node/host-b")
    }

    @Test func `a host joins over the network with nothing but the token`() throws {
        let plane = try ServedPlane()
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        let root = try #require(plane.root.roots.first)
        let line = [
            "join", "https://127.0.0.1:\(plane.address.port)", "--node", "host-b", "--no-start", "--config",
            "\(folder)/warrend.yaml",
            "--directory", "\(folder)/node", "--token",
        ]
        let wrong = run(line + ["wj1.01.02.\(String(repeating: "0", count: 64))"])
        #expect(wrong.code == .failed && !Files.exists("\(folder)/node/key.pem"), "\(wrong)")
        let right = run(line + ["wj1.01.02.\(root.fingerprint)"])
        #expect(right.code == .ok, "\(right)")
        #expect(try Files.list("\(folder)/node").contains("certificate.pem"))
    }

    @Test func `nobody there, and somebody else there, are told`() throws {
        let free = try Socket.listen(SocketAddress(.loopbackV4, 0), backlog: 1)
        let port = try #require(free.localAddress()?.port)
        free.close()
        var endpoint = ControlEndpoint(.network(host: "127.0.0.1", port: port))
        endpoint.trust = .fingerprint(String(repeating: "0", count: 64))
        guard case .failure(let failure) = echo(endpoint) else {
            Issue.record("somebody answered at a port that nobody has")
            return
        }
        #expect(failure.isUnreachable)
        endpoint.trust = .fingerprint("short")
        guard case .failure(let wrong) = echo(endpoint) else { return }
        #expect(!wrong.isUnreachable)
    }
}
