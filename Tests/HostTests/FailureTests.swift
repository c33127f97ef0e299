// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// Daemons, tunnels, rules and certificates come to grief; applications learn it, and never more than is true.
    @Suite struct Failures {
        private func stage(_ configure: (inout LabConfig) -> Void = { _ in }) throws -> (MeshLab, LabWorkload, LabWorkload) {
            let mesh = try MeshLab(hosts: 2, configure: configure)
            let client = try mesh.add("client", on: 0)
            let server = try mesh.add("server", on: 1)
            try mesh.start()
            return (mesh, client, server)
        }

        /// How a transfer is broken while it runs.
        enum Break: String, CaseIterable, CustomStringConvertible {
            case clientDaemonKilled = "the client's daemon is killed"
            case serverDaemonKilled = "the server's daemon is killed"
            case tunnelReset = "the tunnel's connection is reset"
            case tunnelKilledAtServer = "the tunnel's connection is destroyed at the server"
            var description: String { rawValue }
        }

        @Test(arguments: Break.allCases)
        func `I12 mid-transfer no application is told an end that nobody made`(how: Break) throws {
            let (mesh, client, server) = try stage()
            let drip = try server.serve("drip", port: 8080)
            let sink = try server.serve("sink", port: 8081)
            let reader = try client.startClient("receive", server.address, port: 8080, "--seconds", "60")
            let writer = try client.startClient("hold", server.address, port: 8081)
            for application in [drip, sink] { _ = try application.event("accepted") }
            usleep(300_000)
            switch how {
            case .clientDaemonKilled: mesh.nodes[0].stop(SIGKILL)
            case .serverDaemonKilled: mesh.nodes[1].stop(SIGKILL)
            case .tunnelReset: try client.sh("ss -K dst \(server.address) dport = :15008")
            case .tunnelKilledAtServer: try server.sh("ss -K src \(server.address) sport = :15008")
            }
            let read = try reader.event("result", seconds: 4)
            #expect(read["end"] == "reset", "\(read)\n\(mesh.accessLog)")
            for application in [drip, sink] {
                let end = try application.event("ended", seconds: 4)
                #expect(end["end"] == "reset", "\(end)\n\(mesh.accessLog)")
            }
            writer.stop(SIGKILL)
        }

        @Test(arguments: ["same host", "plain"])
        func `I12 without a tunnel the same holds when the daemon is killed`(path: String) throws {
            let mesh = try MeshLab(hosts: 1)
            let client = try mesh.add("client", on: 0)
            let server = path == "plain" ? try mesh.addStranger("server", on: 0) : try mesh.add("server", on: 0)
            try mesh.start()
            let drip = try server.serve("drip", port: 8080)
            let reader = try client.startClient("receive", server.address, port: 8080, "--seconds", "60")
            _ = try drip.event("accepted")
            usleep(300_000)
            mesh.nodes[0].stop(SIGKILL)
            #expect(try reader.event("result", seconds: 4)["end"] == "reset")
            #expect(try drip.event("ended", seconds: 4)["end"] == "reset")
        }

        @Test func `the daemon is killed and restarted: new connections work at once, with the kept keys`() throws {
            let (mesh, client, server) = try stage()
            let echo = try server.serve("echo", port: 8080)
            #expect(try client.call("echo", server.address, port: 8080).echoed)
            for node in mesh.nodes {
                let serials = try node.list("certificates").map(\.description)
                node.stop(SIGKILL)
                try node.start()
                try mesh.waitCaptured()
                #expect(try client.call("echo", server.address, port: 8080).echoed, "\(mesh.accessLog)")
                let again = try node.list("certificates").map(\.description)
                #expect(serials.count == again.count)
                let modes = try node.host.sh("find /run/warren -type f -path '*key*' -exec stat -c %a {} +").split(
                    separator: "\n")
                #expect(modes.allSatisfy { $0 == "600" }, "\(modes)")
            }
            #expect(echo.isRunning)
        }

        @Test func `SIGTERM lets open connections finish, and takes no new ones`() throws {
            let (mesh, client, server) = try stage { $0["timeouts.drain"] = "5s" }
            let echo = try server.serve("echo", port: 8080)
            let holder = try client.startClient("hold", server.address, port: 8080, "--count", "5")
            _ = try holder.event("holding")
            mesh.nodes[1].daemon?.signal(SIGTERM)
            usleep(1_000_000)
            #expect(mesh.nodes[1].daemon?.isRunning == true)
            #expect(try holder.result().int("alive") == 5)
            try waitUntil("the daemon has ended", seconds: 6) { mesh.nodes[1].daemon?.isRunning == false }
            #expect(mesh.nodes[1].daemon?.status == 0)
            #expect(echo.isRunning)
        }

        @Test
        func `I09 I10 certificates are renewed under traffic with fresh keys: no request fails, old tunnels take no new stream`()
            throws
        {
            let (mesh, client, server) = try stage {
                $0["identity.lifetime"] = "12s"
            }
            let echo = try server.serve("echo", port: 8080)
            let steady = try client.startClient("steady", server.address, port: 8080, "--count", "2", "--pause", "0.02")
            let holder = try client.startClient("hold", server.address6, port: 8080, "--count", "5")
            _ = try holder.event("holding")
            let capture = try mesh.lab.capture()
            let count = { mesh.nodes[0].log.split(separator: "\n").count { $0.contains("renewed the certificate") } }
            let before = count()
            usleep(25_000_000)
            let renewals = count() - before
            #expect(renewals >= 3)
            let result = try steady.result()
            #expect(result.int("failed") == 0 && result.int("requests") > 100, "\(result)\n\(mesh.accessLog)")
            #expect(try holder.result().int("alive") == 5, "open streams finish")
            let packets = try capture.finish()
            #expect(!packets.contains { $0.holds("request") }, "no byte in clear")
            let tunnels = packets.filter { $0.isSYN && $0.destination == server.address && $0.destinationPort == 15008 }.count
            #expect(tunnels >= renewals, "each of \(renewals) renewals makes new tunnels")
            #expect(echo.isRunning)
        }

        @Test func `a peer of another authority is refused by name of the reason, and nothing leaves in clear`() throws {
            let mesh = try MeshLab(hosts: 2)
            let (client, server) = (try mesh.add("client", on: 0), try mesh.add("server", on: 1))
            try TestAuthority.stranger.get().install(on: mesh.nodes[1].host)
            try mesh.start()
            let echo = try server.serve("echo", port: 8080)
            let capture = try mesh.lab.capture()
            #expect(try client.call("echo", server.address, port: 8080)["end"] == "reset")
            #expect(
                try capture.finish().allSatisfy { $0.payload.isEmpty || $0.destinationPort == 15008 || $0.sourcePort == 15008 })
            let line = try mesh.nodes[0].accessLine("the reason") { $0["error"] != nil && $0["direction"] == "outbound" }
            #expect(line["response_flags"] == "TLS_FAILURE" || line["response_flags"] == "IDENTITY_ERROR", "\(line)")
            #expect(echo.events("accepted").isEmpty)
        }

        @Test func `I03 rules that somebody flushes are put back, counted, and break nothing`() throws {
            let (mesh, client, server) = try stage { $0["capture.checkInterval"] = "500ms" }
            let echo = try server.serve("echo", port: 8080)
            let holder = try client.startClient("hold", server.address, port: 8080, "--count", "5")
            _ = try holder.event("holding")
            let state = try [client, server].map { try $0.networkState() }
            let capture = try mesh.lab.capture()
            for workload in [client, server] { try workload.sh("nft flush ruleset; conntrack -F 2>/dev/null || true") }
            usleep(500_000)
            for (workload, before) in zip([client, server], state) {
                try waitUntil("rules are back in \(workload.name)", seconds: 3) { try workload.networkState() == before }
            }
            #expect(try holder.result().int("alive") == 5)
            #expect(try !capture.finish().contains { $0.holds("turn ") || $0.holds("last") }, "what was open stays in its tunnel")
            #expect(try client.call("echo", server.address, port: 8080).echoed)
            #expect(try mesh.nodes.allSatisfy { try $0.metrics().contains("restor") }, "restoring is counted")
            #expect(echo.isRunning)
        }

        @Test func `I03 rules that are flushed again and again under traffic break no connection`() throws {
            let (mesh, client, server) = try stage { $0["capture.checkInterval"] = "300ms" }
            let echo = try server.serve("echo", port: 8080)
            // Connection tracking knows the connections, since it isn't emptied, and each has segments on the way at every moment.
            let busy = try client.startClient("hold", server.address, port: 8080, "--count", "8", "--pause", "0.001")
            _ = try busy.event("holding")
            for _ in 0..<8 {
                for workload in [client, server] { try workload.sh("nft flush ruleset") }
                for (node, workload) in zip(mesh.nodes, [client, server]) {
                    try waitUntil("rules are back in \(workload.name)", seconds: 3, detail: { node.log.suffix(2000).description })
                    {
                        try workload.sh("nft list ruleset").contains("chain guard")
                    }
                }
                usleep(200_000)
            }
            #expect(try busy.result().int("alive") == 8, "\(mesh.accessLog)")
            #expect(echo.isRunning)
        }

        @Test(arguments: Family.allCases)
        func `I03 half-closed and silent for longer than conntrack remembers, the reply still arrives`(family: Family) throws {
            let (mesh, client, server) = try stage()
            let digest = try server.serve("digest", port: 8080)
            for workload in [client, server] {
                try workload.sh(
                    "sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_close_wait=1 net.netfilter.nf_conntrack_tcp_timeout_fin_wait=1 "
                        + "net.netfilter.nf_conntrack_tcp_loose=0"
                )
            }
            let capture = try mesh.lab.capture()
            let slow = try server.start(Peer.command("late_answer", ["--port", "8081", "--delay", "5"]))
            try slow.waitFor("listening")
            let result = try client.call("send", server.address(family), port: 8081, "--bytes", "100000")
            #expect(result["end"] == "fin" && result.int("received") == 100_000, "\(result)\n\(mesh.accessLog)")
            #expect(try !capture.finish().contains { $0.holds("cleartext") })
            #expect(digest.isRunning)
        }
    }
}
