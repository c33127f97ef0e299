// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// Invariants that no other suite shows.
    @Suite struct Invariants {
        @Test(arguments: Family.allCases)
        func `I01 an attacker who resets 15008 gets no byte in clear`(family: Family) throws {
            let mesh = try MeshLab { $0["timeouts.connect"] = "2s" }
            let (client, server) = (try mesh.add("client", on: 0), try mesh.add("server", on: 1))
            mesh.mesh.service("shop", addresses: ["10.96.0.1", "fd96::1"], port: 80, target: 8080, app: "server")
            try mesh.start()
            let echo = try server.serve("echo", port: 8080)
            let capture = try mesh.lab.capture()
            #expect(try client.call("echo", server.address(family), port: 8080).echoed)
            let holder = try client.startClient("hold", server.address(family), port: 8080)
            _ = try holder.event("holding")
            try mesh.lab.hosts[1].sh(
                """
                nft 'add table inet attack; add chain inet attack forward { type filter hook forward priority 0; }
                     add rule inet attack forward tcp dport 15008 reject with tcp reset'
                """)
            for address in [server.address(family), family == .v4 ? "10.96.0.1" : "fd96::1"] {
                let port = address.contains("96.0.1") || address == "fd96::1" ? 80 : 8080
                let result = try client.call("echo", address, port: port)
                #expect(result["end"] == "reset" || result["end"] == "refused", "\(address): \(result)")
            }
            #expect(try holder.result().int("alive") == 0)
            let packets = try capture.finish()
            #expect(packets.filter(\.isSYN).allSatisfy { $0.destinationPort == 15008 })
            #expect(!packets.contains { $0.holds("cleartext") || $0.holds("turn ") })
            try mesh.lab.hosts[1].sh("nft delete table inet attack")
            #expect(try client.call("echo", server.address(family), port: 8080).echoed)
            #expect(echo.isRunning)
        }

        @Test func `I05 only TCP is captured: UDP passes, or is dropped where the mesh says so`() throws {
            let mesh = try MeshLab()
            let (client, server) = (try mesh.add("client", on: 0), try mesh.add("server", on: 1))
            try mesh.start()
            let udp = try server.start(Peer.command("udp", ["serve", "5000"]))
            try udp.waitFor("listening")
            for family in Family.allCases {
                #expect(try client.run(Peer.command("udp", ["ask", server.address(family), "5000"])).succeeded)
            }
            #expect(try mesh.nodes[0].warren("workloads").out.contains("TCP"))
            mesh.mesh.set(
                "Namespace//default",
                "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {istio.io/dataplane-mode: ambient}, annotations: "
                    + "{warren.dev/capture-non-tcp: drop}}"
            )
            try mesh.apply()
            for family in Family.allCases {
                try waitUntil("UDP is dropped over \(family)") {
                    try !client.run(Peer.command("udp", ["ask", server.address(family), "5000"])).succeeded
                }
            }
            let echo = try server.serve("echo", port: 8080)
            for family in Family.allCases {
                #expect(try client.call("echo", server.address(family), port: 8080).echoed)
            }
            #expect(echo.isRunning)
        }

        @Test func `I05 a namespace without a route to the services is found by check, which prints the command`() throws {
            let mesh = try MeshLab(hosts: 1)
            let client = try mesh.add("client", on: 0)
            mesh.mesh.service("shop", addresses: ["10.96.0.1"], port: 80, target: 8080, app: "client")
            try mesh.start()
            try client.sh("ip route delete default")
            let check = try mesh.nodes[0].warren("check")
            #expect(check.out.contains("ip -n client route add 10.96.0.1"), "\(check.out)")
        }

        @Test func `I06 a forged probe source gets nothing, from a neighbour or from another host`() throws {
            let mesh = try MeshLab()
            let server = try mesh.add("server", on: 0)
            let neighbour = try mesh.addStranger("neighbour", on: 0)
            let remote = try mesh.addStranger("remote", on: 1)
            mesh.mesh.plaintext(.strict)
            try mesh.start()
            let echo = try server.serve("echo", port: 8080)
            let forged = ["169.254.7.127", "fd16:9254:7127:1337:ffff:ffff:ffff:ffff"]
            for forger in [neighbour, remote] {
                try forger.sh("ip addr add \(forged[0])/32 dev lo; ip addr add \(forged[1])/128 dev lo nodad")
            }
            // So that replies would find the forger, if any were sent.
            try server.sh(
                "ip route add \(forged[0]) via \(neighbour.address); ip route add \(forged[1]) via \(neighbour.address6)")
            for forger in [neighbour, remote] {
                for (source, target) in zip(forged, [server.address, server.address6]) {
                    let result = try forger.call("echo", target, port: 8080, "--source", source, "--seconds", "2")
                    #expect(!result.echoed && result.int("received") == 0, "\(forger.name) as \(source): \(result)")
                }
            }
            #expect(echo.events("accepted").isEmpty)
        }

        @Test func `I06 a named user of the host may probe the named port, nobody else may`() throws {
            let mesh = try MeshLab(hosts: 1) { $0["probes.allow"] = "[{user: 1001, ports: [8080]}]" }
            let server = try mesh.add("server", on: 0)
            let neighbour = try mesh.addStranger("neighbour", on: 0)
            mesh.mesh.plaintext(.strict)
            try mesh.start()
            let servers = try [8080, 8081].map { try server.serve("echo", port: $0) }
            let host = mesh.lab.hosts[0]
            func probe(_ place: some LabPlace, user: Int, port: Int) throws -> Bool {
                let command = Peer.command("client", ["echo", server.address, "\(port)", "--seconds", "3"])
                let outcome = try place.run(["setpriv", "--reuid", "\(user)", "--clear-groups"] + command)
                return PeerEvent.all(in: outcome.out).last?.echoed == true
            }
            #expect(try probe(host, user: 1001, port: 8080), "\(mesh.accessLog)")
            #expect(try !probe(host, user: 1001, port: 8081))
            #expect(try !probe(host, user: 1002, port: 8080))
            #expect(try !probe(neighbour, user: 1001, port: 8080))
            #expect(servers.allSatisfy { $0.isRunning })
        }

        /// 60,000 connections through two daemons, a Python client and nginx on two cores take half a minute.
        @Test func `I15 60,000 short connections from one address, and 20,000 at once`() throws {
            let mesh = try MeshLab { config in
                config["limits.tunnelsPerPair"] = "200"
                config["log.access"] = "failures"
            }
            let (client, server) = (try mesh.add("client", on: 0), try mesh.add("server", on: 1))
            try mesh.start()
            let nginx = try server.startNginx(port: 8080, body: "ok")
            let many = { (arguments: [String]) in
                let outcome = try client.run(Peer.command("many", [server.address, "8080"] + arguments), seconds: 180)
                guard let result = PeerEvent.all(in: outcome.out).last else { throw LabFailure(description: "\(outcome)") }
                return result
            }
            let short = try many(["--count", "60000", "--parallel", "200"])
            #expect(short.int("answered") == 60_000, "\(short)\n\(mesh.accessLog)")
            // Fewer where a process may not have so many descriptors; each of the four programs needs one per connection.
            let count = min(20_000, Machine.descriptorLimit * 3 / 4)
            let held = try many(["--count", "\(count)", "--parallel", "500", "--hold"])
            #expect(held.int("answered") == count && held.int("open") == count, "\(held)\n\(mesh.accessLog)")
            try waitUntil("all are gone", seconds: 5) {
                try mesh.nodes.allSatisfy { try $0.admin("connections").int("total") == 0 }
            }
            // The client ended all of them at once: the last acknowledgements came from sockets that were gone already.
            try waitUntil("no end waits for its acknowledgement", seconds: 5) {
                try client.sockets("-t", "state", "last-ack").isEmpty
            }
            #expect(nginx.isRunning)
        }

        @Test func `without descriptors accepting slows, nothing spins, admin answers, and it recovers`() throws {
            let mesh = try MeshLab(hosts: 2) { $0["limits.reservedDescriptors"] = "32" }
            for node in mesh.nodes { node.descriptors = 400 }
            let (client, server) = (try mesh.add("client", on: 0), try mesh.add("server", on: 1))
            try mesh.start()
            let echo = try server.serve("echo", port: 8080)
            let holder = try client.startClient(
                "hold", server.address, port: 8080, "--count", "600", "--seconds", "1", "--pause", "0.5")
            usleep(3_000_000)
            let pid = try #require(mesh.nodes[0].daemon?.pid)
            let before = try Self.processorTicks(pid)
            usleep(2_000_000)
            #expect(try Self.processorTicks(pid) - before < 100, "half a processor for nothing")
            #expect(try mesh.nodes[0].admin("status")["ready"] == "true")
            holder.stop(SIGKILL)
            try waitUntil("it works again", seconds: 3) {
                try client.call("echo", server.address, port: 8080, "--seconds", "2").echoed
            }
            #expect(echo.isRunning)
        }

        /// Processor time used, in hundredths of a second.
        private static func processorTicks(_ pid: Int32) throws -> Int {
            let fields = try Files.text("/proc/\(pid)/stat").split(separator: ")").last?.split(separator: " ") ?? []
            return (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0)
        }
    }
}
