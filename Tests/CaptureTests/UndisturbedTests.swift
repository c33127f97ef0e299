// SPDX-License-Identifier: Apache-2.0

import Bytes
import Capture
import Kernel
import Testing

extension OnTheKernel {
    /// What capture, release and other people's hands must not cut, nor let out.
    @Suite struct UndisturbedTests {
        @Test(arguments: Addresses.both)
        func `I02 connections from before go on through capture, loss, restoration and release`(_ at: Addresses) throws {
            let lab = try CapturedLab(isCaptured: false)
            try lab.world.ask("serve 80")
            try lab.application.ask("dial out \(at.service) 80")
            try lab.world.ask("dial in \(at.workload) 80")
            func check(_ when: Comment) throws {
                #expect(try lab.application.ask("echo out") == "ok", when)
                #expect(try lab.world.ask("echo in") == "ok", when)
            }
            try check("before")
            try lab.lab.install()
            try check("captured")
            #expect(try lab.daemon.ask("accepted 0") == "none")
            try lab.lab.workload.run("conntrack", "-F")
            try check("captured, conntrack emptied")
            // What is older than capture hangs on the table: it outlives its loss as long as it sends nothing, so its last acknowledgement goes
            // first.
            Thread.sleep(.milliseconds(200))
            try lab.lab.workload.shell("nft delete table inet warren")
            try lab.lab.restore()
            try check("restored")
            try lab.lab.beginRelease()
            try check("draining")
            try lab.lab.finishRelease()
            try check("released")
        }

        @Test(arguments: Addresses.both)
        func `I02 captured connections go on while draining, and new ones are free`(_ at: Addresses) throws {
            let lab = try CapturedLab()
            try lab.world.ask("serve 80")
            try lab.application.ask("dial out \(at.service) 80")
            try lab.world.ask("dial in \(at.workload) 80")
            try lab.world.ask("dial tunnel \(at.workload) 15008")
            #expect(try lab.daemon.ask("accepted 3").split(separator: ",").count == 3)
            func captured(_ when: Comment) throws {
                #expect(try lab.application.ask("echo out") == "ok", when)
                #expect(try lab.world.ask("echo in") == "ok", when)
                #expect(try lab.world.ask("echo-turned tunnel") == "ok", when)
            }
            try lab.lab.beginRelease()
            try captured("draining")
            try lab.application.ask("dial free-out \(at.service) 80")
            try lab.world.ask("dial free-in \(at.workload) 80")
            func free(_ when: Comment) throws {
                #expect(try lab.application.ask("echo free-out") == "ok", when)
                #expect(try lab.world.ask("echo free-in") == "ok", when)
            }
            try free("draining")
            #expect(try lab.daemon.ask("accepted 0") == "none")
            Thread.sleep(.milliseconds(200))
            try lab.lab.workload.shell("nft delete table inet warren")
            try lab.lab.restore()
            try captured("restored while draining")
            try free("restored while draining")
            // The label comes back: free ones stay free, captured ones captured.
            try lab.lab.install()
            try captured("captured again")
            try free("captured again")
            try lab.application.ask("dial again \(at.service) 80")
            #expect(try lab.daemon.ask("accepted 1").hasPrefix("15001"))
            try lab.lab.beginRelease()
            try lab.lab.finishRelease()
            try free("released")
        }

        /// The set of old connections, and what connection tracking remembers of free ones, must not open a door for new connections.
        @Test(arguments: Addresses.both)
        func `I01 a new connection with the addresses and ports of a free one that ended unseen is captured`(_ at: Addresses)
            throws
        {
            let lab = try CapturedLab(isCaptured: false)
            try lab.world.ask("serve 80")
            #expect(try lab.application.ask("bound old \(at.service) 80 45000") == "open")
            try lab.lab.install()
            try lab.lab.beginRelease()
            #expect(try lab.application.ask("bound free \(at.service) 80 45001") == "open")
            try lab.lab.install()
            #expect(try lab.world.ask("accepted 2") == "\(at.workload) 45000, \(at.workload) 45001")
            // Both ends are gone, but their resets never got as far as connection tracking: to it they are still open.
            for hook in ["output", "prerouting"] {
                let chain = "chain a { type filter hook \(hook) priority -400; tcp flags & rst == rst drop; }"
                try lab.lab.workload.run("nft", "table inet hide-\(hook) { \(chain); }")
            }
            try lab.application.ask("abort old")
            try lab.application.ask("abort free")
            try lab.world.ask("brittle")
            lab.world.kill()
            try lab.lab.workload.shell("nft delete table inet hide-output; nft delete table inet hide-prerouting")
            let world = try Peer(in: lab.lab.world)
            try world.ask("serve 80")
            try world.ask("serve-turned 15008")
            for port in [45000, 45001] {
                #expect(try lab.application.ask("bound new\(port) \(at.service) 80 \(port)") == "open")
                #expect(try lab.application.ask("echo new\(port)") == "ok")
            }
            #expect(try lab.daemon.ask("accepted 2").split(separator: ",").count == 2)
        }

        @Test(arguments: Addresses.both)
        func `I02 no request fails while capture comes and goes under traffic`(_ at: Addresses) throws {
            let lab = try CapturedLab(isCaptured: false)
            try lab.world.ask("serve 80")
            try lab.application.ask("hammer out \(at.service) 80")
            try lab.world.ask("hammer in \(at.workload) 80")
            for _ in 0..<3 {
                try lab.lab.install()
                Thread.sleep(.milliseconds(100))
                try lab.lab.beginRelease()
                // What is captured is short; the drain waits for it.
                Thread.sleep(.milliseconds(300))
                try lab.lab.finishRelease()
            }
            #expect(try lab.application.ask("calm out") == "ok")
            #expect(try lab.world.ask("calm in") == "ok")
            #expect(try lab.daemon.ask("accepted 1") != "none")
        }

        @Test(arguments: Addresses.both)
        func `I02 replacing the rules cuts no captured connection`(_ at: Addresses) throws {
            let lab = try CapturedLab()
            try lab.application.ask("dial out \(at.service) 80")
            try lab.world.ask("dial in \(at.workload) 80")
            var options = Capture.Options()
            for isDropping in [true, false, true] {
                options.otherProtocols = isDropping ? .drop : .allow
                try lab.lab.install(options)
                #expect(try lab.application.ask("echo out") == "ok")
                #expect(try lab.world.ask("echo in") == "ok")
            }
        }

        /// Half-closed and silent for longer than connection tracking keeps such connections, then tracking emptied, then all rules gone: the
        /// goodbye of the other side still arrives, in both directions, and nothing of it is on the wire.
        @Test(arguments: Addresses.both, [true, false])
        func `I03 captured connections need neither conntrack nor rules`(_ at: Addresses, isLoose: Bool) throws {
            let lab = try CapturedLab()
            let timeouts = ["close_wait", "fin_wait", "last_ack"].map { "net.netfilter.nf_conntrack_tcp_timeout_\($0)=1" }
            try lab.lab.workload.shell(
                "sysctl -qw net.netfilter.nf_conntrack_tcp_loose=\(isLoose ? 1 : 0) \(timeouts.joined(separator: " "))")
            try lab.application.ask("dial out \(at.service) 80")
            try lab.application.ask("dial live \(at.service) 80")
            try lab.world.ask("dial in \(at.workload) 15008")
            func live() throws {
                #expect(try lab.application.ask("echo live") == "ok")
                #expect(try lab.world.ask("leaks") == "0")
            }
            #expect(try lab.application.ask("echo out") == "ok")
            #expect(try lab.world.ask("echo-turned in") == "ok")
            try lab.application.ask("end out")
            try lab.world.ask("end in")
            Thread.sleep(.seconds(2))
            try lab.lab.workload.run("conntrack", "-F")
            try live()
            try lab.lab.workload.run("nft", "flush", "ruleset")
            try live()
            try lab.world.ask("finish")
            try lab.application.ask("finish")
            #expect(try lab.application.ask("rest out") == "SECRET goodbye")
            #expect(try lab.world.ask("rest-turned in") == "SECRET goodbye")
            try lab.lab.restore()
            try live()
        }

        /// A release that can't wait: the daemon should have ended them, but if it didn't nothing may leave in clear.
        @Test(arguments: Addresses.both)
        func `I01 captured connections end with the rules, and nothing else does`(_ at: Addresses) throws {
            let lab = try CapturedLab(isCaptured: false)
            try lab.world.ask("serve 80")
            try lab.application.ask("dial before \(at.service) 80")
            try lab.application.ask("dial own \(at.workload) 80")
            try lab.lab.install()
            try lab.application.ask("dial out \(at.service) 80")
            try lab.world.ask("dial in \(at.workload) 15008")
            #expect(try lab.application.ask("echo out") == "ok")
            #expect(try lab.world.ask("echo-turned in") == "ok")
            // Sent in clear by the one that is older than capture, and so no leak of ours.
            #expect(try lab.application.ask("echo before") == "ok")
            let leaks = try lab.world.ask("leaks")
            try lab.lab.finishRelease()
            #expect(try lab.application.ask("echo out").hasPrefix("failed"))
            #expect(try !lab.world.ask("echo-turned in").hasPrefix("ok"))
            #expect(try lab.world.ask("leaks") == leaks)
            #expect(try lab.application.ask("echo before") == "ok")
            #expect(try lab.application.ask("echo own") == "ok")
        }

        @Test(arguments: Addresses.both)
        func `I02 old connections that are never silent go on while rules are replaced and put back`(_ at: Addresses) throws {
            let lab = try CapturedLab(isCaptured: false)
            try lab.world.ask("serve 80")
            try lab.application.ask("dial busy \(at.service) 80")
            try lab.application.ask("chat busy")
            try lab.lab.install()
            var options = Capture.Options()
            for isDropping in [true, false] {
                options.otherProtocols = isDropping ? .drop : .allow
                try lab.lab.install(options)
                try lab.lab.workload.run("nft", "add", "chain", "inet", "warren", "strange")
                try lab.lab.capture.restore(lab.lab.workload.open(), name: "web", options)
            }
            try lab.lab.beginRelease()
            try lab.lab.install()
            try lab.lab.beginRelease()
            try lab.lab.finishRelease()
            #expect(try lab.application.ask("calm busy") == "ok")
        }

        @Test(arguments: Addresses.both)
        func `I03 with the rules flushed no new connection leaves in clear`(_ at: Addresses) throws {
            let lab = try CapturedLab()
            try lab.world.ask("serve 8080")
            try lab.lab.workload.run("nft", "flush", "ruleset")
            #expect(try lab.application.ask("dial a \(at.service) 8080").hasPrefix("failed "))
            #expect(try lab.world.ask("accepted 0") == "none")
            try lab.lab.restore()
            #expect(try lab.application.ask("dial a \(at.service) 8080").hasPrefix("open "))
        }

        @Test(arguments: Addresses.both)
        func `I03 with the policy rules gone nothing leaves in clear, and open connections wait for them`(_ at: Addresses) throws
        {
            let lab = try CapturedLab()
            try lab.world.ask("serve 8080")
            try lab.application.ask("dial open \(at.service) 80")
            try lab.lab.workload.shell(
                "ip -4 rule del pref 53; ip -6 rule del pref 53; ip -4 rule del pref 54; ip -6 rule del pref 54")
            #expect(try lab.application.ask("dial a \(at.service) 8080") == "failed Connection refused")
            try lab.application.ask("say open")
            try lab.lab.restore()
            #expect(try lab.application.ask("hear open") == "ok")
            #expect(try lab.world.ask("leaks") == "0")
        }
    }
}
