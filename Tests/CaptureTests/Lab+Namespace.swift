// SPDX-License-Identifier: Apache-2.0

import Bytes
import Capture
import Kernel

/// A network namespace without a name, held by a child: nothing of it appears on the machine, and it ends with the object or with the test process.
final class LabNamespace {
    private let holder: Program
    let path: String

    init() throws {
        // `cat` ends when our end of its input does.
        holder = try Program(["unshare", "--net", "cat"])
        path = "/proc/\(holder.id)/ns/net"
        let ours = try NetworkNamespace.current().identity
        for _ in 0..<1000 {
            if let identity = try? NetworkNamespace(path: path, followLink: true).identity, identity != ours { return }
            Thread.sleep(.milliseconds(5))
        }
        throw LabFailure("unshare made no namespace")
    }

    func open() throws -> NetworkNamespace { try NetworkNamespace(path: path, followLink: true) }

    @discardableResult
    func run(_ arguments: String..., input: String = "") throws -> String {
        try CaptureTests.run(["nsenter", "--net=\(path)"] + arguments, input: input)
    }

    /// A shell script, for several commands.
    @discardableResult
    func shell(_ script: String) throws -> String { try run("sh", "-e", "-c", script) }

    func start(_ arguments: String...) throws -> Program { try Program(["nsenter", "--net=\(path)"] + arguments) }

    /// Moves one end of a new pair of devices here and the other there.
    func link(_ device: String, to other: LabNamespace, _ otherDevice: String) throws {
        try run("ip", "link", "add", device, "type", "veth", "peer", "name", otherDevice, "netns", String(other.holder.id))
    }

    /// All that capture might leave behind.
    func traces() throws -> String {
        try shell(
            """
            nft list ruleset
            ip -4 rule; ip -6 rule
            ip -4 route show table all; ip -6 route show table all
            ip -o link show lo | sed 's/.*<//'
            cd /proc/sys/net
            for f in ipv4/tcp_fwmark_accept ipv4/fwmark_reflect ipv6/fwmark_reflect ipv4/conf/all/src_valid_mark \
                ipv4/tcp_tw_reuse netfilter/nf_conntrack_tcp_timeout_close_wait netfilter/nf_conntrack_tcp_timeout_fin_wait
            do echo $f $(cat $f); done
            """)
    }
}

/// A workload's namespace and the rest of the world, connected; the rest routes everything to itself.
final class Lab {
    let workload: LabNamespace
    let world: LabNamespace
    let stateDirectory: String
    let capture: Capture

    static let workloadV4 = "10.9.0.1"
    static let workloadV6 = "fd09::1"
    static let worldV4 = "10.9.0.2"
    static let worldV6 = "fd09::2"
    /// Addresses of services: nobody has them, the world's host would answer.
    static let serviceV4 = "10.96.0.1"
    static let serviceV6 = "fd96::1"

    init() throws {
        workload = try LabNamespace()
        world = try LabNamespace()
        try workload.link("eth0", to: world, "eth0")
        try workload.shell(Self.setUp(Self.workloadV4, Self.workloadV6))
        try world.shell(Self.setUp(Self.worldV4, Self.worldV6))
        try workload.shell("ip route add default via \(Self.worldV4); ip -6 route add default via \(Self.worldV6)")
        try world.shell("ip route add local \(Self.serviceV4) dev lo; ip -6 route add local \(Self.serviceV6) dev lo")
        stateDirectory =
            try run(["mktemp", "-d", "/tmp/warren-capture-XXXXXX"]).split(separator: "\n").first.map(String.init) ?? "/"
        capture = Capture(stateDirectory: stateDirectory, program: Lab.daemon)
    }

    deinit { _ = try? run(["rm", "-rf", stateDirectory]) }

    func install(_ options: Capture.Options = Capture.Options()) throws {
        try capture.install(workload.open(), name: "web", options)
    }

    /// The daemon's program, which lies beside the tests.
    static var daemon: String {
        let tests = CommandLine.arguments.first ?? ""
        guard let slash = tests.lastIndex(of: "/") else { return "warrend" }
        return "\(tests[..<slash])/warrend"
    }

    /// Strict source checks, as distributions have them, and no waiting for duplicate addresses.
    private static func setUp(_ v4: String, _ v6: String) -> String {
        """
        sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.eth0.rp_filter=1
        ip link set lo up; ip link set eth0 up
        ip addr add \(v4)/24 dev eth0; ip addr add \(v6)/64 dev eth0 nodad
        """
    }
}
