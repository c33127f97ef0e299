// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import TLS
import Testing

@Suite struct CertificateTests {
    let authority: TestAuthority

    init() throws { authority = try TestAuthority() }

    @Test func `a certificate tells what it is`() throws {
        let root = authority.root.certificate
        #expect(root.subject == "CN=Warren root,O=cluster.local" && root.issuer == root.subject)
        #expect(root.isCA && root.spiffeIDs.isEmpty && root.uriSANs.isEmpty)
        #expect(root.signatureAlgorithm == "ecdsa-with-SHA256")
        #expect(root.publicKey?.description == "EC prime256v1")
        #expect(root.fingerprint.description.count == 64)
        let leaf = try authority.credential("web").leaf
        #expect(leaf.subject == "" && leaf.issuer == authority.intermediate.certificate.subject)
        #expect(leaf.spiffeIDs == [try TestAuthority.identity("web")])
        #expect(leaf.uriSANs == ["spiffe://cluster.local/ns/shop/sa/web"])
    }

    @Test func `PEM and DER come back as they were`() throws {
        let chain = [try authority.credential("web").leaf] + authority.intermediate.intermediates
        #expect(try Certificate.chain(pem: chain.pem) == chain)
        #expect(try Certificate(der: chain[0].der) == chain[0])
        #expect(try Certificate(der: chain[0].der).serial == chain[0].serial)
        let key = PrivateKey.generate()
        #expect(try PrivateKey(pem: key.pem).matches(key.publicKey))
        #expect(!PrivateKey.generate().matches(key.publicKey))
    }

    @Test func `text and keys around certificates are skipped`() throws {
        let leaf = try authority.credential("web").leaf
        let text = Array("subject=web\n".utf8) + PrivateKey.generate().pem + leaf.pem + Array("\nthe end".utf8)
        #expect(try Certificate.chain(pem: text) == [leaf])
    }

    @Test(arguments: ["", "nothing", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
    func `text without certificates is refused`(text: String) {
        #expect(throws: CertificateFailure.missing("PEM certificate")) { try Certificate.chain(pem: Array(text.utf8)) }
    }

    @Test(arguments: [
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n",
    ])
    func `damaged PEM is refused`(text: String) {
        #expect(throws: CertificateFailure.self) { try Certificate.chain(pem: Array(text.utf8)) }
    }

    @Test func `a damaged certificate behind a good one is refused`() throws {
        let pem = authority.root.certificate.pem + Array("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".utf8)
        #expect(throws: CertificateFailure.self) { try Certificate.chain(pem: pem) }
    }

    @Test func `DER that is cut, or has bytes behind it, is refused`() throws {
        let der = authority.root.certificate.der
        for count in 0..<der.count { #expect(throws: CertificateFailure.self) { try Certificate(der: Array(der.prefix(count))) } }
        #expect(throws: CertificateFailure.malformed("bytes behind a DER certificate")) { try Certificate(der: der + [0]) }
    }

    @Test func `DER with any byte changed doesn't crash`() throws {
        let der = try authority.credential("web").leaf.der
        for index in der.indices {
            var damaged = der
            damaged[index] ^= 0xff
            guard let certificate = try? Certificate(der: damaged) else { continue }
            _ = (certificate.subject, certificate.spiffeIDs, certificate.serial, certificate.publicKey?.description)
        }
    }

    @Test func `too many certificates and too much text are refused`() throws {
        let root = authority.root.certificate
        #expect(throws: CertificateFailure.tooMany(limit: 16)) {
            try Certificate.chain(pem: Array(repeating: root, count: 17).pem)
        }
        #expect(try Certificate.roots(pem: Array(repeating: root, count: 100).pem).count == 100)
        #expect(throws: CertificateFailure.tooMany(limit: 100)) {
            try Certificate.roots(pem: Array(repeating: root, count: 101).pem)
        }
        #expect(throws: CertificateFailure.tooLarge(limit: 1024 * 1024)) {
            try Certificate.roots(pem: root.pem + [UInt8](repeating: 10, count: 1024 * 1024))
        }
    }

    @Test func `an encrypted key is named as such, and nobody is asked`() throws {
        let key = PrivateKey.generate().pem
        let source = unsafe BIO_new_mem_buf(key, Int32(key.count))
        let target = unsafe BIO_new(BIO_s_mem())
        let parsed = unsafe PEM_read_bio_PrivateKey(source, nil, nil, nil)
        defer {
            unsafe BIO_free(source)
            unsafe BIO_free(target)
            unsafe EVP_PKEY_free(parsed)
        }
        unsafe PEM_write_bio_PKCS8PrivateKey(target, parsed, EVP_aes_128_cbc(), "secret", 6, nil, nil)
        var pem = [UInt8](repeating: 0, count: unsafe BIO_ctrl_pending(target))
        unsafe BIO_read(target, &pem, Int32(pem.count))
        #expect(String(decoding: pem, as: UTF8.self).contains("BEGIN ENCRYPTED PRIVATE KEY"))
        #expect(throws: CertificateFailure.encryptedKey) { try PrivateKey(pem: pem) }
    }

    @Test(arguments: [Int64(0), 1, 1_800_000_000, 2_524_607_999, 2_524_608_000, 253_402_300_799])
    func `dates come back to the second`(seconds: Int64) throws {
        let key = PrivateKey.generate()
        let profile = CertificateProfile(notBefore: seconds, notAfter: seconds)
        let certificate = try profile.signed(for: key.publicKey, by: key, issuer: nil)
        #expect(certificate.notBefore == seconds && certificate.notAfter == seconds)
    }

    @Test(arguments: [Int64.max, Int64.min, 253_402_300_800])
    func `a date beyond the year 9999 is refused`(seconds: Int64) {
        let key = PrivateKey.generate()
        let profile = CertificateProfile(notBefore: 0, notAfter: seconds)
        #expect(throws: CertificateFailure.self) { try profile.signed(for: key.publicKey, by: key, issuer: nil) }
    }
}
