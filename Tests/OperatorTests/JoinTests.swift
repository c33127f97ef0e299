// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Kernel
import Support
import TLS
import Testing

@testable import Operator

private let now: Int64 = 1_800_000_000

/// A host that may join: a folder with its places, a desk, and a control plane with an authority.
private final class JoiningHost {
    let desk = Desk()
    let folder: String
    let authority: CertificateAuthority
    let token: String

    init(trustDomain: String = "cluster.local") throws {
        folder = try Files.makeTemporaryFolder()
        let root = try CertificateAuthority.createRoot(trustDomain: trustDomain, now: now)
        authority = try root.createIntermediate(trustDomain: trustDomain, now: now)
        token = "wj1.0123.4567.\(root.certificate.fingerprint)"
        desk.places.configuration = "\(folder)/etc/warrend.yaml"
        desk.places.directory = "\(folder)/node"
        desk.places.systemd = "\(folder)/systemd"
        desk.places.units = ["\(folder)/units"]
        let roots = String(decoding: authority.roots.pem, as: UTF8.self)
        desk.plane.handlers["GET /warren/v1/roots"] = { _ in
            FakePlane.ok(["roots": .string(roots), "trustDomain": .string(trustDomain)])
        }
        let authority = authority
        desk.plane.handlers["POST /warren/v1/join"] = { Self.join($0, authority, roots) }
    }

    deinit { Files.remove(folder) }

    private static func join(_ body: Value, _ authority: CertificateAuthority, _ roots: String) -> ControlAnswer {
        guard let csr = try? SigningRequest(pem: Array((body["csr"]?.stringValue ?? "").utf8)), let node = csr.node,
            let chain = try? authority.issue(node: node, publicKey: csr.publicKey, now: now, lifetime: 3600)
        else { return FakePlane.status(403, "Forbidden", "the certificate request isn't taken") }
        return FakePlane.ok(["certificateChain": .string(String(decoding: chain.pem, as: UTF8.self)), "roots": .string(roots)])
    }

    func installUnit() throws {
        try Files.makeFolder("\(folder)/systemd")
        try Files.makeFolder("\(folder)/units")
        try Files.write("", to: "\(folder)/units/warrend.service")
    }

    func configure(_ text: String) throws {
        try Files.makeFolder("\(folder)/etc")
        try Files.write(text, to: desk.places.configuration)
    }

    func configuration() throws -> String { try Files.text(desk.places.configuration) }
    var files: [String] { (try? Files.list(desk.places.directory)) ?? [] }

    @discardableResult
    func join(_ more: String...) -> ExitCode {
        Warren.run(["join", "https://10.0.0.1:15012", "--token", token, "--node", "host-b"] + more, desk.session)
    }
}

@Suite struct JoinTests {
    @Test func `a host gets key, certificate, roots and a configuration, and leaving undoes it to the byte`() throws {
        let host = try JoiningHost()
        let before = "# Ours.\nnode: old\nlog:\n  level: debug\n"
        try host.configure(before)
        #expect(host.join() == .ok, "\(host.desk.errors)")
        #expect(
            try host.configuration().hasPrefix(
                "# Ours.\nnode: host-b\nlog:\n  level: debug\ncontrol:\n  addresses:\n  - 10.0.0.1:15012\n"))
        let places = host.desk.places
        #expect(try File.status(places.directory).mode & 0o077 == 0 && File.status(places.key).mode == 0o600)
        let chain = try Certificate.chain(pem: Files.read(places.certificate))
        #expect(chain.first?.certifiedName == .node(try #require(NodeIdentity(trustDomain: "cluster.local", name: "host-b"))))
        #expect(try PrivateKey(pem: Files.read(places.key)).matches(try #require(chain.first?.publicKey)))
        #expect(host.desk.output.contains("host-b is a member of the mesh of 10.0.0.1:15012.\n"))
        #expect(host.desk.output.contains("Next: sudo warrend --config \(places.configuration)"))
        #expect(host.desk.endpoints.allSatisfy { $0.trust == .fingerprint(String(host.token.suffix(64))) && $0.token == nil })
        let request = try JSON.read(try #require(host.desk.plane.requests.last).body)
        #expect(request["token"]?.stringValue == host.token && request["version"]?.stringValue?.isEmpty == false)

        host.desk.plane.handlers["DELETE /apis/warren.dev/v1/nodes/host-b"] = { _ in FakePlane.ok(["kind": "Status"]) }
        #expect(host.desk.run("leave") == .ok, "\(host.desk.errors)")
        #expect(
            host.desk.endpoints.last?.trust
                == .identity(roots: host.authority.roots.pem, uri: "spiffe://cluster.local/ns/warren-system/sa/warren-control"))
        #expect(host.desk.endpoints.last?.certificate.isEmpty == false)
        #expect(try host.configuration() == before)
        #expect(host.files.isEmpty)
        #expect(host.desk.run("leave") == .failed)
        #expect(host.desk.errors.hasSuffix("warren: this host is no member of a mesh\n  → `warren join` makes it one.\n"))
    }

    @Test func `a control plane with another root doesn't get the token`() throws {
        let (host, other) = (try JoiningHost(), try JoiningHost())
        let roots = String(decoding: other.authority.roots.pem, as: UTF8.self)
        host.desk.plane.handlers["GET /warren/v1/roots"] = { _ in
            FakePlane.ok(["roots": .string(roots), "trustDomain": "cluster.local"])
        }
        #expect(host.join() == .failed)
        #expect(host.desk.errors.contains("it has another root") && host.desk.errors.contains("wasn't shown"))
        #expect(host.desk.plane.requests.map(\.target) == ["/warren/v1/roots"])
        #expect(host.files.isEmpty && !Files.exists(host.desk.places.configuration))
    }

    @Test(arguments: ["foreign", "other key", "other name", "empty", "no roots"])
    func `a certificate that isn't this host's is refused, and everything is as before`(kind: String) throws {
        let (host, other) = (try JoiningHost(), try JoiningHost())
        try host.configure("node: old\n")
        let roots = String(decoding: host.authority.roots.pem, as: UTF8.self)
        let name = try #require(NodeIdentity(trustDomain: "cluster.local", name: kind == "other name" ? "host-z" : "host-b"))
        let authority = kind == "foreign" ? other.authority : host.authority
        host.desk.plane.handlers["POST /warren/v1/join"] = { body in
            guard let csr = try? SigningRequest(pem: Array((body["csr"]?.stringValue ?? "").utf8)) else {
                return FakePlane.ok([:])
            }
            let key = kind == "other key" ? PrivateKey.generate().publicKey : csr.publicKey
            let chain = try? authority.issue(node: name, publicKey: key, now: now, lifetime: 3600)
            let pem = kind == "empty" ? "" : String(decoding: (chain ?? []).pem, as: UTF8.self)
            return FakePlane.ok(["certificateChain": .string(pem), "roots": .string(kind == "no roots" ? "" : roots)])
        }
        #expect(host.join() == .failed)
        #expect(host.desk.errors.contains("isn't this host's"), "\(host.desk.errors)")
        #expect(host.files.isEmpty)
        #expect(try host.configuration() == "node: old\n")
    }

    @Test(arguments: [false, true])
    func `a client of istiod joins no other mesh`(isForced: Bool) throws {
        let host = try JoiningHost()
        let text = "control: {addresses: [\"istiod:15012\"], istiod: {token: /run/token}}\n"
        try host.configure(text)
        #expect((isForced ? host.join("--force") : host.join()) == .failed)
        #expect(host.desk.errors.contains("a client of istiod") && host.desk.plane.requests.isEmpty, "\(host.desk.errors)")
        #expect(try host.configuration() == text)
    }

    @Test func `a refused token says so, and leaves nothing`() throws {
        let host = try JoiningHost()
        host.desk.plane.answers["POST /warren/v1/join"] = FakePlane.status(
            401, "Unauthorized", "the token isn't valid: it is used")
        #expect(host.join() == .failed)
        #expect(host.desk.errors.contains("the token isn't valid: it is used"))
        #expect(host.files.isEmpty && !Files.exists(host.desk.places.configuration))
    }

    @Test func `who is a member joins again only by force, and a failure then gives back what was there`() throws {
        let host = try JoiningHost()
        #expect(host.join() == .ok)
        let (key, text) = (try Files.text(host.desk.places.key), try host.configuration())
        #expect(host.join() == .failed)
        #expect(host.desk.errors.contains("a member of a mesh already of 10.0.0.1:15012"))
        host.desk.plane.answers["POST /warren/v1/join"] = FakePlane.status(401, "Unauthorized", "no")
        #expect(host.join("--force") == .failed)
        #expect(try Files.text(host.desk.places.key) == key && host.configuration() == text)
        host.desk.plane.answers = [:]
        #expect(host.join("--force") == .ok)
        #expect(try Files.text(host.desk.places.key) != key)
    }

    @Test func `with systemd warrend is started, and when it fails all is undone and it is as it was`() throws {
        let host = try JoiningHost()
        try host.installUnit()
        host.desk.answers["/status"] = ["ready": true, "control": ["state": "synchronised"]]
        host.desk.execute = { $0.contains("is-failed") || $0.contains("is-active") ? .exited(1) : .exited(0) }
        #expect(host.join() == .ok)
        #expect(host.desk.output.hasSuffix("warrend runs and is ready.\n"))
        #expect(host.desk.programs.contains(["systemctl", "enable", "--quiet", "warrend"]))
        #expect(host.desk.programs.contains(["systemctl", "restart", "--no-block", "warrend"]))

        let failing = try JoiningHost()
        try failing.installUnit()
        failing.desk.execute = { $0.contains("is-enabled") || $0.contains("is-active") ? .exited(1) : .exited(0) }
        #expect(failing.join() == .failed)
        #expect(failing.desk.errors.contains("warrend was started and failed"))
        #expect(
            failing.desk.programs.suffix(2) == [
                ["systemctl", "disable", "--quiet", "warrend"], ["systemctl", "stop", "warrend"],
            ])
        #expect(failing.files.isEmpty && !Files.exists(failing.desk.places.configuration))
    }

    @Test func `another trust domain goes into the configuration, where it differs`() throws {
        let host = try JoiningHost(trustDomain: "corp.example")
        try host.configure("mesh:\n  path: /etc/mesh\n")
        #expect(host.join() == .ok, "\(host.desk.errors)")
        #expect(try host.configuration().hasPrefix("mesh:\n  path: /etc/mesh\n  trustDomain: corp.example\nnode: host-b\n"))
    }

    @Test func `a configuration that was changed since is only freed of the control plane`() throws {
        let host = try JoiningHost()
        #expect(host.join() == .ok)
        try host.configure(try host.configuration() + "# mine\nlog:\n  level: warn\n")
        host.desk.plane.failure = ControlFailure("nobody", isUnreachable: true)
        #expect(host.desk.run("leave", "-o", "json") == .ok)
        #expect(try host.configuration() == "node: host-b\n# mine\nlog:\n  level: warn\n")
        #expect(
            try JSON.read(host.desk.output.split(separator: "\n").dropFirst(2).joined(separator: "\n"))["told"]?.boolValue
                == false)
    }

    @Test func `what is wrong with the line or this host is told before anything is asked`() throws {
        let host = try JoiningHost()
        for line in [
            ["join"], ["join", "http://x", "--token", "x"], ["join", "https://x"], ["join", "unix:///x", "--token", "x"],
        ] {
            #expect(Warren.run(line, host.desk.session) == .usage)
        }
        #expect(host.desk.run("join", "https://x", "--token", "wj1.x") == .failed)
        #expect(host.desk.run("join", "https://x", "--token", host.token, "--node", "A_B") == .failed)
        try host.configure("a: [")
        #expect(host.join() == .failed)
        try host.configure("unknown: 1\n")
        #expect(host.join() == .failed)
        #expect(host.desk.errors.contains("unknown field `unknown`"))
        #expect(!host.desk.plane.requests.contains { $0.method == .post })
    }
}
