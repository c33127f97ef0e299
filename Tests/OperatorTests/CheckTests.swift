// SPDX-License-Identifier: Apache-2.0

import Bytes
import Daemon
import Documents
import Kernel
import Support
import Testing

@testable import Operator

/// A host in order, which a test then breaks in one place.
private final class Lab {
    let folder: String
    let desk = Desk()
    var host = HostProbe()
    var configuration: String

    init() throws {
        folder = try Files.makeTemporaryFolder()
        configuration = """
            node: host-a
            mesh: {path: \(folder)/mesh.yaml}
            identity: {ca: {certificate: \(folder)/ca/intermediate.pem, key: \(folder)/ca/intermediate-key.pem, roots: \(folder)/ca/root.pem}}
            admin: {socket: \(folder)/warrend.sock}

            """
        try Files.write(Self.mesh, to: "\(folder)/mesh.yaml")
        desk.now = .now()
        #expect(desk.run("ca", "init", "-d", "\(folder)/ca") == .ok)
        host.nftables = { nil }
        host.listen = { _ in nil }
        host.text = { path in Self.files[path] }
        host.namespace = { _, _ in .success(NamespaceFacts(addresses: [IPAddress(v4: 0x0a00_0001)], devices: ["eth0"])) }
        host.userID = { 0 }
    }

    deinit { Files.remove(folder) }

    static let mesh = """
        apiVersion: v1
        kind: Namespace
        metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
        ---
        apiVersion: networking.istio.io/v1
        kind: WorkloadEntry
        metadata:
          name: web
          namespace: shop
          labels: {app: web}
          annotations: {warren.dev/node: host-a, warren.dev/network-namespace: web}
        spec: {address: 10.0.0.1}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: web, namespace: shop}
        spec: {clusterIP: 10.96.0.7, ports: [{port: 80, targetPort: 8080}], selector: {app: web}}

        """

    static let files = [
        "/proc/sys/net/ipv6/conf/all/disable_ipv6": "0\n", "/proc/sys/net/ipv4/tcp_fwmark_accept": "0\n",
        "/proc/self/limits":
            "Limit  Soft  Hard  Units\nMax open files            1024                 1048576              files\n",
    ]

    /// The results of `warren check`, by name.
    func check() throws -> (code: ExitCode, results: [CheckResult]) {
        try Files.write(configuration, to: "\(folder)/warrend.yaml")
        let words = ["--config", "\(folder)/warrend.yaml", "-o", "json"]
        var parser = CommandLineParser(["check"] + words, commands: Warren.commands)
        let invocation = try #require(try parser.parse())
        let before = desk.output.utf8.count
        let code = CheckCommand.run(invocation, desk.session, host)
        let values = try #require(try JSON.read(Array(desk.output.utf8.dropFirst(before))).sequenceValue)
        #expect(values.enumerated().allSatisfy { $1["number"]?.integerValue == Int64($0 + 1) })
        return (
            code,
            values.map {
                CheckResult(
                    $0["name"]?.stringValue ?? "", CheckResult.Outcome(rawValue: $0["result"]?.stringValue ?? "") ?? .skipped,
                    $0["message"]?.stringValue ?? "", remedy: $0["remedy"]?.stringValue ?? "")
            }
        )
    }

    /// The only failure, which must have a remedy.
    func failure() throws -> CheckResult? {
        let (code, results) = try check()
        let failed = results.filter { $0.outcome == .failed }
        #expect(failed.count == 1, "\(failed)")
        #expect(failed.allSatisfy { !$0.remedy.isEmpty })
        #expect(code == .failed)
        return failed.first
    }

    func serve(_ status: String = "{\"version\":\"\(warrenVersion)\",\"ready\":true,\"uptimeSeconds\":5,\"process\":1}") throws {
        desk.answers["/status"] = try JSON.read(status)
        desk.answers["/check"] = ["facts": []]
        host.listen = { _ in .addressInUse }
        host.text = { Lab.files[$0.replacing("/proc/1/", with: "/proc/self/")] }
    }
}

@Suite struct CheckTests {
    @Test func `a host in order with its daemon has nothing to mend`() throws {
        let lab = try Lab()
        try lab.serve()
        let (code, results) = try lab.check()
        #expect(code == .ok)
        #expect(results.filter { $0.outcome != .ok } == [])
        let names = [
            "configuration", "mesh", "authority.key", "authority", "clock", "daemon", "nftables", "metrics.port",
            "workload shop/web",
        ]
        for name in names { #expect(results.contains { $0.name == name }, "\(name)") }
    }

    @Test func `without a daemon only that is wrong, and the exit code says so`() throws {
        let (code, results) = try Lab().check()
        #expect(code == .unreachable)
        #expect(results.filter { $0.outcome == .failed }.map(\.name) == ["daemon"])
    }

    @Test func `a missing authority is named with what makes one`() throws {
        let lab = try Lab()
        try lab.serve()
        for name in ["root.pem", "intermediate.pem", "intermediate-key.pem"] { try File.remove("\(lab.folder)/ca/\(name)") }
        let failed = try lab.check().results.filter { $0.outcome == .failed }
        #expect(failed.map(\.name) == ["authority.key", "authority.certificate", "authority.roots"])
        #expect(failed.allSatisfy { $0.message.contains("isn't there") && $0.remedy.contains("warren ca init") })
    }

    @Test func `a key that others can read is named with the command that mends it`() throws {
        let lab = try Lab()
        try lab.serve()
        let key = "\(lab.folder)/ca/intermediate-key.pem"
        #expect(try RunningCommand.run(["chmod", "644", key]).succeeded)
        let failure = try lab.failure()
        #expect(failure?.name == "authority.key" && failure?.message.contains("0644") == true)
        #expect(failure?.remedy.hasPrefix("chmod 600 \(key)") == true)
    }

    @Test func `files of two authorities don't fit`() throws {
        let lab = try Lab()
        try lab.serve()
        #expect(lab.desk.run("ca", "init", "-d", "\(lab.folder)/other") == .ok)
        lab.configuration = lab.configuration.replacing("key: \(lab.folder)/ca/", with: "key: \(lab.folder)/other/")
        #expect(try lab.failure()?.message.contains("the private key doesn't belong to the certificate") == true)
        lab.configuration = lab.configuration.replacing("\(lab.folder)/other/", with: "\(lab.folder)/ca/")
            .replacing("roots: \(lab.folder)/ca/", with: "roots: \(lab.folder)/other/")
        #expect(try lab.failure()?.name == "authority")
    }

    @Test func `rubbish in the place of a certificate or a key is named`() throws {
        let lab = try Lab()
        try lab.serve()
        try Files.write("rubbish", to: "\(lab.folder)/ca/root.pem")
        #expect(try lab.failure()?.name == "authority.roots")
        try Files.write("rubbish", to: "\(lab.folder)/ca/intermediate-key.pem")
        #expect(try lab.check().results.filter { $0.outcome == .failed }.map(\.name) == ["authority.key", "authority.roots"])
    }

    @Test func `a clock that is behind is told from the certificates`() throws {
        let lab = try Lab()
        try lab.serve()
        lab.desk.now = WallTime(seconds: lab.desk.now.seconds - 2 * 86_400)
        let failure = try lab.failure()
        #expect(failure?.name == "clock" && failure?.remedy.contains("timedatectl") == true)
    }

    @Test(arguments: [(366, "authority.certificate", 1), (3700, "authority.roots", 2)])
    func `an authority that ended is named`(days: Int64, name: String, count: Int) throws {
        let lab = try Lab()
        try lab.serve()
        lab.desk.now = WallTime(seconds: lab.desk.now.seconds + days * 86_400)
        let failed = try lab.check().results.filter { $0.outcome == .failed }
        #expect(failed.count == count && failed.contains { $0.name == name && $0.message.contains("ended") }, "\(failed)")
    }

    @Test func `an authority that ends soon is a warning`() throws {
        let lab = try Lab()
        try lab.serve()
        lab.desk.now = WallTime(seconds: lab.desk.now.seconds + 340 * 86_400)
        let (code, results) = try lab.check()
        #expect(code == .ok)
        #expect(results.contains { $0.name == "authority.certificate" && $0.outcome == .warning })
    }

    @Test func `a port that is taken is named, and how to see by whom`() throws {
        let lab = try Lab()
        lab.host.listen = { $0 == 15020 ? .addressInUse : nil }
        let failed = try lab.check().results.filter { $0.outcome == .failed }
        #expect(failed.map(\.name) == ["daemon", "metrics.port"])
        #expect(failed.last?.remedy.contains("ss -ltnp 'sport = :15020'") == true)
    }

    @Test func `a daemon whose port is free serves elsewhere`() throws {
        let lab = try Lab()
        try lab.serve()
        lab.host.listen = { $0 == 15021 ? nil : .addressInUse }
        #expect(try lab.check().results.contains { $0.name == "readiness.port" && $0.outcome == .warning })
    }

    @Test(arguments: [
        (Errno.invalidArgument, UInt32(0), "failed"), (.notPermitted, 0, "failed"), (.notPermitted, 1000, "skipped"),
    ])
    func `a kernel without nftables is named, one that may not be asked is not judged`(
        cause: Errno, user: UInt32, outcome: String
    ) throws {
        let lab = try Lab()
        try lab.serve()
        lab.host.nftables = { cause }
        lab.host.userID = { user }
        let result = try #require(try lab.check().results.first { $0.name == "nftables" })
        #expect(result.outcome.rawValue == outcome && !result.remedy.isEmpty)
    }

    @Test func `a configuration's mistake is told with its line, and the defaults are used for the rest`() throws {
        let lab = try Lab()
        lab.configuration += "loop: 3\ntimeouts: {connect: fast}\n"
        let results = try lab.check().results
        let own = results.filter { $0.name == "configuration" }
        #expect(own.map(\.outcome) == [.failed, .failed])
        #expect(
            own.contains { $0.message.contains("warrend.yaml:5: unknown field `loop`") && $0.remedy == "Did you mean `loops`?" })
        #expect(results.contains { $0.name == "mesh" && $0.message.contains("/etc/warren/mesh") })
    }

    @Test func `a mesh file's mistake is told, and what lists them all`() throws {
        let lab = try Lab()
        try lab.serve()
        try Files.write(
            Lab.mesh.replacing("address: 10.0.0.1", with: "address: 10.0.0.1, wight: 5"), to: "\(lab.folder)/mesh.yaml")
        let failure = try lab.failure()
        #expect(failure?.name == "mesh" && failure?.message.contains("unknown field `wight`") == true)
        #expect(failure?.remedy.contains("warren validate -f \(lab.folder)/mesh.yaml") == true)
    }

    @Test(arguments: [
        (Errno.noSuchFile, "there is no network namespace web", "ip netns add web"),
        (.exists, "web is the host's own network namespace", "network namespace of its own"),
        (.invalidArgument, "/run/netns/web is no network namespace", "ip netns add web"),
        (.noMemory, "can't be looked at", "Look at"),
    ])
    func `a namespace that can't be captured is named`(cause: Errno, message: String, remedy: String) throws {
        let lab = try Lab()
        try lab.serve()
        lab.host.namespace = { _, _ in .failure(cause) }
        let failure = try lab.failure()
        #expect(failure?.name == "workload shop/web" && failure?.message.contains(message) == true)
        #expect(failure?.remedy.contains(remedy) == true)
    }

    @Test func `only root looks into namespaces`() throws {
        let lab = try Lab()
        try lab.serve()
        lab.host.namespace = { _, _ in .failure(.notPermitted) }
        let (code, results) = try lab.check()
        #expect(code == .ok)
        #expect(results.contains { $0.outcome == .skipped && $0.remedy == "Run `sudo warren check`." })
    }

    @Test func `I04 an address that isn't local in the namespace is named, with those that are`() throws {
        let lab = try Lab()
        try lab.serve()
        lab.host.namespace = { _, _ in .success(NamespaceFacts(addresses: [.loopbackV4, IPAddress(v4: 0x0a00_0009)])) }
        let message = try lab.failure()?.message
        #expect(message == "10.0.0.1 isn't an address in the network namespace web, which has 10.0.0.9")
    }

    @Test func `I05 a missing route to a service's address is told with the command that adds it`() throws {
        let lab = try Lab()
        try lab.serve()
        let asked = Asked()
        lab.host.namespace = { _, wanted in
            asked.addresses = wanted
            return .success(NamespaceFacts(addresses: [IPAddress(v4: 0x0a00_0001)], unreachable: wanted, devices: ["eth0"]))
        }
        let result = try #require(try lab.check().results.first { $0.name == "workload shop/web" })
        #expect(asked.addresses == [IPAddress(v4: 0x0a60_0007)])
        #expect(result.outcome == .warning && result.message.contains("10.96.0.7"))
        #expect(result.remedy == "ip -n web route add 10.96.0.7/32 dev eth0")
    }

    private final class Asked {
        var addresses: [IPAddress] = []
    }

    @Test func `a host that the mesh doesn't know says which it does`() throws {
        let lab = try Lab()
        try lab.serve()
        lab.configuration = lab.configuration.replacing("node: host-a", with: "node: host-z")
        let result = try #require(try lab.check().results.first { $0.name == "workloads" })
        #expect(result.outcome == .warning && result.remedy.contains("host-a"))
    }

    @Test func `a daemon that isn't ready, of another version, or that drops log lines is told`() throws {
        let lab = try Lab()
        try lab.serve("{\"version\":\"0.0.9\",\"ready\":false,\"pending\":[\"mesh\"],\"process\":1,\"droppedLogLines\":7}")
        let results = try lab.check().results
        #expect(results.contains { $0.name == "daemon" && $0.outcome == .failed && $0.message.hasSuffix("pending: mesh") })
        #expect(results.contains { $0.name == "version" && $0.outcome == .warning })
        #expect(results.contains { $0.name == "log" && $0.outcome == .warning })
    }

    @Test func `what the daemon itself knows is told as its own`() throws {
        let lab = try Lab()
        try lab.serve()
        lab.desk.answers["/check"] = AdminDocument.check([
            CheckFact("capture.web", .ok, "captured"), CheckFact("renewal", .warning, "late", remedy: "Wait."),
            CheckFact("mesh", .failed, "2 errors\nin it", remedy: "Mend it."),
        ])
        let results = try lab.check().results
        #expect(results.suffix(3).map(\.outcome) == [.ok, .warning, .failed])
        #expect(results.suffix(3).map(\.remedy) == ["", "Wait.", "Mend it."])
    }

    @Test func `few descriptors and a switched off IPv6 are warnings`() throws {
        let lab = try Lab()
        lab.host.text = { path in
            let files = [
                "/proc/sys/net/ipv6/conf/all/disable_ipv6": "1\n", "/proc/self/limits": "Max open files  1024  4096  files\n",
            ]
            return files[path] ?? Lab.files[path]
        }
        let results = try lab.check().results
        #expect(results.contains { $0.name == "descriptors" && $0.outcome == .warning && $0.message.contains("4096") })
        #expect(results.contains { $0.name == "ipv6" && $0.outcome == .warning })
    }

    @Test(arguments: [("file", "is no socket"), ("socket", "every user of this host may use")])
    func `a socket that is none, or that everybody may use, is named`(kind: String, message: String) throws {
        let lab = try Lab()
        try lab.serve()
        let path = "\(lab.folder)/warrend.sock"
        if kind == "file" {
            try Files.write("", to: path)
        } else {
            _ = try UnixSocket.listen(path: path, mode: 0o666, backlog: 1)
        }
        let failure = try lab.failure()
        #expect(failure?.name == "socket" && failure?.message.contains(message) == true)
    }

    @Test func `people get numbers, marks, remedies below what failed, and a sum`() {
        let console = Console(isTerminal: false, hasColours: false, output: { _ in }, errors: { _ in })
        let text = CheckReport.text(
            [
                CheckResult("mesh", .ok, "3 files", remedy: "not shown"),
                CheckResult("authority.key", .failed, "gone\nand more", remedy: "Make one."),
                CheckResult("log", .warning, "7 lines", remedy: "Log less."), CheckResult("x", .skipped, "not root"),
            ], console)
        #expect(
            text == """
                1  ✓ mesh           3 files
                2  ✗ authority.key  gone
                                     and more
                      → Make one.
                3  ! log            7 lines
                      → Log less.
                4  - x              not root

                1 of 4 checks failed, 1 warning, 1 skipped

                """)
    }

    @Test func `the real host answers, and a real namespace that isn't there is none`() {
        let host = HostProbe()
        #expect(host.text("/proc/self/limits")?.contains("Max open files") == true)
        #expect(host.text("/proc/no-such-file") == nil)
        guard case .failure(let failure) = host.namespace("warren-no-such-namespace", []) else {
            Issue.record("a namespace that doesn't exist was looked at")
            return
        }
        #expect(failure == .noSuchFile)
    }
}
