// SPDX-License-Identifier: Apache-2.0

import TLS
import Testing

@Suite struct SigningRequestTests {
    @Test func `a request becomes a certificate for its key`() throws {
        let (authority, key, identity) = (try TestAuthority(), PrivateKey.generate(), try TestAuthority.identity("web"))
        let request = try SigningRequest(pem: SigningRequest.make(identity: identity, key: key))
        #expect(request.identity == identity && key.matches(request.publicKey))
        let chain = try authority.intermediate.issue(
            identity: identity, publicKey: request.publicKey, now: TestAuthority.now, lifetime: 3600)
        let credential = try Credential(key: key, chain: chain, roots: authority.root.roots)
        #expect(credential.identity == identity)
    }

    @Test func `a request with any byte changed never asks for someone else`() throws {
        let identity = try TestAuthority.identity("web")
        let pem = try SigningRequest.make(identity: identity, key: .generate())
        for index in stride(from: 40, to: pem.count - 40, by: 1) where pem[index] != 10 {
            var damaged = pem
            damaged[index] = pem[index] == 65 ? 66 : 65
            if let request = try? SigningRequest(pem: damaged) { #expect(request.identity == identity) }
        }
    }

    @Test(arguments: ["", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"])
    func `what is no request is refused`(text: String) {
        #expect(throws: CertificateFailure.missing("PEM certificate request")) { try SigningRequest(pem: Array(text.utf8)) }
    }

    @Test func `a huge request is refused unread`() {
        #expect(throws: CertificateFailure.tooLarge(limit: 65_536)) {
            try SigningRequest(pem: [UInt8](repeating: 10, count: 65_537))
        }
    }
}
