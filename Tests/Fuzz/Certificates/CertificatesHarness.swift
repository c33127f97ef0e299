// SPDX-License-Identifier: Apache-2.0

import Bytes
import Kernel
import TLS

/// Certificates, chains, requests and keys from files and peers. The first byte says which. What is read is written and read again as the same,
/// and what is shown of it fits one line.
enum CertificatesHarness {
    static func fuzz(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let kind = input.choice(5)
        let rest = Array(input.rest)
        switch kind {
        case 0: if let certificate = try? Certificate(der: rest) { check(certificate) }
        case 1: if let chain = try? Certificate.chain(pem: rest) { check(chain, most: Certificate.maximumChain) }
        case 2: if let roots = try? Certificate.roots(pem: rest) { check(roots, most: Certificate.maximumRoots) }
        case 3: checkRequest(rest)
        default: checkKey(rest)
        }
    }

    private static func check(_ chain: [Certificate], most: Int) {
        invariant((1...most).contains(chain.count), "\(chain.count) certificates")
        invariant((try? Certificate.roots(pem: chain.pem)) == chain, "a chain reads otherwise than it was written")
        for certificate in chain.prefix(4) { check(certificate) }
        for (lower, upper) in zip(chain, chain.dropFirst()).prefix(2) { _ = lower.isSigned(by: upper) }
        _ = try? CertificateAuthority(key: TLSPapers.shared.authority.key, chain: chain, roots: chain)
        _ = try? Credential(key: TLSPapers.shared.authority.key, chain: chain, roots: chain)
    }

    private static func check(_ certificate: Certificate) {
        let der = certificate.der
        invariant((try? Certificate(der: der)) == certificate, "a certificate reads otherwise than it was written")
        invariant((try? Certificate.chain(pem: certificate.pem)) == [certificate], "its PEM is another certificate")
        let texts = [certificate.subject, certificate.issuer, certificate.serial, certificate.signatureAlgorithm]
        for text in texts + certificate.uriSANs {
            invariant(text.utf8.count <= 300, "a text of \(text.utf8.count) bytes")
            invariant(isPrintable(text), "a text that isn't printable: \(Array(text.utf8))")
        }
        invariant(!certificate.maySignCertificates || certificate.isCA, "who is no authority may sign")
        for identity in certificate.spiffeIDs {
            // Shown for people and read for decisions: the same, or one of them lies.
            invariant(identity.description.utf8.count > 256 || certificate.uriSANs.contains(identity.description), "\(identity)")
        }
        invariant(!certificate.isSigned(by: TLSPapers.shared.authority.certificate), "signed by nobody's key")
        if let key = certificate.publicKey { invariant(isPrintable(key.description), "a key with an odd name") }
    }

    private static func checkRequest(_ bytes: [UInt8]) {
        guard let request = try? SigningRequest(pem: bytes) else { return }
        invariant(CertifiedName(request.name.description) == request.name, "a request of nobody")
        invariant(request.publicKey.weakness == nil, "a request of a weak key")
        guard let identity = request.identity else { return }
        let chain = try? TLSPapers.shared.authority.issue(
            identity: identity, publicKey: request.publicKey, now: TLSPapers.now, lifetime: 60)
        guard let leaf = chain?.first else { return }
        invariant(leaf.spiffeIDs == [request.identity], "issued to another: \(leaf.uriSANs)")
        invariant(leaf.publicKey?.isEqual(to: request.publicKey) == true, "issued to another key")
    }

    private static func checkKey(_ bytes: [UInt8]) {
        guard let key = try? PrivateKey(pem: bytes) else { return }
        invariant(key.matches(key.publicKey), "a key that doesn't match itself")
        let again = try? PrivateKey(pem: key.pem)
        invariant(again?.matches(key.publicKey) == true, "a key reads otherwise than it was written")
    }

    /// The mark of a text that was cut is the one sign beyond ASCII.
    private static func isPrintable(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { (0x20...0x7e).contains($0.value) || $0 == "…" }
    }
}
