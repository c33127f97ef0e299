// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// The stage itself, without any program of ours: if these fail, no other host test says anything.
    @Suite struct LabTests {
        @Test func `workloads reach each other within and across hosts, and outside, in both families`() throws {
            let lab = try Lab(hosts: 2)
            let a = try lab.hosts[0].addWorkload("a")
            let b = try lab.hosts[0].addWorkload("b")
            let c = try lab.hosts[1].addWorkload("c")
            let servers = try [b, c].map { try $0.serve("source", port: 80) }
            let outside = try lab.outside.serve("source", port: 80)
            for family in Family.allCases {
                for target in [b, c] {
                    let result = try a.call("receive", target.address(family), port: 80)
                    #expect(result["text"]?.hasPrefix("\(a.address(family)) ") == true, "\(result)")
                }
            }
            #expect(try a.call("receive", lab.outside.address, port: 80)["end"] == "fin")
            #expect(servers.allSatisfy { $0.isRunning } && outside.isRunning)
        }

        @Test func `a lab doesn't touch the machine and takes everything with it`() throws {
            let before = try Machine.state()
            var lab: Lab? = try Lab(hosts: 2)
            let workload = try lab?.hosts[1].addWorkload("a")
            _ = try workload?.start(["sleep", "600"])
            #expect(try Machine.state() == before)
            let first = lab?.outside.holder ?? 0
            lab = nil
            try waitUntil("the lab is gone") { !Files.exists("/proc/\(first)") }
            #expect(try Machine.state() == before)
        }

        @Test func `kill -9 of the tests leaves no process, no namespace and no mount`() async throws {
            let before = try Machine.state()
            let result = try await #require(processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]) {
                let lab = try Lab(hosts: 2)
                let workload = try lab.hosts[0].addWorkload("a")
                let program = try workload.serve("echo", port: 80)
                let daemon = try lab.hosts[1].start(["sh", "-c", "trap '' TERM HUP; setsid sleep 600 & wait"])
                let pids = [lab.outside.holder, lab.hosts[0].holder, lab.hosts[1].holder, program.pid ?? 0, daemon.pid ?? 0]
                print("pids", pids.map { "\($0)" }.joined(separator: " "))
                fflush(nil)
                kill(getpid(), SIGKILL)
            }
            let text = String(decoding: result.standardOutputContent, as: UTF8.self)
            let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("pids ") })
            let pids = line.split(separator: " ").dropFirst()
            #expect(pids.count == 5)
            for pid in pids { try waitUntil("\(pid) is gone") { !Files.exists("/proc/\(pid)") } }
            try waitUntil("nothing is left") { try Machine.state() == before }
        }

        @Test func `a removed workload's namespace is gone, and comes back under its name`() throws {
            let lab = try Lab(hosts: 1)
            let a = try lab.hosts[0].addWorkload("a")
            let b = try lab.hosts[0].addWorkload("b")
            let server = try b.serve("echo", port: 80)
            #expect(try a.call("echo", b.address, port: 80).echoed)
            server.stop()
            try lab.hosts[0].remove(b)
            #expect(!lab.hosts[0].exists("/run/netns/b"))
            try b.make()
            let again = try b.serve("echo", port: 80)
            #expect(try a.call("echo", b.address6, port: 80).echoed)
            #expect(again.isRunning)
        }

        @Test func `cleartext on the wire is seen`() throws {
            let lab = try Lab(hosts: 2)
            let a = try lab.hosts[0].addWorkload("a")
            let b = try lab.hosts[1].addWorkload("b")
            let server = try b.serve("digest", port: 80)
            let capture = try lab.capture()
            let result = try a.call("send", b.address, port: 80, "--bytes", "100000")
            #expect(result["text"]?.hasPrefix("100000 ") == true)
            let packets = try capture.finish()
            #expect(packets.contains { $0.holds("cleartext") })
            #expect(
                packets.contains { $0.isSYN && $0.destination == b.address && $0.destinationPort == 80 && $0.source == a.address }
            )
            #expect(server.isRunning)
        }
    }
}
