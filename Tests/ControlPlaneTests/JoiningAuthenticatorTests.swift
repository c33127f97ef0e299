// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import HTTP
import Kernel
import ResourceAPI
import Store
import TLS
import Testing
import Transport

@testable import ControlPlane

/// Who asks.
@Suite struct JoiningAuthenticatorTests {
    static let now = JoiningFixture.now
    let mesh: JoiningFixture

    init() throws { mesh = try JoiningFixture() }

    func ask(_ headers: HTTPHeaders = [:], _ peer: HTTPPeer = JoiningFixture.peer()) -> Result<Principal, APIStatus> {
        do throws(APIStatus) {
            return .success(try mesh.authenticator.principal(for: JoiningFixture.head(headers), peer: peer))
        } catch { return .failure(error) }
    }

    func reason(_ result: Result<Principal, APIStatus>) -> APIStatus.Reason? {
        if case .failure(let status) = result { status.reason } else { nil }
    }

    func bearer(_ wish: Value) throws -> AccessToken {
        let token = try mesh.tokens.create(TokenWish(wish), by: "test", root: "", now: Self.now).token
        try mesh.refresh()
        return token
    }

    @Test func `before the store was read nobody is turned out`() throws {
        let book = AccessBook(loop: mesh.loop)
        let authenticator = Authenticator(book: book, trustDomain: "cluster.local", audit: .silent) { Self.now }
        let chain = try mesh.member("host1")
        let bearer: HTTPHeaders = ["authorization": "Bearer \(AccessToken(.bearer))"]
        for (headers, peer) in [(bearer, JoiningFixture.peer()), (HTTPHeaders(), JoiningFixture.peer(chain))] {
            do throws(APIStatus) {
                _ = try authenticator.principal(for: JoiningFixture.head(headers), peer: peer)
                Issue.record("known")
            } catch {
                #expect(error.reason == .unavailable && Authenticator.status(error).code == .unavailable)
            }
        }
        #expect(throws: Never.self) { try authenticator.principal(for: JoiningFixture.head(), peer: JoiningFixture.root) }
    }

    @Test func `root at the socket is admin, another user is told why not`() {
        #expect(ask([:], JoiningFixture.root) == .success(Principal(name: "root", role: .admin)))
        let other = ask([:], HTTPPeer(process: .init(user: 1000, group: 0, pid: 7)))
        #expect(reason(other) == .forbidden)
    }

    @Test func `who shows nothing is told what to show, however often`() {
        for _ in 0..<50 { #expect(reason(ask()) == .unauthorized) }
    }

    @Test func `tokens have their roles until they end or are revoked`() throws {
        let roles: [(Value, Principal.Role)] = [
            (["kind": "bearer", "role": "admin"], .admin), (["kind": "bearer", "role": "viewer"], .viewer),
            (["kind": "bearer", "role": "editor", "namespaces": ["shop"]], .editor(namespaces: ["shop"])),
            (["kind": "bearer", "role": "node", "node": "host3", "ttl": "1h"], .node("host3")),
        ]
        for (wish, role) in roles {
            let token = try bearer(wish)
            #expect(try ask(["authorization": "Bearer \(token)"]).get().role == role)
            #expect(
                try ask(["Authorization": "bearer  \(token)"], HTTPPeer(process: .init(user: 1000, group: 0, pid: 1))).get().role
                    == role)
            mesh.clock.seconds = Self.now + 86_400
            #expect(reason(ask(["authorization": "Bearer \(token)"])) == .unauthorized)
            mesh.clock.seconds = Self.now
            _ = try mesh.tokens.revoke(token.id)
            try mesh.refresh()
            #expect(reason(ask(["authorization": "Bearer \(token)"])) == .unauthorized)
        }
    }

    @Test func `forged, malformed and join tokens are refused in one sentence, and a token decides alone`() throws {
        let good = try bearer(["kind": "bearer", "role": "admin"])
        let join = try mesh.token()
        try mesh.refresh()
        var forged = AccessToken(.bearer).description.split(separator: ".").map(String.init)
        forged[1] = good.id
        var said: Set<String> = []
        for text in [forged.joined(separator: "."), AccessToken(.bearer).description] {
            if case .failure(let status) = ask(["authorization": "Bearer \(text)"], JoiningFixture.peer(address: "192.0.2.9:1")) {
                said.insert(status.message)
            }
        }
        #expect(said.count == 1)
        for (index, text) in [
            "Bearer \(join)", "Bearer", "Bearer \(good) \(good)", "Basic \(good)", "\(good)", "", "Bearer \(good.description)0",
            "Bearer " + String(repeating: "a", count: 100_000),
        ].enumerated() {
            #expect(
                reason(ask(["authorization": text], JoiningFixture.peer(address: "192.0.2.\(20 + index):1"))) == .unauthorized,
                "\(text.prefix(80))")
        }
        // Also where a certificate or root would have been enough.
        #expect(reason(ask(["authorization": "Bearer x"], JoiningFixture.root)) == .unauthorized)
        var twice: HTTPHeaders = ["authorization": "Bearer \(good)"]
        twice.append("authorization", "Bearer \(good)")
        #expect(reason(ask(twice)) == .unauthorized)
    }

    @Test func `who is wrong too often waits, and nobody else does`() throws {
        let good = try bearer(["kind": "bearer", "role": "viewer"])
        let wrong: HTTPHeaders = ["authorization": "Bearer \(AccessToken(.bearer))"]
        let reasons = (0..<30).map { _ in reason(ask(wrong)) }
        #expect(reasons.prefix(10).allSatisfy { $0 == .unauthorized } && reasons.suffix(19).allSatisfy { $0 == .tooManyRequests })
        // One that is right is heard all the same, and so is another address.
        #expect(try ask(["authorization": "Bearer \(good)"]).get().role == .viewer)
        #expect(reason(ask(wrong, JoiningFixture.peer(address: "192.0.2.2:1"))) == .unauthorized)
        #expect(reason(ask(wrong, JoiningFixture.peer(address: "[2001:db8::1]:1"))) == .unauthorized)
    }

    @Test func `the table of failures is bounded`() {
        var limiter = AttemptLimiter()
        let start = Instant.now()
        for number in 0..<50_000 {
            _ = limiter.failed(IPAddress(v4: UInt32(number)), now: start + .milliseconds(UInt64(number) / 100))
        }
        #expect(Mirror(reflecting: limiter).descendant("accounts").map { Mirror(reflecting: $0).children.count } ?? .max <= 4096)
        for _ in 0..<20 { _ = limiter.failed(IPAddress("2001:db8::1"), now: start) }
        #expect(!limiter.allows(IPAddress("2001:db8::2"), now: start))
        #expect(limiter.allows(IPAddress("2001:db8:0:1::2"), now: start))
        #expect(limiter.allows(IPAddress("2001:db8::2"), now: start + .seconds(6)))
    }

    @Test func `one asker fills no log, and what is left out is counted`() {
        var quota = AuditQuota()
        let start = Instant.now()
        let written = (0..<100).compactMap { _ in quota.take("node:host1", now: start) }
        #expect(written == Array(repeating: 0, count: 20))
        #expect(quota.take("node:host2", now: start) == 0)
        #expect(quota.takeDropped(now: start + .seconds(59)).isEmpty)
        #expect(quota.take("node:host1", now: start + .seconds(60)) == 80)
        for _ in 0..<30 { _ = quota.take("node:host1", now: start + .seconds(60)) }
        #expect(quota.takeDropped(now: start + .seconds(61)).isEmpty)
        // It doesn't come again.
        let left = quota.takeDropped(now: start + .seconds(120))
        #expect(left.count == 1 && left.first?.asker == "node:host1" && left.first?.dropped == 11)
        #expect(quota.takeDropped(now: start + .seconds(200)).isEmpty)
        for number in 0..<5000 { _ = quota.take("node:\(number)", now: start) }
        #expect(Mirror(reflecting: quota).descendant("accounts").map { Mirror(reflecting: $0).children.count } ?? .max <= 1024)
    }

    @Test func `what was left out is told, however many ask`() {
        var quota = AuditQuota(lines: 1)
        let start = Instant.now()
        for number in 0..<3000 { for _ in 0..<2 { _ = quota.take("node:\(number)", now: start) } }
        let left = quota.takeDropped(now: start + .seconds(60))
        #expect(left.reduce(0) { $0 + $1.dropped } == 3000)
        #expect(left.contains { $0.asker == nil })
    }

    @Test func `refusals of each kind are bounded for each asker, and what is left out is told`() throws {
        let written = try WrittenLog()
        let audit = Audit(written.log)
        let admin = AdminService(
            authority: mesh.authority, store: mesh.store, book: mesh.book, errands: mesh.errands, audit: audit)
        for name in ["token:a", "token:b"] {
            for _ in 0..<50 {
                let exchange = FakeExchange("GET", "/warren/v1/tokens")
                #expect(admin.handle(exchange, principal: Principal(name: name, role: .viewer)))
                #expect(exchange.response?.status == 403)
            }
        }
        // Who is wrong about who it is, too; one host has many ports, and in IPv6 many addresses.
        let authenticator = Authenticator(book: mesh.book, trustDomain: "cluster.local", audit: audit)
        let wrong: HTTPHeaders = ["authorization": "Bearer \(AccessToken(.bearer))"]
        for number in 0..<50 {
            let peer = JoiningFixture.peer(address: "[2001:db8::\(number)]:\(4000 + number)")
            #expect(throws: APIStatus.self) {
                try authenticator.principal(for: JoiningFixture.head(wrong), peer: peer)
            }
        }
        let start = Instant.now()
        for number in 0..<50 {
            // Methods and objects are the asker's to choose.
            audit.refused(
                at: .reports, "report \(number)", "node \(number)", by: "token:a", from: "127.0.0.1:\(number)", "no", now: start)
        }
        audit.tellDropped(now: start + .seconds(61))
        let lines = written.finish()
        #expect(lines.filter { $0.contains("audit: refused GET") }.count == 40)
        #expect(lines.filter { $0.contains("audit: refused report") }.count == 20)
        #expect(lines.filter { $0.contains("audit: refused authentication") }.count == 20)
        let left = lines.filter { $0.contains("audit: left out") }
        #expect(left.count == 4 && left.allSatisfy { $0.contains("30 refusals") }, "\(left)")
    }

    @Test func `a host is known by its certificate`() throws {
        let chain = try mesh.member("host1")
        let host = try ask([:], JoiningFixture.peer(chain)).get()
        #expect(host == Principal(name: "node:host1", role: .node("host1"), until: chain.first?.notAfter))
        mesh.clock.seconds = Self.now + 86_401
        #expect(reason(ask([:], JoiningFixture.peer(chain))) == .unauthorized)
    }

    @Test func `I22 what stands of a host or a token is cut when it is lost`() throws {
        var lost: [String] = []
        mesh.book.onNodeLost = { lost.append("node \($0)") }
        mesh.book.onTokenLost = { lost.append("token \($0)") }
        _ = try mesh.member("host1")
        let token = try bearer(["kind": "bearer", "role": "viewer"])
        _ = try mesh.desk.renew("host1", RenewRequest(csr: JoiningFixture.csr("host1"), version: ""), now: Self.now).get()
        try mesh.refresh()
        #expect(lost.isEmpty)
        let stored = try #require(try mesh.store.get(NodeRecord.key("host1")))
        let text = String(decoding: stored.value, as: UTF8.self)
        try mesh.put(NodeRecord.key("host1"), text.replacing("\"evicted\":false", with: "\"evicted\":true"))
        _ = try mesh.tokens.revoke(token.id)
        try mesh.refresh()
        #expect(lost == ["node host1", "token \(token.id)"])
        try mesh.put(NodeRecord.key("host1"), text)
        let again = try JoiningFixture.request("host1", token: mesh.token(node: "host1"))
        _ = try mesh.desk.join(again, now: Self.now + 60).get()
        try mesh.refresh()
        #expect(lost.last == "node host1" && lost.count == 3)
        let ztunnel = try bearer(["kind": "bearer", "role": "node", "node": "host3"])
        _ = try mesh.tokens.revoke(ztunnel.id)
        try mesh.refresh()
        #expect(lost.suffix(2) == ["token \(ztunnel.id)", "node host3"])
    }

    @Test func `I22 an evicted, deleted or replaced host is refused at once`() throws {
        let chain = try mesh.member("host1")
        let stored = try #require(try mesh.store.get(NodeRecord.key("host1")))
        let text = String(decoding: stored.value, as: UTF8.self)
        try mesh.put(NodeRecord.key("host1"), text.replacing("\"evicted\":false", with: "\"evicted\":true"))
        #expect(reason(ask([:], JoiningFixture.peer(chain))) == .unauthorized)
        try mesh.put(NodeRecord.key("host1"), text)
        #expect(reason(ask([:], JoiningFixture.peer(chain))) == nil)
        _ = try mesh.store.commit(StoreTransaction(writes: [.delete(NodeRecord.key("host1"))]))
        try mesh.refresh()
        #expect(reason(ask([:], JoiningFixture.peer(chain))) == .unauthorized)
        // Another host takes the name: what the first has is worth nothing.
        mesh.clock.seconds = Self.now + 60
        let next = try mesh.member("host1")
        #expect(reason(ask([:], JoiningFixture.peer(chain))) == .unauthorized)
        #expect(reason(ask([:], JoiningFixture.peer(next))) == nil)
    }

    @Test func `I11 a clock that was set back locks no host out`() throws {
        _ = try mesh.member("host1")
        mesh.clock.seconds = Self.now - 7200
        let renewed = try mesh.desk.renew(
            "host1", RenewRequest(csr: JoiningFixture.csr("host1"), version: ""), now: Self.now - 7200
        ).get().issued
        try mesh.refresh()
        #expect(reason(ask([:], JoiningFixture.peer(renewed.chain))) == nil)
    }

    @Test func `I19 a workload's certificate is refused, and a host's for another purpose or domain`() throws {
        _ = try mesh.member("host1")
        let key = PrivateKey.generate().publicKey
        let signer = mesh.authority.signer
        let workload = try mesh.authority.issue(
            .workload(#require(SPIFFEID("spiffe://cluster.local/ns/shop/sa/web"))), publicKey: key, now: Self.now)
        #expect(reason(ask([:], JoiningFixture.peer(workload.chain))) == .unauthorized)
        let good = try #require(NodeIdentity(trustDomain: "cluster.local", name: "host1"))
        var changes: [(inout CertificateProfile) -> Void] = []
        changes.append { $0.purposes = [.serverAuth] }
        changes.append { $0.keyUsage = [.keyEncipherment] }
        changes.append { $0.isCA = true }
        changes.append { $0.alternativeNames = [.uri(Array("spiffe://other.mesh/node/host1".utf8))] }
        changes.append { $0.alternativeNames.append(.uri(Array("spiffe://cluster.local/node/host2".utf8))) }
        changes.append { $0.alternativeNames = [.uri(Array("spiffe://cluster.local/node/host1/".utf8))] }
        changes.append { $0.alternativeNames = [.dns(Array("host1".utf8))] }
        changes.append { $0.notBefore = Self.now + 1 }
        for (index, change) in changes.enumerated() {
            var profile = CertificateProfile.node(good, notBefore: Self.now - 10, notAfter: Self.now + 1000)
            change(&profile)
            let peer = JoiningFixture.peer([try signer.sign(profile, for: key)], address: "192.0.2.\(50 + index):1")
            #expect(reason(ask([:], peer)) == .unauthorized, "\(index)")
        }
    }
}
