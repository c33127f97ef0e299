// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import HTTP
import Messages
import ResourceAPI
import Store
import TLS
import Testing
import Transport

@testable import ControlPlane

/// `CreateCertificate` as hosts and ztunnels call it.
@Suite struct AuthorityServiceTests {
    static let now = JoiningFixture.now
    let mesh: JoiningFixture
    let service: CertificateService

    init() throws {
        mesh = try JoiningFixture(errandLimit: 4)
        let clock = mesh.clock
        service = CertificateService(
            authority: mesh.authority, book: mesh.book, errands: mesh.errands, authenticator: mesh.authenticator,
            counters: mesh.counters, audit: .silent, loop: mesh.loop
        ) { clock.seconds }
        try mesh.put(
            StoreKey(NodeGrant.resource, "shop"),
            #"{"metadata":{"name":"shop"},"spec":{"nodes":["host1"],"namespaces":["shop"],"addresses":["10.0.0.0/24"]}}"#)
        try mesh.put(
            StoreKey(Registration.resource, namespace: "shop", "web-1"),
            """
            {"metadata":{"name":"web-1","namespace":"shop","annotations":{"warren.dev/node":"host1"}},
            "spec":{"address":"10.0.0.5","serviceAccount":"web"}}
            """)
    }

    func request(
        _ account: String = "web", domain: String = "cluster.local", impersonates: Value? = nil, seconds: Int64 = 86_400,
        key: PrivateKey = .generate()
    ) throws -> [UInt8] {
        var request = CertificateAPI.Request()
        let identity = try #require(SPIFFEID(trustDomain: domain, namespace: "shop", serviceAccount: account))
        request.csr = String(decoding: try SigningRequest.make(identity: identity, key: key), as: UTF8.self)
        request.validityDuration = seconds
        request.metadata = impersonates.map { ["ImpersonatedIdentity": $0] }
        return request.encoded
    }

    func ask(_ message: [UInt8], _ chain: [Certificate], headers: HTTPHeaders = [:]) -> FakeStream {
        let stream = FakeStream()
        service.handle(stream, head: JoiningFixture.head(headers), peer: JoiningFixture.peer(chain))
        stream.delegate?.messageReceived(message, on: stream)
        #expect(mesh.wait { stream.status != nil })
        return stream
    }

    @Test func `a host gets a certificate for its workload, in istiod's order`() throws {
        let (chain, key) = (try mesh.member("host1"), PrivateKey.generate())
        let stream = ask(try request(impersonates: "spiffe://cluster.local/ns/shop/sa/web", key: key), chain)
        #expect(stream.status == .ok && stream.sent.count == 1)
        let response = try CertificateAPI.Response(decoding: stream.sent[0])
        #expect(response.certificateChain.count == 3)
        let parts = try response.certificateChain.map { try Certificate.chain(pem: Array($0.utf8)) }
        #expect(parts[0][0].spiffeIDs.map(\.description) == ["spiffe://cluster.local/ns/shop/sa/web"])
        #expect(
            parts[0][0].isSigned(by: parts[1][0]) && parts[1][0].isSigned(by: parts[2][0]) && parts[2] == mesh.authority.roots)
        #expect(parts[0][0].notAfter == Self.now + 86_400)
        _ = try Credential(key: key, chain: parts[0] + parts[1], roots: parts[2])
        #expect(mesh.counters.issued == [.workload: 1])
    }

    @Test func `a longer time than allowed is cut, and none is the longest`() throws {
        let chain = try mesh.member("host1")
        for (wanted, got) in [(Int64.max, Int64(86_400)), (0, 86_400), (-1, 86_400), (90, 90)] {
            let stream = ask(try request(seconds: wanted), chain)
            let response = try CertificateAPI.Response(decoding: #require(stream.sent.first))
            #expect(try Certificate.chain(pem: Array(response.certificateChain[0].utf8))[0].notAfter == Self.now + got)
        }
    }

    @Test func `I19 a host gets nothing for what isn't registered on it, or another host's workload`() throws {
        let (one, two) = (try mesh.member("host1"), try mesh.member("host2"))
        for (message, chain, code) in [
            (try request("db"), one, GRPCStatus.Code.permissionDenied), (try request(), two, .permissionDenied),
            (try request(domain: "other.mesh"), one, .permissionDenied),
            (try request(impersonates: "spiffe://cluster.local/ns/shop/sa/db"), one, .invalidArgument),
            (try request("db", impersonates: "spiffe://cluster.local/ns/shop/sa/web"), one, .invalidArgument),
            (try request(impersonates: 7), one, .invalidArgument), (try request(), [], .unauthenticated),
        ] {
            let stream = ask(message, chain)
            #expect(stream.status?.code == code && stream.sent.isEmpty, "\(String(describing: stream.status))")
        }
        var node = CertificateAPI.Request()
        node.csr = String(decoding: try JoiningFixture.csr("host1"), as: UTF8.self)
        #expect(ask(node.encoded, one).status?.code == .invalidArgument)
        #expect(mesh.counters.issued.isEmpty)
        #expect(mesh.counters.refused[.notRegistered] == 2 && mesh.counters.refused[.foreignTrustDomain] == 1)
    }

    @Test func `I20 a ztunnel asks with a token of its host, and another token doesn't do`() throws {
        let make = { (wish: Value) in try mesh.tokens.create(TokenWish(wish), by: "test", root: "", now: Self.now).token }
        let ztunnel = try make(["kind": "bearer", "role": "node", "node": "host1"])
        let other = try make(["kind": "bearer", "role": "node", "node": "host2"])
        let admin = try make(["kind": "bearer", "role": "admin"])
        try mesh.refresh()
        let impersonated = try request(impersonates: "spiffe://cluster.local/ns/shop/sa/web")
        #expect(ask(impersonated, [], headers: ["authorization": "Bearer \(ztunnel)"]).status == .ok)
        #expect(ask(impersonated, [], headers: ["authorization": "Bearer \(other)"]).status?.code == .permissionDenied)
        #expect(ask(impersonated, [], headers: ["authorization": "Bearer \(admin)"]).status?.code == .permissionDenied)
    }

    @Test func `nonsense is refused in words`() throws {
        let chain = try mesh.member("host1")
        var empty = CertificateAPI.Request()
        empty.csr = "no request"
        for (message, code) in [
            ([], GRPCStatus.Code.invalidArgument), ([0xff, 0xff, 0xff], .invalidArgument),
            ([0x0a, 0x80, 0x80, 0x80, 0x80, 0x08], .invalidArgument),
            (empty.encoded, .invalidArgument), ([UInt8](repeating: 0x0a, count: 200_000), .resourceExhausted),
        ] {
            let stream = ask(message, chain)
            #expect(stream.status?.code == code, "\(String(describing: stream.status))")
        }
        let ended = FakeStream()
        service.handle(ended, head: JoiningFixture.head(), peer: JoiningFixture.peer(chain))
        ended.delegate?.messagesEnded(on: ended)
        #expect(ended.status?.code == .invalidArgument)
    }

    @Test func `too many at once are told so, and those who went away get nothing`() throws {
        let chain = try mesh.member("host1")
        let streams = try (0..<20).map { _ in
            let stream = FakeStream()
            service.handle(stream, head: JoiningFixture.head(), peer: JoiningFixture.peer(chain))
            stream.delegate?.messageReceived(try request(), on: stream)
            return stream
        }
        streams[0].delegate?.ended(GRPCStatus(.cancelled), on: streams[0])
        #expect(mesh.wait { streams.dropFirst().allSatisfy { $0.status != nil } })
        #expect(streams.filter { $0.status == .ok }.count == 3)
        #expect(streams.filter { $0.status?.code == .resourceExhausted }.count == 16)
        #expect(streams[0].status == nil && streams[0].sent.isEmpty)
        #expect(streams.allSatisfy { $0.finished <= 1 })
    }
}

/// A call without a connection.
final class FakeStream: GRPCStream {
    var delegate: (any GRPCStreamDelegate)?
    private(set) var sent: [[UInt8]] = []
    private(set) var status: GRPCStatus?
    private(set) var finished = 0
    var queued: Int { 0 }

    func send(_ message: [UInt8]) { sent.append(message) }
    func take() {}
    func finish(_ status: GRPCStatus) {
        self.status = status
        finished += 1
    }
    func cancel() { finish(GRPCStatus(.cancelled)) }
}
