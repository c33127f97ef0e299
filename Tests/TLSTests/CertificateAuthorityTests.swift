// SPDX-License-Identifier: Apache-2.0

import Bytes
import COpenSSL
import TLS
import Testing

@Suite struct CertificateAuthorityTests {
    let authority: TestAuthority

    init() throws { authority = try TestAuthority() }

    @Test func `a leaf is an X·509-SVID`() throws {
        let identity = try TestAuthority.identity("web")
        let key = PrivateKey.generate()
        let chain = try authority.intermediate.issue(
            identity: identity, publicKey: key.publicKey, now: TestAuthority.now, lifetime: 24 * TestAuthority.hour)
        let leaf = chain[0]
        #expect(chain.count == 2 && chain[1] == authority.intermediate.certificate)
        #expect(leaf.spiffeIDs == [identity] && leaf.subject.isEmpty && !leaf.isCA)
        #expect(leaf.notAfter == TestAuthority.now + 24 * TestAuthority.hour)
        let text = try describe(leaf)
        for line in [
            "X509v3 Basic Constraints: critical\n                CA:FALSE",
            "X509v3 Key Usage: critical\n                Digital Signature\n",
            "TLS Web Server Authentication, TLS Web Client Authentication",
            "X509v3 Subject Alternative Name: critical\n                URI:spiffe://cluster.local/ns/shop/sa/web\n",
            "Signature Algorithm: ecdsa-with-SHA256", "NIST CURVE: P-256", "X509v3 Authority Key Identifier", "Version: 3",
        ] { #expect(text.contains(line), "\(line)\n\(text)") }
    }

    @Test func `I11 a certificate is valid five minutes before it was made`() throws {
        let credential = try authority.credential("web")
        #expect(credential.notBefore == TestAuthority.now - 300)
    }

    @Test func `a certificate doesn't outlive its authority`() throws {
        let credential = try authority.intermediate.credential(
            for: TestAuthority.identity("web"), now: TestAuthority.now, lifetime: 100_000_000_000)
        #expect(credential.notAfter == authority.intermediate.certificate.notAfter)
        let forever = try authority.intermediate.credential(
            for: TestAuthority.identity("web"), now: TestAuthority.now, lifetime: .max)
        #expect(forever.notAfter == authority.intermediate.certificate.notAfter)
    }

    @Test func `an authority that is expired or not yet valid issues nothing`() throws {
        for moment in [authority.intermediate.certificate.notAfter, authority.intermediate.certificate.notBefore - 1] {
            #expect(throws: CertificateFailure.self) {
                try authority.intermediate.credential(for: TestAuthority.identity("web"), now: moment, lifetime: 3600)
            }
        }
    }

    @Test func `keys and serial numbers are fresh each time`() throws {
        let credentials = try (0..<50).map { _ in try authority.credential("web") }
        #expect(Set(credentials.map(\.serial)).count == 50)
        #expect(credentials.allSatisfy { (25...32).contains($0.serial.count) })
        #expect(!credentials[0].key.matches(credentials[1].key.publicKey))
    }

    @Test func `root and intermediate say how deep they go`() throws {
        #expect(try describe(authority.root.certificate).contains("CA:TRUE, pathlen:1"))
        #expect(try describe(authority.intermediate.certificate).contains("CA:TRUE, pathlen:0"))
        #expect(authority.intermediate.certificate.isSigned(by: authority.root.certificate))
        #expect(authority.root.certificate.notAfter - authority.root.certificate.notBefore == 3650 * 86_400 + 300)
    }

    @Test func `an authority comes back from disk`() throws {
        let key = try PrivateKey(pem: authority.intermediate.key.pem)
        let chain = try Certificate.chain(pem: [authority.intermediate.certificate, authority.root.certificate].pem)
        let roots = try Certificate.roots(pem: authority.root.roots.pem)
        let again = try CertificateAuthority(key: key, chain: chain, roots: roots)
        #expect(again.intermediates == [authority.intermediate.certificate])
        let credential = try again.credential(for: TestAuthority.identity("web"), now: TestAuthority.now, lifetime: 60)
        #expect(credential.intermediates == again.intermediates && credential.roots == roots)
    }

    @Test func `a root that signs leaves sends no intermediates`() throws {
        let credential = try authority.root.credential(for: TestAuthority.identity("web"), now: TestAuthority.now, lifetime: 60)
        #expect(credential.intermediates.isEmpty)
    }

    @Test func `an authority that doesn't fit together is refused`() throws {
        let (key, certificate) = (authority.intermediate.key, authority.intermediate.certificate)
        let (roots, other) = (authority.root.roots, try TestAuthority())
        #expect(throws: CertificateFailure.keyMismatch(subject: certificate.subject)) {
            try CertificateAuthority(key: other.intermediate.key, chain: [certificate], roots: roots)
        }
        #expect(throws: CertificateFailure.brokenChain(subject: certificate.subject)) {
            try CertificateAuthority(key: key, chain: [certificate], roots: other.root.roots)
        }
        #expect(throws: CertificateFailure.missing("root certificate")) {
            try CertificateAuthority(key: key, chain: [certificate], roots: [])
        }
        let leaf = try authority.credential("web")
        #expect(throws: CertificateFailure.notAuthority(subject: "")) {
            try CertificateAuthority(key: leaf.key, chain: [leaf.leaf, certificate], roots: roots)
        }
    }

    @Test func `a credential that doesn't fit together is refused`() throws {
        let good = try authority.credential("web")
        #expect(throws: CertificateFailure.self) { try Credential(key: .generate(), chain: [good.leaf], roots: good.roots) }
        #expect(throws: CertificateFailure.self) { try Credential(key: good.key, chain: [good.leaf], roots: []) }
        #expect(throws: CertificateFailure.self) { try Credential(key: good.key, chain: [], roots: good.roots) }
        for bad in [BadPapers.twoIdentities, .oddPath, .noName, .authority] {
            let papers = try bad.papers(authority)
            #expect(throws: CertificateFailure.self) {
                try Credential(key: PrivateKey(pem: papers.key), chain: Certificate.chain(pem: papers.chain), roots: good.roots)
            }
        }
    }

    @Test func `a credential is valid as long as all that it sends`() throws {
        let short = try authority.root.createIntermediate(
            trustDomain: "cluster.local", now: TestAuthority.now - 10, lifetime: 100)
        let key = PrivateKey.generate()
        let leaf = try short.sign(TestAuthority.webProfile(), for: key.publicKey)
        let credential = try Credential(key: key, chain: [leaf] + short.intermediates, roots: short.roots)
        #expect(credential.notAfter == TestAuthority.now + 90)
    }

    /// What OpenSSL prints of a certificate.
    private func describe(_ certificate: Certificate) throws -> String {
        let der = certificate.der
        let source = unsafe BIO_new_mem_buf(der, Int32(der.count))
        let target = unsafe BIO_new(BIO_s_mem())
        let parsed = unsafe d2i_X509_bio(source, nil)
        defer {
            unsafe BIO_free(source)
            unsafe BIO_free(target)
            unsafe X509_free(parsed)
        }
        unsafe X509_print(target, parsed)
        var text = [UInt8](repeating: 0, count: unsafe BIO_ctrl_pending(target))
        unsafe BIO_read(target, &text, Int32(text.count))
        return String(decoding: text, as: UTF8.self)
    }
}
