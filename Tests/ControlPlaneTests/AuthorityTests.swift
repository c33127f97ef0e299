// SPDX-License-Identifier: Apache-2.0

import Bytes
import Kernel
import Support
import TLS
import Testing

@testable import ControlPlane

@Suite struct AuthorityTests {
    static let now = JoiningFixture.now
    let folder: String

    init() throws { folder = try Files.makeTemporaryFolder() }

    func open(_ name: String = "ca", trustDomain: String = "cluster.local", now: Int64 = now) throws(AuthorityFailure)
        -> Authority
    {
        try Authority.open(directory: "\(folder)/\(name)", trustDomain: trustDomain, now: now)
    }

    func sentence(_ body: () throws(AuthorityFailure) -> Authority) -> String {
        do throws(AuthorityFailure) {
            _ = try body()
            return "none"
        } catch { return error.description }
    }

    @Test func `I22 the first start makes root and intermediate, for their owner's eyes alone`() throws {
        defer { Files.remove(folder) }
        let authority = try open()
        #expect(try File.status("\(folder)/ca").mode == 0o700)
        for name in ["root-1.key", "intermediate-2.key", "authority.json", "lock"] {
            #expect(try File.status("\(folder)/ca/\(name)").mode == 0o600, "\(name)")
        }
        let issued = try authority.issue(
            .workload(#require(SPIFFEID("spiffe://cluster.local/ns/shop/sa/web"))), publicKey: PrivateKey.generate().publicKey,
            now: Self.now)
        #expect(issued.chain.count == 2 && issued.roots.count == 1 && issued.chain[1].isSigned(by: issued.roots[0]))
        #expect(authority.rootDigest == issued.roots[0].fingerprint.description)
    }

    @Test func `the second start finds what the first made`() throws {
        defer { Files.remove(folder) }
        let first = try open().signer.certificate
        #expect(try open().signer.certificate == first)
    }

    @Test func `two control planes don't share a directory`() throws {
        defer { Files.remove(folder) }
        let first = try open()
        #expect(sentence { () throws(AuthorityFailure) in try open() }.hasPrefix("another control plane uses"))
        withExtendedLifetime(first) {}
    }

    @Test func `a start that was cut short is made anew`() throws {
        defer { Files.remove(folder) }
        try File.makeDirectory("\(folder)/ca", mode: 0o700)
        let state = AuthorityState(
            phase: .making, since: 1, trustDomain: "cluster.local", next: 3, roots: ["root-1"], intermediate: "intermediate-2")
        try File.replace("\(folder)/ca/authority.json", with: state.text, mode: 0o600)
        try File.replace("\(folder)/ca/root-1.key", with: [1, 2, 3], mode: 0o600)
        #expect(try open().roots.count == 1)
    }

    @Test func `keys without their state, damage and other people's directories are refused, with what to do`() throws {
        defer { Files.remove(folder) }
        _ = try open()
        let state = try File.read("\(folder)/ca/authority.json", limit: 65_536)
        #expect(
            sentence { () throws(AuthorityFailure) in try open(trustDomain: "other.mesh") }.contains(
                "is of trust domain cluster.local"))
        try File.replace("\(folder)/ca/authority.json", with: Array(state.prefix(40)), mode: 0o600)
        #expect(sentence { () throws(AuthorityFailure) in try open() }.contains("is damaged"))
        try File.remove("\(folder)/ca/authority.json")
        #expect(sentence { () throws(AuthorityFailure) in try open() }.contains("holds keys but no authority.json"))
        try File.replace("\(folder)/ca/authority.json", with: state, mode: 0o600)
        try File.replace("\(folder)/ca/intermediate-2.key", with: PrivateKey.generate().pem, mode: 0o600)
        #expect(sentence { () throws(AuthorityFailure) in try open() }.contains("doesn't belong to the certificate"))
        try File.replace("\(folder)/ca/intermediate-2.key", with: PrivateKey.generate().pem, mode: 0o644)
        #expect(sentence { () throws(AuthorityFailure) in try open() }.contains("run `chmod 600"))
        try File.makeDirectory("\(folder)/open", mode: 0o755)
        #expect(sentence { () throws(AuthorityFailure) in try open("open") }.contains("run `chmod 700"))
        try File.replace("\(folder)/file", with: [], mode: 0o600)
        #expect(sentence { () throws(AuthorityFailure) in try open("file") }.contains("no directory"))
        #expect(sentence { () throws(AuthorityFailure) in try open("file/below") }.contains("can't be used"))
        #expect(
            sentence { () throws(AuthorityFailure) in try open("x", trustDomain: "Not a domain") }.contains("no trust domain"))
    }

    @Test func `a disk that is full at any file leaves nothing that counts, and the next start succeeds`() throws {
        defer { Files.remove(folder) }
        for name in ["root-1.key", "root-1.pem", "intermediate-2.key", "intermediate-2.pem"] {
            // A directory where the file is to be: its replacement fails as a full disk makes it fail.
            try File.makeDirectory("\(folder)/\(name).d/\(name)/held", mode: 0o700)
            _ = try RunningCommand.run(["chmod", "700", "\(folder)/\(name).d"])
            let state = AuthorityState(
                phase: .making, since: 1, trustDomain: "cluster.local", next: 3, roots: ["root-1"],
                intermediate: "intermediate-2")
            try File.replace("\(folder)/\(name).d/authority.json", with: state.text, mode: 0o600)
            #expect(sentence { () throws(AuthorityFailure) in try open("\(name).d") }.contains("\(name) can't be written"))
            Files.remove("\(folder)/\(name).d/\(name)")
            #expect(try open("\(name).d").roots.count == 1)
        }
    }

    @Test func `a certificate ends with its issuer, and asking for longer changes nothing`() throws {
        defer { Files.remove(folder) }
        let authority = try open()
        let name = CertifiedName.workload(try #require(SPIFFEID("spiffe://cluster.local/ns/shop/sa/web")))
        let key = PrivateKey.generate().publicKey
        let end = { (lifetime: Int64, now: Int64) in
            try authority.issue(name, publicKey: key, lifetime: lifetime, now: now).leaf?.notAfter
        }
        #expect(try end(0, Self.now) == Self.now + 86_400)
        #expect(try end(-5, Self.now) == Self.now + 86_400)
        #expect(try end(.max, Self.now) == Self.now + 86_400)
        #expect(try end(60, Self.now) == Self.now + 60)
        let last = authority.signer.certificate.notAfter
        #expect(try end(86_400, last - 100) == last)
        #expect(throws: AuthorityFailure.self) { try end(60, last) }
    }

    @Test func `another trust domain and a weak key get nothing`() throws {
        defer { Files.remove(folder) }
        let authority = try open()
        let foreign = CertifiedName.workload(try #require(SPIFFEID("spiffe://other.mesh/ns/shop/sa/web")))
        #expect(throws: AuthorityFailure.self) {
            try authority.issue(foreign, publicKey: PrivateKey.generate().publicKey, now: Self.now)
        }
    }

    @Test func `the control plane's own certificate names it, its host and its addresses, and brings the root`() throws {
        defer { Files.remove(folder) }
        let authority = try open()
        let addresses = [IPAddress("192.0.2.7"), IPAddress("2001:db8::7")].compactMap { $0 }
        let credential = try authority.serverCredential(hosts: ["control.lan"], addresses: addresses, now: Self.now)
        #expect(credential.identity.description == "spiffe://cluster.local/ns/warren-system/sa/warren-control")
        #expect(credential.intermediates.last?.fingerprint.description == authority.rootDigest)
        try File.replace("\(folder)/server.pem", with: credential.leaf.pem, mode: 0o600)
        let text = try RunningCommand.run(["openssl", "x509", "-in", "\(folder)/server.pem", "-noout", "-text"]).out
        #expect(
            text.contains(
                "URI:spiffe://cluster.local/ns/warren-system/sa/warren-control, DNS:control.lan, IP Address:192.0.2.7, "
                    + "IP Address:2001:DB8:0:0:0:0:0:7"
            ), "\(text)")
    }
}

/// An authority that others made.
@Suite struct AuthorityFilesTests {
    let folder: String

    init() throws { folder = try Files.makeTemporaryFolder() }

    @Test func `an authority of openssl's making signs, and isn't rotated`() throws {
        defer { Files.remove(folder) }
        let script = """
            set -e; cd "$0"
            new() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $1.key; }
            ext() { printf 'basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,keyCertSign,cRLSign\\n'; }
            new root; new mid; ext > ext
            openssl req -x509 -new -key root.key -subj /O=company/CN=root -days 100 -out roots.pem \
                -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign 2>/dev/null
            openssl req -new -key mid.key -subj /O=company/CN=mesh | openssl x509 -req -CA roots.pem -CAkey root.key \
                -CAcreateserial -days 10 -extfile ext -out chain.pem 2>/dev/null
            openssl pkcs8 -topk8 -in mid.key -out locked.key -passout pass:secret
            chmod 600 *.key
            """
        #expect(try RunningCommand.run(["sh", "-c", script, folder]).succeeded)
        let open = { (key: String, chain: String) throws(AuthorityFailure) in
            try Authority.files(
                certificate: "\(folder)/\(chain)", key: "\(folder)/\(key)", roots: "\(folder)/roots.pem",
                directory: "\(folder)/own", trustDomain: "cluster.local", now: WallTime.now().seconds)
        }
        let authority = try open("mid.key", "chain.pem")
        let now = WallTime.now().seconds
        let node = CertifiedName.node(try #require(NodeIdentity(trustDomain: "cluster.local", name: "host1")))
        let issued = try authority.issue(node, publicKey: PrivateKey.generate().publicKey, now: now)
        #expect(issued.chain.count == 2 && issued.leaf?.certifiedName == node)
        #expect(throws: AuthorityFailure.self) { try authority.rotate(.intermediate, now: now) }
        #expect(try authority.upkeep(now: now + 9 * 86_400) == false)
        for (key, chain, said) in [
            ("locked.key", "chain.pem", "encrypted"), ("root.key", "chain.pem", "doesn't belong"),
            ("none.key", "chain.pem", "can't be read"),
            ("mid.key", "mid.key", "no PEM certificate"),
        ] {
            do throws(AuthorityFailure) {
                _ = try open(key, chain)
                Issue.record("taken: \(key)")
            } catch { #expect(error.description.contains(said), "\(error)") }
        }
    }
}
