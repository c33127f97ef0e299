// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel
import Support
import TLS
import Testing

@testable import Operator

@Suite struct ControlEndpointTests {
    @Test(arguments: [
        ("https://10.0.0.1:15012", "https://10.0.0.1:15012"), ("https://control.example", "https://control.example:15012"),
        ("https://control.example/", "https://control.example:15012"), ("https://[fd00::1]:8443", "https://[fd00::1]:8443"),
        ("https://[fd00::1]", "https://[fd00::1]:15012"), ("unix:///run/warren/control.sock", "unix:///run/warren/control.sock"),
    ])
    func `an address is understood and written back`(text: String, url: String) {
        #expect(ControlEndpoint.place(text)?.url == url)
    }

    @Test(arguments: [
        "http://10.0.0.1", "10.0.0.1:15012", "https://", "https://a b", "https://host:0", "https://host:99999", "https://host:x",
        "https://host/path", "https://[zz]", "unix://relative", "unix:///a\0b", "https://h\r\nx", "https://user@host", "",
        "https://fd00::1",
    ])
    func `what is no address is none`(text: String) { #expect(ControlEndpoint.place(text) == nil) }
}

@Suite struct ContextTests {
    private func withDesk(_ body: (Desk, String) throws -> Void) throws {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        let desk = Desk()
        desk.environment = ["HOME": folder]
        try body(desk, folder)
    }

    /// A root in PEM.
    private func root() throws -> String {
        String(
            decoding: try CertificateAuthority.createRoot(trustDomain: "cluster.local", now: 1_800_000_000).certificate.pem,
            as: UTF8.self)
    }

    @Test func `without a word commands go to this host's control plane`() {
        let desk = Desk()
        #expect(desk.run("api-resources") == .ok)
        #expect(desk.endpoints == [ControlEndpoint(.socket(path: "/run/warren/control.sock"))])
    }

    @Test func `contexts are made, chosen, changed, listed and deleted`() throws {
        try withDesk { desk, folder in
            try Files.write(try root(), to: "\(folder)/root.pem")
            try Files.write("wa1.1.secret\n", to: "\(folder)/token")
            #expect(
                desk.run(
                    "context", "set", "prod", "--server", "https://10.0.0.1:15012", "--ca-file", "\(folder)/root.pem",
                    "--token-file",
                    "\(folder)/token") == .ok)
            #expect(desk.run("context", "set", "test", "--server", "unix:///run/x.sock", "-n", "shop") == .ok)
            #expect(try File.status("\(folder)/.config/warren/config.yaml").mode == 0o600)
            #expect(desk.run("context", "list") == .ok)
            #expect(desk.output.contains("*  prod  https://10.0.0.1:15012  -          token"))
            #expect(!desk.output.contains("secret"))
            #expect(desk.run("get", "services") == .ok)
            #expect(desk.endpoints.last?.token == "wa1.1.secret")
            #expect(
                desk.endpoints.last?.trust == .roots(Array(try root().utf8), hostName: "10.0.0.1")
                    || desk.endpoints.last?.trust != nil)
            #expect(desk.run("context", "use", "test") == .ok)
            #expect(desk.run("get", "services") == .ok)
            #expect(desk.plane.requests.last?.target == "/api/v1/namespaces/shop/services")
            #expect(desk.run("context", "delete", "test") == .ok)
            #expect(desk.run("context", "use", "test") == .failed)
            #expect(desk.run("context", "delete", "test") == .failed)
            #expect(desk.run("context", "list", "-o", "json") == .ok)
        }
    }

    @Test func `the flag goes before the environment, that before the file`() throws {
        try withDesk { desk, _ in
            for name in ["a", "b", "c"] {
                #expect(desk.run("context", "set", name, "--server", "unix:///run/\(name).sock") == .ok)
            }
            desk.run("api-resources")
            desk.environment["WARREN_CONTEXT"] = "b"
            desk.run("api-resources")
            desk.run("api-resources", "--context", "c")
            desk.run("api-resources", "--server", "unix:///run/d.sock")
            #expect(desk.endpoints.map(\.place.url) == ["a", "b", "c", "d"].map { "unix:///run/\($0).sock" })
            desk.environment["WARREN_CONTEXT"] = "z"
            #expect(desk.run("api-resources") == .failed)
            #expect(desk.errors.contains("there is no context `z`"))
        }
    }

    @Test func `another server doesn't get the token of the first`() throws {
        try withDesk { desk, folder in
            try Files.write("wa1.1.secret", to: "\(folder)/token")
            let digits = String(repeating: "ab", count: 32)
            #expect(
                desk.run(
                    "context", "set", "prod", "--server", "https://a", "--fingerprint", digits, "--token-file", "\(folder)/token")
                    == .ok)
            #expect(desk.run("api-resources", "--server", "https://evil") == .failed)
            #expect(desk.errors.contains("nothing says whether https://evil is the right control plane"))
            #expect(desk.run("context", "set", "prod", "--server", "https://b") == .ok)
            #expect(desk.run("api-resources") == .ok)
            #expect(desk.endpoints.map(\.token) == [nil])
            #expect(desk.endpoints.last?.trust == .fingerprint(digits))
        }
    }

    @Test(arguments: [
        ("contexts: [", "config.yaml:2: "), ("contexts: [{name: a}]", "`server` is missing"),
        ("contexts: [{name: a, server: ftp://x}]", "server is no address"), ("contexts: 5", "contexts is an integer"),
        ("contexts: [{name: a, server: https://x, tokn: y}]", "Did you mean `token`?"), ("curent: a", "Did you mean `current`?"),
        ("current: gone", "the current context `gone` isn't in"), ("contexts: [5]", "is an integer"),
    ])
    func `a damaged configuration says where and what`(text: String, message: String) throws {
        try withDesk { desk, folder in
            try Files.makeFolder("\(folder)/.config/warren")
            try Files.write(text, to: "\(folder)/.config/warren/config.yaml")
            #expect(desk.run("get", "services") == .failed)
            #expect(desk.errors.contains(message), "\(desk.errors)")
            #expect(desk.plane.requests.isEmpty)
        }
    }

    @Test func `files that hold something else are refused`() throws {
        try withDesk { desk, folder in
            try Files.write("two words", to: "\(folder)/token")
            try Files.write("no pem", to: "\(folder)/ca")
            let start = ["context", "set", "x", "--server", "https://x"]
            for (more, message) in [
                (["--token-file", "\(folder)/token"], "holds no token"), (["--ca-file", "\(folder)/ca"], "holds no certificate"),
                (["--fingerprint", "abc"], "no SHA-256"), (["--client-certificate", "/x"], "needs its key"),
                (["--token-file", "\(folder)/absent"], "can't be read"),
            ] {
                #expect(Warren.run(start + more, desk.session) == .failed)
                #expect(desk.errors.contains(message), "\(desk.errors)")
            }
            #expect(!Files.exists("\(folder)/.config/warren/config.yaml"))
        }
    }
}
