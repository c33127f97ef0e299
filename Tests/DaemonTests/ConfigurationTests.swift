// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel
import Telemetry
import Testing

@testable import Daemon

private func read(_ text: String) -> (configuration: DaemonConfiguration, findings: [DocumentFinding]) {
    DaemonConfiguration.read(Array(text.utf8), node: "host-a")
}

@Suite struct ConfigurationTests {
    @Test func `an empty file is the defaults`() {
        let (configuration, findings) = read("")
        #expect(findings.isEmpty)
        #expect(configuration.node == "host-a")
        #expect(configuration.timeouts.connect == .seconds(10))
        #expect(configuration.metrics.port == 15020 && configuration.readiness.port == 15021)
        #expect(configuration.identity.persist == .run && configuration.identity.lifetime == .hours(24))
        #expect(configuration.tunnel.maxStreamAge == nil && configuration.capture.drainLimit == .seconds(30))
    }

    @Test func `a file with everything is read in full`() {
        let (configuration, findings) = read(
            """
            node: edge-1
            loops: 3
            sameHost: tunnel
            mesh: {path: /srv/mesh.yaml, trustDomain: corp.example, network: dc1, allowEmpty: true}
            identity:
              ca: {certificate: /a.pem, key: /b.pem, roots: /c.pem}
              lifetime: 90s
              persist: never
            admin: {socket: /run/a.sock, mode: "0660"}
            metrics: {port: 16020}
            readiness: {port: 16021}
            log: {level: "warn,tunnel:debug", format: json, access: failures}
            timeouts: {connect: 250ms, connectReply: 1m30s, drain: 0s}
            limits: {headerList: 32KiB, windowMemory: 1048576, connections: 5, workloadConnections: 4}
            tunnel: {congestionControl: cubic, maxStreamAge: 24h, idleRelease: 10s}
            keepalive: {userTimeout: none}
            capture: {nonTCP: drop}
            probes:
              allow:
                - {cgroup: /system.slice/kubelet.service, ports: [8080, 9090]}
                - {user: 1001, ports: [1]}
            """)
        #expect(findings.map(\.message) == [])
        #expect(configuration.node == "edge-1" && configuration.loops == 3 && configuration.sameHost == .tunnel)
        #expect(configuration.mesh.trustDomain == "corp.example" && configuration.mesh.allowEmpty)
        #expect(configuration.identity.ca.roots == "/c.pem" && configuration.identity.lifetime == .seconds(90))
        #expect(configuration.admin.mode == 0o660)
        #expect(configuration.timeouts.connect == .milliseconds(250) && configuration.timeouts.drain == .zero)
        #expect(configuration.limits.headerList == .kibibytes(32) && configuration.limits.windowMemory == .mebibytes(1))
        #expect(configuration.tunnel.maxStreamAge == .hours(24) && configuration.keepalive.userTimeout == nil)
        #expect(configuration.probes.allow.map(\.ports) == [[8080, 9090], [1]])
        #expect(configuration.probes.allow.map(\.caller) == [.cgroup("/system.slice/kubelet.service"), .user(1001)])
        #expect(configuration.log.levels[.tunnel] == .debug && configuration.log.levels[.mesh] == .warn)
        #expect(configuration.log.levels[.access] == .error)
    }

    @Test func `what is written as a document reads back the same`() {
        var changed = DaemonConfiguration(node: "n")
        changed.tunnel.maxStreamAge = .minutes(90)
        changed.probes.allow = [.init(caller: .user(7), ports: [80])]
        changed.limits.headerList = .kibibytes(3)
        let (again, findings) = DaemonConfiguration.read(changed.document, node: "other")
        #expect(findings.isEmpty)
        #expect(again.document == changed.document)
        #expect(again.tunnel.maxStreamAge == .minutes(90))
    }

    /// Each mistake costs an error with line, field and sentence, and leaves every other setting as written.
    @Test(arguments: [
        ("loop: 2", 1, "loop", "unknown field `loop`", "Did you mean `loops`?"),
        ("timeouts:\n  conect: 1s", 2, "timeouts.conect", "unknown field `conect`", "Did you mean `connect`?"),
        (
            "identity:\n  ca:\n    roots: ca.pem", 3, "identity.ca.roots",
            "identity.ca.roots is \"ca.pem\", which is no absolute path", "Begin it with a slash."
        ),
        ("timeouts: fast", 1, "timeouts", "timeouts is a string, not a mapping", "Write it as `key: value` lines."),
        ("loops: four", 1, "loops", "loops is a string, not an integer", "Write it as digits, without quotes."),
        ("loops: 300", 1, "loops", "loops is 300, not within 0 to 256", "Write a number within these."),
        (
            "timeouts: {connect: 10}", 1, "timeouts.connect", "timeouts.connect is an integer, not a string",
            "Put the value in quotes: YAML reads words like y, no, on and numbers like 1.0 as something else."
        ),
        (
            "timeouts: {connect: 10 s}", 1, "timeouts.connect", "timeouts.connect is \"10 s\", which is not a duration",
            "Write it like 250ms, 5s, 1m30s or 24h."
        ),
        (
            "timeouts: {connect: 1ms}", 1, "timeouts.connect", "timeouts.connect is 1ms, not within 100ms to 10m",
            "Write a duration within these."
        ),
        (
            "timeouts: {connect: none}", 1, "timeouts.connect", "timeouts.connect is \"none\", which is not a duration",
            "Write it like 250ms, 5s, 1m30s or 24h."
        ),
        (
            "limits: {headerList: 16kB}", 1, "limits.headerList", "limits.headerList is \"16kB\", which is not a size",
            "Write it like 512, 64KiB or 16MiB."
        ),
        (
            "limits: {headerList: 2MiB}", 1, "limits.headerList", "limits.headerList is 2MiB, not within 1KiB to 1MiB",
            "Write a size within these."
        ),
        (
            "limits: {headerList: -1}", 1, "limits.headerList", "limits.headerList is -1, which is no size",
            "Write it like 64KiB or 1MiB."
        ),
        ("sameHost: splise", 1, "sameHost", "sameHost is \"splise\", not one of splice, tunnel", "Did you mean `splice`?"),
        (
            "mesh: {allowEmpty: \"yes\"}", 1, "mesh.allowEmpty", "mesh.allowEmpty is a string, not a boolean",
            "Write `true` or `false`, without quotes."
        ),
        (
            "mesh: {trustDomain: Corp.Example}", 1, "mesh.trustDomain",
            "mesh.trustDomain is \"Corp.Example\", which is no SPIFFE trust domain",
            "Use lower-case letters, digits, `.`, `-` and `_`."
        ),
        ("node: \"a b\"", 1, "node", "node is \"a b\", which is no name", "Use 1 to 253 letters, digits, `.`, `-` and `_`."),
        (
            "admin: {mode: \"0666\"}", 1, "admin.mode", "admin.mode is 0666, which lets every user of this host in",
            "End it with 0."
        ),
        (
            "admin: {mode: rw}", 1, "admin.mode", "admin.mode is \"rw\", which is no file mode",
            "Write it like \"0660\", with the quotes."
        ),
        (
            "admin: {socket: run.sock}", 1, "admin.socket", "admin.socket is \"run.sock\", which is no absolute path",
            "Begin it with a slash."
        ),
        ("metrics: {port: 15008}", 1, "metrics", "metrics.port is 15008, which the mesh itself needs", "Choose another port."),
        ("readiness: {port: 15020}", 1, "readiness", "readiness.port and metrics.port are both 15020", "Choose two ports."),
        (
            "log: {level: loud}", 1, "log.level", "log.level is \"loud\", which is no log level",
            "\"loud\" is no level: there are off, error, warn, info, debug."
        ),
        (
            "timeouts: {connect: 40s}", 1, "timeouts", "timeouts.connect is longer than timeouts.establish, which bounds it",
            "Raise timeouts.establish to at least 40s."
        ),
        (
            "probes: {allow: [{ports: [1]}]}", 1, "probes.allow[0].cgroup", "an exemption names one caller",
            "Write either `cgroup` or `user`."
        ),
        (
            "probes: {allow: [{user: 1, cgroup: /a, ports: [1]}]}", 1, "probes.allow[0].cgroup", "an exemption names one caller",
            "Write either `cgroup` or `user`."
        ),
        (
            "probes: {allow: [{user: 1, ports: [0]}]}", 1, "probes.allow[0].ports",
            "an exemption names 1 to 64 ports, each 1 to 65535", "Write them like [8080, 8081]."
        ),
        (
            "probes: {allow: [{user: 1}]}", 1, "probes.allow[0].ports", "an exemption names 1 to 64 ports, each 1 to 65535",
            "Write them like [8080, 8081]."
        ),
        ("a: 1\n---\nb: 2", 3, "", "the file has 2 documents", "Keep one; mesh resources go to mesh.path."),
    ])
    func `a mistake names line, field, fault and remedy`(text: String, line: Int, field: String, message: String, remedy: String)
    {
        let findings = read(text).findings
        #expect(findings.map(\.message) == [message])
        #expect(findings.map(\.field) == [field])
        #expect(findings.map(\.remedy) == [remedy])
        #expect(findings.map(\.position.line) == [line])
        #expect(findings.map(\.severity) == [.error])
    }

    @Test func `text that is no YAML is one error with its line`() {
        let findings = read("mesh:\n  path: [unclosed\n").findings
        #expect(findings.count == 1 && findings[0].severity == .error && findings[0].position.line >= 2)
    }

    /// Whatever a file holds, reading it ends with a configuration or with findings, never with a trap.
    @Test(arguments: 0..<8) func `no damage to a file is more than a finding`(seed: UInt64) {
        var generator = Damage(seed: seed)
        let good = Array(YAML.write(DaemonConfiguration(node: "host-a").document).utf8)
        for _ in 0..<300 {
            let (configuration, findings) = DaemonConfiguration.read(generator.damaged(good), node: "host-a")
            if !findings.contains(where: { $0.severity == .error }) {
                let again = DaemonConfiguration.read(configuration.document, node: "host-a")
                #expect(again.findings.allSatisfy { $0.severity != .error })
            }
            for finding in findings { #expect(!finding.message.isEmpty && finding.position.line >= 1) }
        }
    }

    @Test func `several mistakes are all told at once`() {
        #expect(read("loop: 1\ntimeouts: {conect: 1s}\nlog: {format: xml}").findings.count == 3)
    }

    @Test func `a limit that can't take effect is a warning`() {
        let findings = read("limits: {connections: 10}").findings
        #expect(findings.map(\.severity) == [.warning])
    }

    @Test(arguments: [(0, 1, 1), (0, 2, 2), (0, 64, 4), (0, 0, 1), (7, 2, 7)])
    func `loops follow the processors, at most four, unless set`(loops: Int, processors: Int, count: Int) {
        var configuration = DaemonConfiguration(node: "n")
        configuration.loops = loops
        #expect(configuration.loopCount(processors: processors) == count)
    }
}

@Suite struct SettingTests {
    @Test func `every setting has a meaning and a reason, and stands once`() {
        let settings = DaemonConfiguration.settings
        #expect(settings.count > 55)
        #expect(Set(settings.map(\.path)).count == settings.count)
        for setting in settings {
            #expect(setting.meaning.hasSuffix(".") && setting.reason.hasSuffix("."), "\(setting.path)")
            #expect(!setting.form.isEmpty)
        }
    }

    /// A property that no setting reaches can't be configured: counted on the structures themselves.
    @Test func `every property of the configuration has its setting`() {
        func leaves(_ value: Any) -> Int {
            let mirror = Mirror(reflecting: value)
            let isSection =
                mirror.displayStyle == .struct && "\(type(of: value))".hasSuffix("Settings")
                || value is DaemonConfiguration || value is IdentitySettings.Authority || value is Keepalive
            return isSection ? mirror.children.reduce(0) { $0 + leaves($1.value) } : 1
        }
        #expect(leaves(DaemonConfiguration(node: "n")) == DaemonConfiguration.settings.count)
    }

    @Test func `every default is within what may be written`() {
        let (_, findings) = DaemonConfiguration.read(DaemonConfiguration(node: "n").document, node: "n")
        #expect(findings.map(\.message) == [])
    }

    @Test func `docs/configuration.md is what the table says`() throws {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let page = String(decoding: try File.read("/\(root)/docs/configuration.md", limit: 1 << 20), as: UTF8.self)
        let isSame = page == ConfigurationReference.markdown
        #expect(isSame, "write it anew: warren reference configuration > docs/configuration.md")
        for setting in DaemonConfiguration.settings { #expect(page.contains("| `\(setting.path)` |")) }
    }
}

@Suite struct UnitTests {
    @Test(arguments: [
        ("512", 512), ("512B", 512), ("64KiB", 65_536), ("16MiB", 16 << 20), ("2GiB", 2 << 30), ("0", 0),
        ("64kb", nil), ("64 KiB", nil), ("-1", nil), ("", nil), ("KiB", nil), ("9999999999999999", nil),
        ("999999999999999GiB", nil),
        ("1.5MiB", nil), ("٣KiB", nil),
    ])
    func `a size is digits and a unit`(text: String, bytes: Int?) { #expect(ByteSize(text)?.bytes == bytes) }

    @Test(arguments: [0, 1, 1023, 1024, 1536, 1 << 20, (1 << 20) + 1, 3 << 30])
    func `a size reads back as it is written`(bytes: Int) { #expect(ByteSize(ByteSize(bytes).description) == ByteSize(bytes)) }

    @Test(arguments: [
        (0, "0s"), (1, "1ns"), (250_000_000, "250ms"), (90_000_000_000, "90s"), (300_000_000_000, "5m"),
        (86_400_000_000_000, "24h"),
    ])
    func `a duration is written in the largest unit that leaves no fraction`(nanoseconds: UInt64, text: String) {
        let interval = Interval(nanoseconds: nanoseconds)
        #expect(interval.documentText == text)
        #expect(Duration(documentText: text).map { Interval($0) } == interval)
    }

    @Test(arguments: [(15001, true), (15006, true), (15008, true), (15020, false), (80, false)])
    func `our own ports are known`(port: UInt16, isOwn: Bool) { #expect(Ports.isOwn(port) == isOwn) }
}

/// Bytes changed, removed, doubled and cut at random, the same for the same seed.
private struct Damage {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 1 }

    private mutating func next(below bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(max(1, bound)))
    }

    mutating func damaged(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0...next(below: 4) {
            guard !bytes.isEmpty else { break }
            let (start, count) = (next(below: bytes.count), next(below: 20))
            let part = start..<min(bytes.count, start + count)
            switch next(below: 4) {
            case 0: bytes[start] = UInt8(truncatingIfNeeded: next(below: 256))
            case 1: bytes.removeSubrange(part)
            case 2: bytes.insert(contentsOf: bytes[part], at: next(below: bytes.count))
            default: bytes.insert(contentsOf: Array("-9223372036854775808".utf8), at: start)
            }
        }
        return bytes
    }
}
