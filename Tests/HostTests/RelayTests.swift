// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// What applications send arrives: all of it, in both directions, with its ends, and hidden on the wire.
    @Suite struct Relay {
        /// The three ways that bytes go.
        enum Path: String, CaseIterable, CustomStringConvertible {
            case tunnel
            case sameHost = "same host"
            case plain = "plain"
            var description: String { rawValue }
        }

        /// A mesh of two captured workloads, or of one and a stranger, that reach each other by a path.
        private func mesh(_ path: Path) throws -> (mesh: MeshLab, client: LabWorkload, server: LabWorkload) {
            let mesh = try MeshLab()
            let client = try mesh.add("client", on: 0)
            let server =
                switch path {
                case .tunnel: try mesh.add("server", on: 1)
                case .sameHost: try mesh.add("server", on: 0)
                case .plain: try mesh.addStranger("server", on: 1)
                }
            try mesh.start()
            return (mesh, client, server)
        }

        @Test(arguments: Path.allCases)
        func `a server that speaks first is heard`(path: Path) throws {
            let (mesh, client, server) = try mesh(path)
            let application = try server.serve("greet", port: 25)
            for family in Family.allCases {
                let result = try client.call("greet", server.address(family), port: 25)
                #expect(result["banner"] == "220 ready\r\n" && result["answer"] == "HELO\r\n", "\(result)\n\(mesh.accessLog)")
            }
            #expect(application.isRunning)
        }

        @Test(arguments: Path.allCases)
        func `half-close works both ways`(path: Path) throws {
            let (mesh, client, server) = try mesh(path)
            let digest = try server.serve("digest", port: 8080)
            let announce = try server.serve("announce", port: 8081, "--bytes", "3000000")
            let first = try client.call("send", server.address, port: 8080, "--bytes", "5000000")
            #expect(
                first["end"] == "fin" && first["text"] == "5000000 \(first["sent_sha256"] ?? "?")\n",
                "\(first)\n\(mesh.accessLog)")
            let second = try client.call("send", server.address, port: 8081, "--bytes", "5000000")
            let seen = try announce.event("ended")
            #expect(
                second["end"] == "fin" && second["sha256"] == seen["sent_sha256"] && second.int("received") == 3_000_000,
                "\(second)")
            #expect(
                seen["end"] == "fin" && seen["sha256"] == second["sent_sha256"] && seen.int("received") == 5_000_000, "\(seen)")
            #expect(digest.isRunning)
        }

        @Test(arguments: Path.allCases)
        func `a reset stays a reset, from either side`(path: Path) throws {
            let (mesh, client, server) = try mesh(path)
            let resetting = try server.serve("reset", port: 8080)
            let result = try client.call("echo", server.address, port: 8080)
            #expect(result["end"] == "reset", "\(result)\n\(mesh.accessLog)")
            let dripping = try server.serve("drip", port: 8081)
            let caller = try client.startClient("receive", server.address, port: 8081)
            _ = try dripping.event("accepted")
            // Killed with unread bytes in its socket, an application resets.
            caller.signal(SIGSTOP)
            usleep(300_000)
            caller.stop(SIGKILL)
            #expect(try dripping.event("ended")["end"] == "reset", "\(mesh.accessLog)")
            #expect(resetting.isRunning)
        }

        @Test(arguments: Path.allCases)
        func `1 GiB each way arrives unchanged`(path: Path) throws {
            let (mesh, client, server) = try mesh(path)
            let size = 1 << 30
            let digest = try server.serve("digest", port: 8080)
            let send = try server.serve("send", port: 8081, "--bytes", "\(size)")
            let up = try client.call("send", server.address, port: 8080, "--bytes", "\(size)", seconds: 120)
            #expect(up["text"] == "\(size) \(up["sent_sha256"] ?? "?")\n", "\(up)\n\(mesh.accessLog)")
            let down = try client.call("receive", server.address6, port: 8081, seconds: 120)
            let sent = try send.event("ended")
            #expect(
                down.int("received") == size && down["sha256"] == sent["sha256"] && down["end"] == "fin",
                "\(down)\n\(mesh.accessLog)")
            #expect(digest.isRunning)
        }

        @Test func `2,000 concurrent connections each echo`() throws {
            let (mesh, client, server) = try mesh(.tunnel)
            let echo = try server.serve("echo", port: 8080)
            let holder = try client.startClient("hold", server.address, port: 8080, "--count", "2000")
            let holding = try holder.event("holding", seconds: 6)
            #expect(holding.int("opened") == 2000, "\(holding)")
            #expect(try mesh.nodes[0].admin("connections").int("total") == 2000)
            let tunnels = try mesh.nodes[0].list("tunnels")
            #expect(tunnels.count > 1 && tunnels.allSatisfy { $0.int("streams") <= 100 }, "\(tunnels.map(\.description))")
            let result = try holder.result(seconds: 60)
            #expect(result.int("alive") == 2000 && result["ended"] == nil && result.int("turns") > 0, "\(result)")
            try waitUntil("connections are gone") { try mesh.nodes[0].admin("connections").int("total") == 0 }
            #expect(echo.isRunning)
        }

        @Test func `no payload byte is in clear on the wire, and both ends know each other`() throws {
            let (mesh, client, server) = try mesh(.tunnel)
            let echo = try server.serve("echo", port: 8080)
            let capture = try mesh.lab.capture()
            for family in Family.allCases {
                #expect(try client.call("echo", server.address(family), port: 8080, "--bytes", "1000000").echoed)
            }
            let packets = try capture.finish()
            #expect(!packets.contains { $0.holds("cleartext") })
            #expect(packets.filter(\.isSYN).allSatisfy { $0.destinationPort == 15008 })
            #expect(packets.filter(\.isSYN).count >= 2)
            for node in mesh.nodes {
                let line = try node.accessLine("both identities") { $0["src.identity"] != nil && $0["dst.identity"] != nil }
                #expect(line["src.identity"] == "spiffe://cluster.local/ns/default/sa/client", "\(line)")
                #expect(line["dst.identity"] == "spiffe://cluster.local/ns/default/sa/server", "\(line)")
                #expect(line.int("bytes_sent") == 1_000_000 && line.int("bytes_recv") == 1_000_000, "\(line)")
            }
            #expect(echo.isRunning)
        }

        @Test(arguments: Path.allCases)
        func `a reader that stops stops the writer, in bounded memory, and nobody else`(path: Path) throws {
            let (mesh, client, server) = try mesh(path)
            let silent = try server.serve("silent", port: 8080)
            let echo = try server.serve("echo", port: 8081)
            _ = try client.call("echo", server.address, port: 8081)
            let before = mesh.nodes.map { $0.daemon?.residentKiB ?? 0 }
            let result = try client.call("stall", server.address, port: 8080, "--bytes", "\(1 << 30)", "--seconds", "8")
            #expect(result.int("sent") > 0 && result.int("sent") < 64 << 20, "\(result)")
            for (node, memory) in zip(mesh.nodes, before) {
                #expect((node.daemon?.residentKiB ?? 0) - memory < 32 << 10, "grew from \(memory) KiB")
            }
            #expect(try client.call("echo", server.address, port: 8081).echoed)
            #expect(silent.isRunning && echo.isRunning)
        }

        @Test func `curl gets pages from nginx across hosts, by address and by service`() throws {
            let (mesh, client, server) = try mesh(.tunnel)
            mesh.mesh.service("shop", addresses: ["10.96.0.7", "fd96::7"], port: 80, target: 8080, app: "server")
            try mesh.apply()
            let nginx = try server.startNginx(port: 8080, body: "hello from nginx")
            for address in [server.address + ":8080", "[\(server.address6)]:8080", "10.96.0.7", "[fd96::7]"] {
                let outcome = try client.run(["curl", "-sS", "-m5", "http://\(address)/"])
                #expect(outcome.out == "hello from nginx", "\(address): \(outcome)\n\(mesh.accessLog)")
            }
            #expect(nginx.isRunning)
        }
    }
}
