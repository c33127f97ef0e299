// SPDX-License-Identifier: Apache-2.0

import Bytes
import Capture
import Kernel
import Testing

/// Coming and going of capture on the real kernel, in namespaces that end with the test.
extension OnTheKernel {
    @Suite struct CaptureLifeTests {
        @Test func `after a release everything is as before`() throws {
            let lab = try Lab()
            try lab.workload.shell("nft add table inet mine; ip rule add pref 7 lookup 7; sysctl -qw net.ipv4.tcp_tw_reuse=0")
            let before = try lab.workload.traces()
            try lab.install()
            let during = try lab.workload.traces()
            #expect(during.contains("table inet warren") && during.contains("ipproto tcp lookup 100"))
            #expect(during.contains("tcp_tw_reuse 1"))
            try lab.beginRelease()
            #expect(
                try lab.workload.traces().contains(
                    "chain called {\n\t\ttype nat hook prerouting priority dstnat - 1; policy accept;\n\t}"))
            try lab.finishRelease()
            #expect(try lab.workload.traces() == before)
            #expect(CaptureRecord.all(in: lab.stateDirectory).isEmpty)
        }

        @Test func `a loopback device that was down is down again`() throws {
            let lab = try Lab()
            try lab.workload.run("ip", "link", "set", "lo", "down")
            try lab.install()
            #expect(try lab.workload.run("ip", "link", "show", "lo").contains("UP"))
            try lab.finishRelease()
            #expect(try !lab.workload.run("ip", "link", "show", "lo").contains("UP"))
        }

        @Test func `I05 a namespace where IPv6 is off is captured, and so is IPv6 when it comes back`() throws {
            let lab = try CapturedLab(isCaptured: false)
            try lab.lab.workload.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
            let before = try lab.lab.workload.traces()
            try lab.lab.install()
            #expect(try lab.lab.deviations() == [])
            #expect(try lab.application.ask("dial a \(Lab.serviceV4) 80").hasPrefix("open"))
            let comeBack = "ip addr add \(Lab.workloadV6)/64 dev eth0 nodad; ip -6 route add default via \(Lab.worldV6)"
            try lab.lab.workload.shell("sysctl -qw net.ipv6.conf.all.disable_ipv6=0; \(comeBack)")
            try lab.world.ask("serve 8080")
            // Not yet noticed: it goes nowhere.
            #expect(try lab.application.ask("dial a \(Lab.serviceV6) 8080") == "failed Network is unreachable")
            #expect(try lab.lab.deviations() == [.routeMissing(table: 100)])
            try lab.lab.restore()
            #expect(try lab.application.ask("dial a \(Lab.serviceV6) 8080") == "open \(Lab.workloadV6)")
            #expect(try lab.daemon.ask("accepted 2").contains("15001 \(Lab.workloadV6)"))
            try lab.lab.finishRelease()
            try lab.lab.workload.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
            #expect(try lab.lab.workload.traces() == before)
        }

        @Test func `installing again changes nothing`() throws {
            let lab = try Lab()
            try lab.install()
            let once = try lab.workload.traces()
            try lab.install()
            #expect(try lab.workload.traces() == once)
            #expect(try lab.deviations() == [])
        }

        @Test func `releasing what was never captured does nothing`() throws {
            let lab = try Lab()
            let before = try lab.workload.traces()
            try lab.beginRelease()
            try lab.finishRelease()
            #expect(try lab.workload.traces() == before)
        }

        /// A crash may come after any step: what the record and the kernel then say is enough to go on or to go back.
        @Test(arguments: ["nft delete table inet warren", "ip rule del pref 53", "ip -6 route flush table 100", "true"])
        func `a half made capture is completed by the next install and undone by a release`(broken by: String) throws {
            let lab = try Lab()
            let before = try lab.workload.traces()
            try lab.install()
            let whole = try lab.workload.traces()
            try lab.workload.shell(by)
            try lab.install()
            #expect(try lab.workload.traces() == whole)
            try lab.workload.shell(by)
            try lab.finishRelease()
            #expect(try lab.workload.traces() == before)
        }

        @Test func `cleanup after a crash needs nothing but the record`() throws {
            let lab = try Lab()
            let before = try lab.workload.traces()
            try lab.install()
            let report = Capture(stateDirectory: lab.stateDirectory, program: Lab.daemon).cleanup(names: "/nowhere")
            #expect(report.failures == [])
            #expect(report.removed.count == 1)
            #expect(
                report.removed.first?.contains(
                    "removed the nftables table, the policy rules, the routes of table 100, the kernel settings") == true)
            #expect(try lab.workload.traces() == before)
            #expect(lab.capture.cleanup(names: "/nowhere") == CleanupReport())
        }

        @Test func `I01 cleanup under a living daemon ends what is captured before it takes the rules`() throws {
            let lab = try CapturedLab()
            try lab.application.ask("dial out \(Lab.serviceV4) 80")
            #expect(try lab.application.ask("echo out") == "ok")
            #expect(lab.lab.capture.cleanup(names: "/nowhere").removed.count == 1)
            #expect(try lab.application.ask("echo out").hasPrefix("failed"))
            #expect(try lab.world.ask("leaks") == "0")
        }

        @Test func `cleanup forgets a namespace that is gone`() throws {
            var lab: Lab? = try Lab()
            let directory = try #require(lab?.stateDirectory)
            try lab?.install()
            let kept = try run(["sh", "-c", "cp -r \(directory) \(directory)-kept"])
            defer { _ = try? run(["rm", "-rf", "\(directory)-kept"]) }
            #expect(kept == "")
            lab = nil
            let report = Capture(stateDirectory: "\(directory)-kept", program: Lab.daemon).cleanup(names: "/nowhere")
            #expect(report.failures == [])
            #expect(report.removed.map { $0.contains("forgot namespace net:[") } == [true])
        }

        @Test func `a daemon that has lost its record still removes what is ours, and says what it can't know`() throws {
            let lab = try Lab()
            try lab.install()
            try run(["rm", "-r", lab.stateDirectory])
            // A named namespace: cleanup finds those without a record only by their names.
            try lab.inDirectoryOfNames { names in
                let report = lab.capture.cleanup(names: names)
                #expect(report.removed == ["web: removed the nftables table, the policy rules, the routes of table 100"])
                #expect(report.failures.count == 1 && report.failures.allSatisfy { $0.contains("net.ipv4.tcp_fwmark_accept") })
            }
            #expect(try lab.workload.run("nft", "list", "ruleset") == "")
        }

        @Test func `I03 what somebody takes away is noticed and put back`() throws {
            let lab = try Lab()
            try lab.install()
            let whole = try lab.workload.traces()
            try lab.workload.shell(
                "nft flush ruleset; ip rule del pref 53; ip -6 route flush table 100; sysctl -qw net.ipv4.fwmark_reflect=0")
            #expect(
                try Set(lab.deviations()) == [
                    .tableMissing, .policyRuleMissing(priority: 53), .routeMissing(table: 100),
                    .settingChanged(name: "net.ipv4.fwmark_reflect", value: "0"),
                ])
            try lab.restore()
            #expect(try lab.deviations() == [])
            #expect(try lab.workload.traces() == whole)
        }

        @Test func `I03 a rule that somebody adds to our table is noticed, one in another table isn't ours`() throws {
            let lab = try Lab()
            try lab.install()
            try lab.workload.shell("nft add table inet mine")
            #expect(try lab.deviations() == [])
            try lab.workload.shell("nft insert rule inet warren arriving accept")
            #expect(try lab.deviations() == [.tableChanged])
            try lab.restore()
            #expect(try lab.deviations() == [])
        }

        @Test(arguments: [
            "nft flush ruleset", "ip rule del pref 53", "ip -6 rule del pref 54", "ip route flush table 100",
            "ip link set lo down",
        ])
        func `I03 whatever of capture goes is missed, and put back`(how: String) throws {
            let lab = try Lab()
            try lab.install()
            try lab.workload.shell(how)
            #expect(try !lab.deviations().isEmpty)
            try lab.restore()
            #expect(try lab.deviations() == [])
        }
    }
}

/// Suites that share two cores and the kernel: one test at a time.
@Suite(.serialized) enum OnTheKernel {}

extension Lab {
    func beginRelease() throws { try capture.beginRelease(workload.open(), Capture.Options()) }
    func finishRelease() throws { try capture.finishRelease(workload.open()) }
    func deviations() throws -> [Deviation] { try capture.verify(workload.open(), Capture.Options()) }
    func restore() throws { try capture.restore(workload.open(), name: "web", Capture.Options()) }

    /// Gives the workload's namespace the name `web` in a directory of its own, as `ip netns` does it, in a mount namespace that ends here.
    func inDirectoryOfNames(_ body: (String) throws -> Void) throws {
        let directory = "\(stateDirectory)-names"
        let holder = try Program([
            "unshare", "--mount", "sh", "-ec",
            "mkdir -p \(directory); mount -t tmpfs none \(directory); touch \(directory)/web; mount --bind \(workload.path) "
                + "\(directory)/web; echo ready; cat; umount \(directory)/web",
        ])
        guard try holder.line() == "ready" else { throw LabFailure("no directory of names") }
        defer { _ = try? run(["rmdir", directory]) }
        try body("/proc/\(holder.id)/root\(directory)")
        holder.endInput()
        _ = try holder.wait(seconds: 5)
    }
}
