// SPDX-License-Identifier: Apache-2.0

import Bytes
import TLS
import Testing

/// Certificates of hosts and of servers.
@Suite struct NodeCertificateTests {
    let authority: TestAuthority

    init() throws { authority = try TestAuthority() }

    @Test(arguments: ["host1", "a", "host-1.lan", "0", String(repeating: "a", count: 253)])
    func `a host's identity is read as it is written`(name: String) throws {
        let identity = try #require(NodeIdentity(trustDomain: "cluster.local", name: name))
        #expect(NodeIdentity(identity.description) == identity && SPIFFEID(identity.description) == nil)
        #expect(CertifiedName(identity.description) == .node(identity))
    }

    @Test(arguments: [
        "", ".", "..", "a..b", "-a", "a-", "a.-b", "A", "a_b", "a/b", "a\0", "ä", String(repeating: "a", count: 254),
    ])
    func `what is no name of a host is none`(name: String) {
        #expect(NodeIdentity(trustDomain: "cluster.local", name: name) == nil)
        #expect(NodeIdentity("spiffe://cluster.local/node/\(name)") == nil)
    }

    @Test func `I19 a host's certificate is good for a client and for no workload`() throws {
        let (key, node) = (PrivateKey.generate(), try #require(NodeIdentity("spiffe://cluster.local/node/host1")))
        let chain = try authority.intermediate.issue(node: node, publicKey: key.publicKey, now: TestAuthority.now, lifetime: 3600)
        #expect(chain[0].certifiedName == .node(node) && chain[0].spiffeIDs.isEmpty)
        #expect(chain[0].serves(as: .clientAuth) && !chain[0].serves(as: .serverAuth))
        #expect(chain[0].isValid(at: TestAuthority.now) && !chain[0].isValid(at: TestAuthority.now + 3601))
        #expect(throws: CertificateFailure.self) { try Credential(key: key, chain: chain, roots: authority.root.roots) }
    }

    @Test func `an authority serves nothing`() {
        #expect(
            !authority.root.certificate.serves(as: .serverAuth) && !authority.intermediate.certificate.serves(as: .clientAuth))
    }

    @Test func `a leaf ends with the first authority above it that ends`() throws {
        let short = try authority.root.createIntermediate(
            trustDomain: "cluster.local", now: TestAuthority.now - 10, lifetime: 100)
        let lower = CertificateProfile.authority(
            organization: "x", commonName: "lower", pathLength: 0, notBefore: TestAuthority.now - 10,
            notAfter: TestAuthority.now + 9000)
        let key = PrivateKey.generate()
        let certificate = try short.sign(lower, for: key.publicKey)
        let signer = try CertificateAuthority(key: key, chain: [certificate, short.certificate], roots: authority.root.roots)
        let leaf = try signer.issue(
            identity: TestAuthority.identity("web"), publicKey: PrivateKey.generate().publicKey, now: TestAuthority.now,
            lifetime: 3600)[0]
        #expect(leaf.notAfter == TestAuthority.now + 90)
    }

    @Test func `a server's credential brings the root along`() throws {
        let credential = try authority.intermediate.serverCredential(
            for: TestAuthority.identity("control"), hosts: ["control"], addresses: [.loopbackV4, .loopbackV6],
            now: TestAuthority.now,
            lifetime: 3600)
        #expect(credential.intermediates == [authority.intermediate.certificate, authority.root.certificate])
        #expect(try authority.credential("web").intermediates == [authority.intermediate.certificate])
    }

    @Test func `digests and comparisons are those of the field`() {
        #expect(SHA256.hex([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(SHA256.hex(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(Secret.isEqual([], []) && Secret.isEqual([1, 2], [1, 2]))
        #expect(!Secret.isEqual([1, 2], [1, 3]) && !Secret.isEqual([1, 2], [1, 2, 3]))
        #expect(Secret.random(32).count == 32 && Secret.random(32) != Secret.random(32))
    }

    @Test func `keys of any kind have a digest of their own, and RSA of 2048 bits is strong enough`() {
        let (a, b) = (PrivateKey.generate(), PrivateKey.generate(.rsa2048))
        #expect(a.publicKey.weakness == nil && b.publicKey.weakness == nil)
        #expect(a.publicKey.fingerprint == a.publicKey.fingerprint && a.publicKey.fingerprint != b.publicKey.fingerprint)
    }
}
