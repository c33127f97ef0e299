// SPDX-License-Identifier: Apache-2.0

import Bytes
import Capture
import Kernel
import Testing

struct ProbeRulesTests {
    private static let addresses = ["10.0.0.7", "10.0.0.5", "fd00::5"].compactMap { IPAddress($0) }

    @Test func `the rules name the socket's owner, the workloads and the ports, and no source address`() throws {
        let kubelet = try #require(ControlGroup("/system.slice/kubelet.service"))
        let rules = ProbeRules(
            exemptions: [.init(caller: .user(1001), ports: [9090, 8080]), .init(caller: .cgroup(kubelet), ports: [80])],
            enrolled: Self.addresses, port: 15010)
        #expect(
            rules.text == """
                add table inet warren-probes
                delete table inet warren-probes
                table inet warren-probes {
                    set enrolled-ip {
                        type ipv4_addr
                        elements = { 10.0.0.5, 10.0.0.7 }
                    }
                    set enrolled-ip6 {
                        type ipv6_addr
                        elements = { fd00::5 }
                    }
                    chain probing {
                        type nat hook output priority -101; policy accept;
                        ip daddr @enrolled-ip tcp dport { 8080, 9090 } tcp flags & (fin|syn|rst|ack) == syn meta mark & 0xfff != \
                0x539 meta skuid 1001 redirect to :15010
                        ip daddr @enrolled-ip tcp dport { 80 } tcp flags & (fin|syn|rst|ack) == syn meta mark & 0xfff != 0x539 \
                socket cgroupv2 level 2 "system.slice/kubelet.service" redirect to :15010
                        ip6 daddr @enrolled-ip6 tcp dport { 8080, 9090 } tcp flags & (fin|syn|rst|ack) == syn meta mark & 0xfff \
                != 0x539 meta skuid 1001 redirect to :15010
                        ip6 daddr @enrolled-ip6 tcp dport { 80 } tcp flags & (fin|syn|rst|ack) == syn meta mark & 0xfff != 0x539 \
                socket cgroupv2 level 2 "system.slice/kubelet.service" redirect to :15010
                    }
                }

                """)
    }

    @Test func `without exemptions or workloads there is no table`() {
        let exemption = ProbeRules.Exemption(caller: .user(0), ports: [80])
        #expect(ProbeRules(exemptions: [], enrolled: Self.addresses, port: 1).text == ProbeRules.absentText)
        #expect(ProbeRules(exemptions: [exemption], enrolled: [], port: 1).text == ProbeRules.absentText)
    }

    @Test(arguments: ["", "/", "a/../b", "./a", "a\" drop; \"", "a\\b", "a b", "a\nb", "ü", String(repeating: "a", count: 1025)])
    func `a path that can't stand in a rule is no control group`(path: String) {
        #expect(ControlGroup(path) == nil)
    }

    @Test func `slashes around a path don't matter`() {
        #expect(ControlGroup("/a.slice//b@1.service/") == ControlGroup("a.slice/b@1.service"))
        #expect(ControlGroup("a/b/c")?.depth == 3)
    }
}

extension OnTheKernel {
    /// Who is exempt, on the kernel: the lab's world plays the host.
    @Suite struct ProbesTests {
        @Test(arguments: Addresses.both)
        func `I06 a socket's owner passes to the listener; others, other ports and what only bears the address don't`(
            _ at: Addresses
        ) throws {
            let lab = try Lab()
            let listener = try Peer(in: lab.world)
            let (user, root) = (try Peer(in: lab.world), try Peer(in: lab.world))
            try user.ask("become 1001")
            let neighbour = try Peer(in: lab.workload)
            try neighbour.ask("serve 80")
            try neighbour.ask("serve 81")
            try listener.ask("serve-ours 15010")
            let enrolled = [Lab.workloadV4, Lab.workloadV6].compactMap { IPAddress($0) }
            let rules = ProbeRules(exemptions: [.init(caller: .user(1001), ports: [80])], enrolled: enrolled, port: 15010)
            try lab.world.run("nft", "-f", "-", input: rules.text)
            #expect(try user.ask("dial a \(at.workload) 80").hasPrefix("open"))
            #expect(try listener.ask("accepted 1").hasSuffix("to \(at.workload) 80"))
            #expect(try user.ask("dial b \(at.workload) 81").hasPrefix("open"))
            #expect(try root.ask("dial c \(at.workload) 80").hasPrefix("open"))
            // From another namespace with this one's address: forwarded, but never sent by a socket here.
            let forger = try Peer(in: lab.addForger())
            #expect(try forger.ask("transparent d \(at.workload) 80 \(at.world) 4242").hasPrefix("failed"))
            #expect(try listener.ask("accepted 0") == "none")
            try lab.world.run("nft", "-f", "-", input: ProbeRules.absentText)
            #expect(try lab.world.run("nft", "list", "ruleset") == "")
        }
    }
}

extension Lab {
    /// A third namespace that the world routes for, without checking its sources.
    func addForger() throws -> LabNamespace {
        let forger = try LabNamespace()
        try forger.link("eth0", to: world, "eth1")
        try world.shell(
            """
            sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
            ip addr add 10.8.0.1/24 dev eth1; ip addr add fd08::1/64 dev eth1 nodad; ip link set eth1 up; sysctl -qw net.ipv4.conf.eth1.rp_filter=0
            """)
        try forger.shell(
            """
            ip link set lo up; ip link set eth0 up; ip addr add 10.8.0.2/24 dev eth0; ip addr add fd08::2/64 dev eth0 nodad
            ip route add default via 10.8.0.1; ip -6 route add default via fd08::1
            """)
        return forger
    }
}
