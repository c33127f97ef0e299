// SPDX-License-Identifier: Apache-2.0

import Support
import TLS
import Testing

/// Requests for certificates as openssl makes them: good ones, and those that ask for more or with less than they may.
@Suite struct AuthorityRequestTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let what: String
        var key = "EC -pkeyopt ec_paramgen_curve:P-256"
        var extensions = Case.web
        var subject = "/"
        /// What the refusal says; nil if it is taken.
        var refusal: String?

        static let web = "subjectAltName=critical,URI:spiffe://cluster.local/ns/shop/sa/web"
        var testDescription: String { what }
    }

    static let cases: [Case] = [
        Case(what: "P-256"), Case(what: "P-384", key: "EC -pkeyopt ec_paramgen_curve:P-384"),
        Case(what: "RSA 2048 with a subject", key: "RSA -pkeyopt rsa_keygen_bits:2048", subject: "/O=company/CN=admin"),
        Case(what: "an authority", extensions: "\(Case.web)\nbasicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign"),
        Case(what: "a host", extensions: "subjectAltName=URI:spiffe://cluster.local/node/host1.lan"),
        Case(what: "RSA 1024", key: "RSA -pkeyopt rsa_keygen_bits:1024", refusal: "too weak"),
        Case(what: "P-521", key: "EC -pkeyopt ec_paramgen_curve:P-521", refusal: "isn't taken"),
        Case(what: "P-224", key: "EC -pkeyopt ec_paramgen_curve:secp224r1", refusal: "isn't taken"),
        Case(what: "secp256k1", key: "EC -pkeyopt ec_paramgen_curve:secp256k1", refusal: "isn't taken"),
        Case(what: "Ed25519", key: "ED25519", refusal: "isn't taken"),
        Case(what: "RSA-PSS", key: "RSA-PSS -pkeyopt rsa_keygen_bits:2048", refusal: "isn't taken"),
        Case(what: "a DNS name besides", extensions: "\(Case.web),DNS:db.shop", refusal: "no name besides"),
        Case(what: "an address besides", extensions: "\(Case.web),IP:10.0.0.1", refusal: "no name besides"),
        Case(what: "an e-mail besides", extensions: "\(Case.web),email:a@b.c", refusal: "no name besides"),
        Case(what: "another name besides", extensions: "\(Case.web),otherName:1.2.3.4;UTF8:x", refusal: "no name besides"),
        Case(what: "a registered ID besides", extensions: "\(Case.web),RID:1.2.3.4", refusal: "no name besides"),
        Case(
            what: "two identities", extensions: "\(Case.web),URI:spiffe://cluster.local/ns/shop/sa/db", refusal: "exactly one URI"
        ),
        Case(what: "one twice", extensions: "\(Case.web),URI:spiffe://cluster.local/ns/shop/sa/web", refusal: "exactly one URI"),
        Case(
            what: "two extensions with names", extensions: "\(Case.web)\n2.5.29.17=DER:30:0A:82:08:64:62:2E:73:68:6F:70:2E",
            refusal: "exactly one URI"),
        Case(what: "a DNS name alone", extensions: "subjectAltName=DNS:web", refusal: "exactly one URI"),
        Case(what: "a subject alone", extensions: "keyUsage=digitalSignature", subject: "/CN=web", refusal: "exactly one URI"),
        Case(
            what: "a host in capitals", extensions: "subjectAltName=URI:spiffe://cluster.local/node/HOST", refusal: "no identity"),
        Case(
            what: "a host with a path", extensions: "subjectAltName=URI:spiffe://cluster.local/node/a/b", refusal: "no identity"),
        Case(
            what: "a host with a query", extensions: "subjectAltName=URI:spiffe://cluster.local/node/a?b", refusal: "no identity"),
        Case(
            what: "percent encoding", extensions: "subjectAltName=URI:spiffe://cluster.local/ns/shop/sa/%77eb",
            refusal: "no identity"),
        Case(
            what: "a NUL inside",
            extensions:
                "subjectAltName=DER:30:2B:86:29:73:70:69:66:66:65:3A:2F:2F:63:6C:75:73:74:65:72:2E:6C:6F:63:61:6C:2F:6E:73:2F"
                + ":73:68:6F:70:2F:73:61:2F:77:65:62:00:2E:65:76", refusal: "no identity"),
    ]

    @Test(arguments: cases)
    func `a request by openssl with`(request: Case) throws {
        let pem = try Self.make(request)
        do throws(CertificateFailure) {
            let read = try SigningRequest(pem: pem)
            #expect(request.refusal == nil, "taken as \(read.name)")
        } catch { #expect(request.refusal.map { error.description.contains($0) } == true, "\(error)") }
    }

    @Test func `a request whose signature is another's is refused`() throws {
        let change = """
            openssl req -outform DER -out req.der
            last=$(tail -c 1 req.der | od -An -tu1); place=$(($(wc -c < req.der) - 1))
            printf "\\\\$(printf %o $((last ^ 1)))" | dd of=req.der bs=1 seek=$place conv=notrunc 2>/dev/null
            openssl req -inform DER -in req.der
            """
        let pem = try Self.make(Self.cases[0], then: change)
        #expect(throws: CertificateFailure.malformed("a request that isn't signed by its own key")) {
            try SigningRequest(pem: pem)
        }
    }

    static func make(_ request: Case, then change: String = "cat") throws -> [UInt8] {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        let configuration = "[req]\ndistinguished_name=dn\nreq_extensions=ext\nprompt=no\n[dn]\n[ext]\n\(request.extensions)\n"
        let script = """
            set -e; cd "$0"; printf '%s' "$1" > req.cnf
            openssl genpkey -algorithm $2 -out key.pem 2>/dev/null
            openssl req -new -config req.cnf -key key.pem -subj "$3" | { \(change)
            }
            """
        let outcome = try RunningCommand.run(["sh", "-c", script, folder, configuration, request.key, request.subject])
        #expect(outcome.succeeded, "\(outcome)")
        return Array(outcome.out.utf8)
    }
}
