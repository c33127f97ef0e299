// SPDX-License-Identifier: Apache-2.0

import Bytes
import TLS
import Testing

@Suite struct PeerCertificateTests {
    let authority: TestAuthority

    init() throws { authority = try TestAuthority() }

    @Test(arguments: BadPapers.allCases)
    func `a server refuses a client with a certificate that is`(bad: BadPapers) throws {
        let (server, client) = try meet(.server, bad.papers(authority))
        #expect(server.failure?.reason == bad.verdict.reason, "\(String(describing: server.failure))")
        #expect(server.peer == nil && server.session.verifiedPeer == nil)
        #expect(client.alert == bad.verdict.alert)
    }

    @Test(arguments: BadPapers.allCases)
    func `a client refuses a server with a certificate that is`(bad: BadPapers) throws {
        let (client, server) = try meet(.client, bad.papers(authority), expecting: "web")
        #expect(client.failure?.reason == bad.verdict.reason, "\(String(describing: client.failure))")
        #expect(client.peer == nil && client.session.verifiedPeer == nil)
        #expect(server.alert == bad.verdict.alert)
    }

    @Test(arguments: [TLSContext.Role.server, .client])
    func `a certificate for the other end only is refused`(ours: TLSContext.Role) throws {
        let purpose: CertificateProfile.Purpose = ours == .server ? .serverAuth : .clientAuth
        let (end, foreign) = try meet(ours, authority.papers { $0.purposes = [purpose] }, expecting: "web")
        #expect(end.failure?.reason == "wrong_purpose", "\(String(describing: end.failure))")
        #expect(foreign.alert == .unsupportedCertificate)
    }

    @Test func `a server with a valid identity that wasn't expected is refused`() throws {
        let (client, server) = try meet(.client, authority.papers("mallory"), expecting: "web")
        #expect(
            client.failure
                == .unexpectedIdentity(try TestAuthority.identity("mallory"), expected: "spiffe://cluster.local/ns/shop/sa/web"))
        #expect(server.alert == .badCertificate)
    }

    @Test func `a server may be any of those that are expected`() throws {
        let context = try TLSContext(role: .client, credential: authority.credential("web"))
        let expected = [try TestAuthority.identity("db"), try TestAuthority.identity("cache")]
        let client = OurEnd(TLSSession(connecting: context, expecting: Set(expected), now: TestAuthority.now))
        var options = ForeignEnd.Options()
        options.papers = try authority.papers("cache")
        pump(client, ForeignEnd(.server, options))
        #expect(client.peer?.identity == expected[1])
    }

    @Test(arguments: [TLSContext.Role.server, .client])
    func `a peer with RSA 2048 is accepted`(ours: TLSContext.Role) throws {
        let (end, _) = try meet(ours, authority.papers(.rsa2048) { _ in }, expecting: "web")
        #expect(end.peer?.identity == (try TestAuthority.identity("web")))
    }

    @Test(arguments: [TLSContext.Role.server, .client])
    func `a peer without usage extensions is accepted`(ours: TLSContext.Role) throws {
        let papers = try authority.papers {
            $0.keyUsage = []
            $0.purposes = []
        }
        #expect(try meet(ours, papers, expecting: "web").0.peer != nil)
    }

    @Test func `a DNS name beside the identity does no harm`() throws {
        let papers = try authority.papers { $0.alternativeNames.append(.dns(Array("web.shop.svc".utf8))) }
        #expect(try meet(.server, papers).0.peer?.identity == (try TestAuthority.identity("web")))
    }

    @Test func `a further trust domain is accepted when it is named`() throws {
        let context = try TLSContext(
            role: .server, credential: authority.credential("db"), trustDomains: ["cluster.local", "other.mesh"])
        let server = OurEnd(TLSSession(accepting: context, now: TestAuthority.now))
        var options = ForeignEnd.Options()
        options.papers = try BadPapers.otherTrustDomain.papers(authority)
        pump(ForeignEnd(.client, options), server)
        #expect(server.peer?.identity.trustDomain == "other.mesh")
    }

    @Test func `an expired authority above a valid leaf is refused`() throws {
        let profile = CertificateProfile.authority(
            organization: "cluster.local", commonName: "old", pathLength: 0,
            notBefore: TestAuthority.now - 2 * TestAuthority.hour,
            notAfter: TestAuthority.now - TestAuthority.hour)
        let key = PrivateKey.generate()
        let old = try authority.root.sign(profile, for: key.publicKey)
        let issuer = try CertificateAuthority(key: key, chain: [old], roots: authority.root.roots)
        let (server, client) = try meet(.server, issuer.papers())
        #expect(server.failure?.reason == "issuer_not_valid", "\(String(describing: server.failure))")
        #expect(client.alert == .certificateExpired)
    }

    @Test(arguments: [(4, true), (5, false)])
    func `a chain may have four authorities below the root, not more`(count: Int, isAccepted: Bool) throws {
        var profile = CertificateProfile(notBefore: 0, notAfter: TestAuthority.now + TestAuthority.hour)
        (profile.isCA, profile.commonName) = (true, "level 0")
        let key = PrivateKey.generate()
        let root = try profile.signed(for: key.publicKey, by: key, issuer: nil)
        var issuer = try CertificateAuthority(key: key, chain: [root], roots: [root])
        for level in 1...count {
            profile.commonName = "level \(level)"
            let key = PrivateKey.generate()
            let certificate = try issuer.sign(profile, for: key.publicKey)
            issuer = try CertificateAuthority(key: key, chain: [certificate] + issuer.intermediates, roots: [root])
        }
        let ours = try issuer.credential(for: TestAuthority.identity("db"), now: TestAuthority.now, lifetime: 60)
        let server = OurEnd(TLSSession(accepting: try TLSContext(role: .server, credential: ours), now: TestAuthority.now))
        var options = ForeignEnd.Options()
        options.papers = try issuer.papers()
        pump(ForeignEnd(.client, options), server)
        #expect((server.peer != nil) == isAccepted, "\(String(describing: server.failure))")
        #expect(isAccepted || server.failure?.isAboutIdentity == true)
    }

    @Test func `a leaf that signs another leaf is refused`() throws {
        let key = PrivateKey.generate()
        var profile = try TestAuthority.webProfile()
        profile.commonName = "a thief"
        let leaf = try authority.intermediate.sign(profile, for: key.publicKey)
        let workload = PrivateKey.generate()
        let forged = try TestAuthority.webProfile().signed(for: workload.publicKey, by: key, issuer: leaf)
        let chain = [forged, leaf] + authority.intermediate.intermediates
        let (server, client) = try meet(.server, Papers(key: workload.pem, chain: chain.pem))
        #expect(server.failure?.isAboutIdentity == true && server.peer == nil, "\(String(describing: server.failure))")
        #expect(client.alert != nil)
    }

    @Test func `I09 trust in a peer ends when its root leaves the bundle`() throws {
        let old = try #require(try meet(.server, authority.papers("web")).0.peer)
        let (ours, next) = (try authority.credential("db"), try TestAuthority())
        let both = try Credential(
            key: ours.key, chain: [ours.leaf] + ours.intermediates, roots: ours.roots + next.root.roots)
        #expect(ours.trusts(old) && both.trusts(old))
        #expect(try !next.credential("db").trusts(old))
    }

    @Test func `the sentence of a refusal tells what, who and since when`() throws {
        let (server, _) = try meet(.server, BadPapers.expired.papers(authority))
        #expect(server.failure?.description == "the peer's certificate expired 3 h ago (spiffe://cluster.local/ns/shop/sa/web)")
        let (odd, _) = try meet(.server, BadPapers.nulInside.papers(authority))
        #expect(odd.failure?.description.contains("sa/web?.evil") == true)
    }

    /// An end of ours and a foreign one with these papers, after the handshake.
    private func meet(
        _ ours: TLSContext.Role, _ papers: Papers, expecting account: String = "web"
    ) throws -> (OurEnd, ForeignEnd) {
        var options = ForeignEnd.Options()
        options.papers = papers
        let context = try TLSContext(role: ours, credential: authority.credential("db"))
        let foreign = ForeignEnd(ours == .server ? .client : .server, options)
        let session =
            ours == .server
            ? TLSSession(accepting: context, now: TestAuthority.now)
            : TLSSession(connecting: context, expecting: [try TestAuthority.identity(account)], now: TestAuthority.now)
        let end = OurEnd(session)
        pump(foreign, end)
        return (end, foreign)
    }
}
