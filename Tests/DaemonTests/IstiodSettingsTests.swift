// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel
import Support
import Testing

@testable import Daemon

@Suite struct IstiodSettingsTests {
    private func read(_ text: String) -> (settings: ControlSettings, findings: [DocumentFinding]) {
        let (configuration, findings) = DaemonConfiguration.read(Array(text.utf8), node: "host-a")
        return (configuration.control, findings)
    }

    @Test func `istiod is the control plane where a token is named`() {
        let (settings, findings) = read(
            """
            control:
              addresses: [istiod.istio-system.svc:15012]
              istiod:
                token: /run/token
                serverName: istiod.istio-system.svc
                workloads:
                  - {namespace: shop, name: web-1, networkNamespace: web}
                  - {namespace: shop, name: db-1, networkNamespace: db}
            """)
        #expect(findings.isEmpty, "\(findings)")
        #expect(settings.istiod.isUsed && settings.istiod.roots == "/var/run/secrets/istio/root-cert.pem")
        #expect(settings.istiod.workloads.map(\.networkNamespace) == ["web", "db"])
        #expect(!read("control: {addresses: [\"a:1\"]}").settings.istiod.isUsed)
    }

    @Test(arguments: [
        ("control: {istiod: {token: /t}}", "control.addresses names no istiod"),
        ("control: {istiod: {token: token}}", "is no absolute path"),
        (
            "control: {addresses: [\"a:1\"], istiod: {workloads: [{namespace: a, name: b, networkNamespace: c}]}}",
            "it would have no effect"
        ),
        ("control: {addresses: [\"a:1\"], istiod: {token: /t, serverName: \"10.0.0.1\"}}", "is no DNS name"),
        ("control: {addresses: [\"a:1\"], istiod: {token: /t, serverName: \"a b\"}}", "is no DNS name"),
        (
            "control: {addresses: [\"a:1\"], istiod: {token: /t, workloads: [{namespace: a, name: b, networkNamespace: ..}]}}",
            "means a folder"
        ),
        (
            "control: {addresses: [\"a:1\"], istiod: {token: /t, workloads: [{namespace: a, name: b, networkNamespace: a/b}]}}",
            "is no name"
        ),
        ("control: {addresses: [\"a:1\"], istiod: {token: /t, workloads: [{namespace: a, networkNamespace: c}]}}", "name"),
        (
            "control: {addresses: [\"a:1\"], istiod: {token: /t, workloads: [{namespace: a, name: b, networkNamespace: c},"
                + " {namespace: a, name: d, networkNamespace: c}]}}", "the network namespace of a/b"
        ),
        ("control: {addresses: [\"a:1\"], istiod: {tokn: /t}}", "unknown field `tokn`"),
    ])
    func `what can't be is an error that names it`(text: String, words: String) {
        let findings = read(text).findings.filter { $0.severity == .error }
        #expect(findings.contains { $0.message.contains(words) }, "\(findings)")
    }
}

@Suite struct ServiceAccountTokenTests {
    private static let payload =
        "eyJhdWQiOlsiaXN0aW8tY2EiXSwiZXhwIjoxNzcwMDAwMDAwLCJrdWJlcm5ldGVzLmlvIjp7Im5hbWVzcGFjZSI6ImlzdGlvLXN5c3RlbSIsIm5vZGUiOnsibmFtZSI6Im5vZGUtMSJ9"
        + "LCJwb2QiOnsibmFtZSI6Inp0dW5uZWwteDEifX0sInN1YiI6InN5c3RlbTpzZXJ2aWNlYWNjb3VudDppc3Rpby1zeXN0ZW06enR1bm5lbCJ9"

    private func claims(_ text: String) -> ServiceAccountToken.Claims? {
        try? ServiceAccountToken(Array(text.utf8), from: "/t").claims
    }

    @Test func `a token says whose it is, of which pod, and when it ends`() throws {
        let token = try ServiceAccountToken(Array("e30.\(Self.payload).c2ln\n".utf8), from: "/t")
        #expect(token.text == "e30.\(Self.payload).c2ln")
        let claims = try #require(token.claims)
        #expect(claims.account == "istio-system/ztunnel" && claims.pod == "ztunnel-x1" && claims.node == "node-1")
        #expect(claims.expires == WallTime(seconds: 1_770_000_000))
    }

    /// {"sub":"system:serviceaccount:a:b","exp":…} and others, in base64url.
    @Test(arguments: [
        "opaque", "a.b", "a.b.c.d", "e30.e30.AA", "e30.!!!.AA", "..", "e30.eyJzdWIiOiJhbGljZSJ9.AA",
        // system:serviceaccount:a, …:a:b:c, …:a:B (upper case), …:a:
        "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6YSJ9.AA", "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6YTpiOmMifQ.AA",
        "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6YTpCIn0.AA", "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6YToifQ.AA",
    ])
    func `what names no service account is a token all the same, and says nothing`(text: String) throws {
        #expect(try ServiceAccountToken(Array(text.utf8), from: "/t").text == text)
        #expect(claims(text) == nil)
    }

    @Test func `a time that no calendar has is none`() {
        // {"sub":"system:serviceaccount:a:b","exp":9223372036854775807}
        let token = "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6YTpiIiwiZXhwIjo5MjIzMzcyMDM2ODU0Nzc1ODA3fQ.AA"
        #expect(claims(token)?.account == "a/b" && claims(token)?.expires == nil)
    }

    @Test(arguments: [
        ("", "is empty"), (" \n", "is empty"), ("a b", "holds no token"), ("a\r\nx-forged: 1", "holds no token"),
        ("ä", "holds no token"),
        ("a\0", "holds no token"),
    ])
    func `what could end a header is no token`(text: String, words: String) {
        #expect { try ServiceAccountToken(Array(text.utf8), from: "/t") } throws: {
            "\($0)".contains(words) && "\($0)".contains("/t")
        }
    }

    @Test func `the file is its owner's alone, bounded, and read anew each time`() throws {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        let path = "\(folder)/token"
        func failure() -> String {
            do throws(ServiceAccountToken.Failure) {
                _ = try ServiceAccountToken.read(path)
                return ""
            } catch { return error.description }
        }
        #expect(failure().contains("there is no token at \(path)"))
        try Files.write("first\n", to: path, mode: 0o600)
        #expect(try ServiceAccountToken.read(path).text == "first")
        try Files.write("second", to: path, mode: 0o400)
        #expect(try ServiceAccountToken.read(path).text == "second")
        for mode: UInt32 in [0o640, 0o604, 0o644, 0o755] {
            try Files.write("third", to: path, mode: mode)
            #expect(failure().contains("may be used by others than its owner: run `chmod 600 \(path)`"), "\(mode)")
        }
        try Files.write(String(repeating: "a", count: 16 << 10), to: path, mode: 0o600)
        #expect(try ServiceAccountToken.read(path).text.count == 16 << 10)
        for size in [(16 << 10) + 1, 1 << 20] {
            try Files.write(String(repeating: "a", count: size), to: path, mode: 0o600)
            #expect(failure().contains("it is longer than 16 KiB"), "\(size)")
        }
        Files.remove(path)
        try Files.makeFolder(path)
        #expect(failure().contains("is no file"))
    }
}
