// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import HTTP
import Kernel
import Messages
import ResourceAPI
import Store
import TLS
import Testing
import Transport

@testable import ControlPlane

/// Joining and certificates over TLS, from the token to the workload's certificate.
@Suite struct JoiningWireTests {
    let mesh: JoiningFixture
    let server: HTTPServer
    let address: SocketAddress

    init() throws {
        let mesh = try JoiningFixture(now: WallTime.now().seconds)
        let serving = try ServingCredential(
            authority: mesh.authority, names: ServingNames(hosts: ["localhost"], addresses: [.loopbackV4]), errands: mesh.errands,
            counters: mesh.counters, audit: .silent, loop: mesh.loop)
        let context = try TLSContext(service: ShownCertificates(serving.current), clientRoots: mesh.authority.roots)
        let (joining, admin) = (mesh.joinService, mesh.adminService)
        let certificates = CertificateService(
            authority: mesh.authority, book: mesh.book, errands: mesh.errands, authenticator: mesh.authenticator,
            counters: mesh.counters, audit: .silent, loop: mesh.loop)
        let authenticator = mesh.authenticator
        let listener = try Socket.listen(SocketAddress(.loopbackV4, 0), backlog: 64)
        guard let place = listener.localAddress() else { throw JoiningFixture.Timeout() }
        address = place
        server = HTTPServer(loop: mesh.loop, listener: listener, security: .tls { context }) { exchange in
            if exchange.head.target == CertificateAPI.createMethod {
                guard let stream = GRPCServerStream(exchange, messageLimit: 128 << 10) else { return }
                certificates.handle(stream, head: exchange.head, peer: exchange.peer)
                return
            }
            if joining.handle(exchange) { return }
            do throws(APIStatus) {
                let principal = try authenticator.principal(for: exchange.head, peer: exchange.peer)
                if admin.handle(exchange, principal: principal) { return }
                exchange.respond(HTTP1Response(status: 404, "\(principal.name)\n"))
            } catch { exchange.respond(HTTP1Response(status: error.reason.code, error.message)) }
        }
        try server.start()
        self.mesh = mesh
    }

    private func connect(_ context: TLSContext) -> ServiceConnection {
        ServiceConnection(loop: mesh.loop, to: .address(address), tls: context)
    }

    private func ask(
        _ connection: ServiceConnection, _ method: String, _ path: String, _ body: Value? = nil, headers: HTTPHeaders = [:]
    ) throws -> HTTP1Response {
        var headers = headers
        if body != nil { headers.append("content-type", "application/json") }
        var answer: ServiceRequest.Answer?
        ServiceRequest(on: connection, method: method, path: path, headers: headers, body: body?.jsonBytes ?? []) { answer = $0 }
        #expect(mesh.wait { answer != nil })
        return try #require(answer).get()
    }

    private func text(_ bytes: [UInt8]) -> Value { .string(String(decoding: bytes, as: UTF8.self)) }

    @Test func `I19 from a token to a workload's certificate, and no further`() throws {
        let token = try mesh.token()
        let digest = try #require(mesh.authority.roots.first { $0.fingerprint.description == token.root }).fingerprint
        // The host knows the root's digest and nothing else.
        let stranger = connect(try TLSContext(caller: nil, roots: [], check: .root(digest), protocols: ["h2"]))
        let key = PrivateKey.generate()
        let joined = try ask(
            stranger, "POST", "/warren/v1/join",
            [
                "token": .string(token.description), "node": "host1", "csr": text(try JoiningFixture.csr("host1", key)),
                "version": "1",
            ])
        #expect(joined.status == 200, "\(String(decoding: joined.body, as: UTF8.self))")
        let document = try JSON.read(joined.body)
        let chain = try Certificate.chain(pem: Array(#require(document["certificateChain"]?.stringValue).utf8))
        let roots = try Certificate.roots(pem: Array(#require(document["roots"]?.stringValue).utf8))
        let identity = try #require(mesh.authority.serverIdentity)
        let shown = try ShownCertificates(key: key, chain: chain)
        let host = connect(try TLSContext(caller: shown, roots: roots, check: .identity(identity), protocols: ["h2"]))
        // At once, and as itself.
        #expect(try String(decoding: ask(host, "GET", "/x").body, as: UTF8.self) == "node:host1\n")
        #expect(try ask(host, "GET", "/warren/v1/tokens").status == 403)
        #expect(try ask(stranger, "GET", "/x").status == 401)
        let renewed = try ask(host, "POST", "/warren/v1/renew", ["csr": text(try JoiningFixture.csr("host1")), "version": "1"])
        #expect(renewed.status == 200)
        #expect(try ask(stranger, "POST", "/warren/v1/renew", ["csr": text(try JoiningFixture.csr("host1"))]).status == 401)
        try register()
        #expect(try create(on: host, "web").status == .ok)
        #expect(try create(on: host, "db").status?.code == .permissionDenied)
        #expect(try create(on: stranger, "web").status?.code == .unauthenticated)
        // What it got is no way into the control plane.
        let workload = PrivateKey.generate()
        let call = try create(on: host, "web", key: workload)
        let response = try CertificateAPI.Response(decoding: #require(call.messages.first))
        let own = try ShownCertificates(
            key: workload, chain: Certificate.chain(pem: Array(response.certificateChain.prefix(2).joined().utf8)))
        let impostor = connect(try TLSContext(caller: own, roots: roots, check: .identity(identity), protocols: ["h2"]))
        #expect(try ask(impostor, "GET", "/x").status == 401)
        #expect(try ask(impostor, "POST", "/warren/v1/renew", ["csr": text(try JoiningFixture.csr("host1"))]).status == 401)
        // Evicted, on the connection that stands too.
        let stored = try #require(try mesh.store.get(NodeRecord.key("host1")))
        try mesh.put(
            NodeRecord.key("host1"),
            String(decoding: stored.value, as: UTF8.self).replacing("\"evicted\":false", with: "\"evicted\":true"))
        #expect(try ask(host, "GET", "/x").status == 401)
        #expect(try create(on: host, "web").status?.code == .unauthenticated)
    }

    @Test func `a host with another root's digest says nothing`() throws {
        let other = try CertificateAuthority.createRoot(trustDomain: "cluster.local", now: WallTime.now().seconds)
        let stranger = connect(
            try TLSContext(caller: nil, roots: [], check: .root(other.certificate.fingerprint), protocols: ["h2"]))
        var failure: ServiceFailure?
        stranger.onLost = { failure = $0 }
        #expect(mesh.wait { failure != nil })
        #expect(failure?.kind == .refused)
    }

    @Test func `an admin's token works over TLS, and a certificate of another authority doesn't`() throws {
        let wish = try TokenWish(["kind": "bearer", "role": "admin"])
        let token = try mesh.tokens.create(wish, by: "test", root: "", now: mesh.clock.seconds).token
        try mesh.refresh()
        let caller = connect(
            try TLSContext(caller: nil, roots: mesh.authority.roots, check: .host("127.0.0.1"), protocols: ["h2"]))
        let made = try ask(caller, "POST", "/warren/v1/tokens", ["kind": "join"], headers: ["authorization": "Bearer \(token)"])
        #expect(made.status == 201)
        #expect(try ask(caller, "POST", "/warren/v1/tokens", ["kind": "join"]).status == 401)
        let foreign = try CertificateAuthority.createRoot(trustDomain: "cluster.local", now: mesh.clock.seconds)
        let key = PrivateKey.generate()
        let node = try #require(NodeIdentity(trustDomain: "cluster.local", name: "host1"))
        let leaf = try foreign.issue(node: node, publicKey: key.publicKey, now: mesh.clock.seconds, lifetime: 3600)
        let shown = try ShownCertificates(key: key, chain: leaf)
        let impostor = connect(
            try TLSContext(caller: shown, roots: mesh.authority.roots, check: .host("localhost"), protocols: ["h2"]))
        var isLost = false
        impostor.onLost = { _ in isLost = true }
        #expect(mesh.wait { isLost })
    }

    private func register() throws {
        try mesh.put(
            StoreKey(NodeGrant.resource, "shop"),
            #"{"metadata":{"name":"shop"},"spec":{"nodes":["host1"],"namespaces":["shop"],"addresses":["10.0.0.0/24"]}}"#)
        try mesh.put(
            StoreKey(Registration.resource, namespace: "shop", "web-1"),
            String(decoding: JoiningGrantsTests.object().jsonBytes, as: UTF8.self))
    }

    private func create(on connection: ServiceConnection, _ account: String, key: PrivateKey = .generate()) throws -> Call {
        var request = CertificateAPI.Request()
        let identity = try #require(SPIFFEID(trustDomain: "cluster.local", namespace: "shop", serviceAccount: account))
        request.csr = String(decoding: try SigningRequest.make(identity: identity, key: key), as: UTF8.self)
        request.validityDuration = 3600
        let call = Call()
        let stream = GRPCClientStream(on: connection, path: CertificateAPI.createMethod)
        stream.delegate = call
        stream.begin()
        stream.send(request.encoded)
        stream.finish(.ok)
        #expect(mesh.wait { call.status != nil })
        withExtendedLifetime(stream) {}
        return call
    }
}

/// What a client of gRPC heard.
private final class Call: GRPCStreamDelegate {
    private(set) var messages: [[UInt8]] = []
    private(set) var status: GRPCStatus?

    func messageReceived(_ message: [UInt8], on stream: any GRPCStream) {
        messages.append(message)
        stream.take()
    }
    func messagesEnded(on stream: any GRPCStream) {}
    func drained(_ stream: any GRPCStream) {}
    func ended(_ status: GRPCStatus, on stream: any GRPCStream) { self.status = status }
}
