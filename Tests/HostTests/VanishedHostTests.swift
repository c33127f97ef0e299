// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// Hosts vanish without a word: packets are dropped, and nobody says so. Who is gone is found out; who is only quiet, or slow, isn't cut.
    /// Each takes about ten seconds, since it outwaits the shortest patience that can be configured.
    @Suite struct VanishedHosts {
        /// The shortest patience that can be configured.
        private static func impatient(_ config: inout LabConfig) {
            config["tunnel.pingInterval"] = "1s"
            config["tunnel.pingTimeout"] = "1s"
            config["keepalive.idle"] = "1s"
            config["keepalive.interval"] = "1s"
            config["keepalive.probes"] = "1"
            config["keepalive.userTimeout"] = "2s"
        }

        /// A PING is sent at the second tick at the latest, and the tunnel given up two later; TCP probes after one second and gives up a second
        /// after its time.
        private static let bound = 4.0

        /// From now on nothing passes between the workloads of two hosts, either way.
        private func part(_ first: LabNode, from second: LabNode) throws {
            let (a, b) = (AddressPlan.pods(first.host.number), AddressPlan.pods(second.host.number))
            try second.host.sh(
                """
                nft -f - <<END
                table inet parted {
                  chain forward {
                    type filter hook forward priority 0
                    ip saddr \(a) ip daddr \(b) counter drop
                    ip saddr \(b) ip daddr \(a) counter drop
                  }
                }
                END
                """)
        }

        @Test
        func `I14 two hosts lose each other: both ends learn it within the bound, quiet or not, and who is elsewhere stays`()
            throws
        {
            let mesh = try MeshLab(hosts: 3, configure: Self.impatient)
            let client = try mesh.add("client", on: 0)
            let near = try mesh.add("near", on: 0)
            let server = try mesh.add("server", on: 1)
            let other = try mesh.add("other", on: 2)
            let stranger = try mesh.addStranger("stranger", on: 2)
            try mesh.start()
            let bystanders = try [near, other, stranger].map { place in
                let server = try place.serve("echo", port: 8080)
                let holder = try client.startClient("hold", place.address, port: 8080, "--pause", "600")
                #expect(try holder.event("holding").int("opened") == 1)
                return (server, holder)
            }
            let quiet = try server.serve("sink", port: 8080)
            let drip = try server.serve("drip", port: 8081)
            let listener = try client.startClient("receive", server.address, port: 8080, "--seconds", "60")
            let reader = try client.startClient("receive", server.address, port: 8081, "--seconds", "60")
            for application in [quiet, drip] { _ = try application.event("accepted") }
            // Live and silent for longer than the patience of all: nothing happens.
            usleep(UInt32(1.2 * Self.bound * 1e6))
            for process in [listener, reader] { #expect(process.events("result").isEmpty, "\(mesh.accessLog)") }
            for application in [quiet, drip] { #expect(application.events("ended").isEmpty, "\(mesh.accessLog)") }

            try part(mesh.nodes[0], from: mesh.nodes[1])
            for process in [listener, reader] {
                let result = try process.event("result", seconds: Self.bound)
                #expect(result["end"] == "reset", "\(result)\n\(mesh.accessLog)")
            }
            for application in [quiet, drip] {
                let end = try application.event("ended", seconds: Self.bound)
                #expect(end["end"] == "reset", "\(end)\n\(mesh.accessLog)")
            }
            for node in mesh.nodes.prefix(2) {
                _ = try node.accessLine("why") { $0["error"]?.contains("didn't answer a PING") == true }
            }
            for (_, holder) in bystanders { #expect(try holder.result().int("alive") == 1, "\(mesh.accessLog)") }
        }

        @Test(arguments: ["to", "from"])
        func `I14 without a tunnel the same holds for the application of the mesh`(direction: String) throws {
            let mesh = try MeshLab(hosts: 2, configure: Self.impatient)
            let member = try mesh.add("member", on: 0)
            let stranger = try mesh.addStranger("stranger", on: 1)
            try mesh.start()
            let (client, server) = direction == "to" ? (member, stranger) : (stranger, member)
            let quiet = try server.serve("sink", port: 8080)
            let drip = try server.serve("drip", port: 8081)
            let listener = try client.startClient("receive", server.address, port: 8080, "--seconds", "60")
            let reader = try client.startClient("receive", server.address, port: 8081, "--seconds", "60")
            for application in [quiet, drip] { _ = try application.event("accepted") }
            usleep(UInt32(1.2 * Self.bound * 1e6))
            for application in [quiet, drip] { #expect(application.events("ended").isEmpty, "\(mesh.accessLog)") }
            #expect(listener.events("result").isEmpty && reader.events("result").isEmpty)

            try part(mesh.nodes[0], from: mesh.nodes[1])
            if direction == "to" {
                for process in [listener, reader] {
                    let result = try process.event("result", seconds: Self.bound)
                    #expect(result["end"] == "reset", "\(result)\n\(mesh.accessLog)")
                }
            } else {
                for application in [quiet, drip] {
                    let end = try application.event("ended", seconds: Self.bound)
                    #expect(end["end"] == "reset", "\(end)\n\(mesh.accessLog)")
                }
            }
        }

        @Test(arguments: ["same host", "tunnel"])
        func `I14 an application that stands still for longer than the patience of TCP loses nothing`(path: String) throws {
            let mesh = try MeshLab(hosts: path == "tunnel" ? 2 : 1, configure: Self.impatient)
            let client = try mesh.add("client", on: 0)
            let server = try mesh.add("server", on: path == "tunnel" ? 1 : 0)
            try mesh.start()
            let digest = try server.serve("digest", port: 8080)
            digest.signal(SIGSTOP)
            let sender = try client.startClient("send", server.address, port: 8080, "--bytes", "30000000", "--seconds", "60")
            usleep(UInt32(1.2 * Self.bound * 1e6))
            #expect(sender.isRunning, "thirty million bytes went into a program that doesn't read")
            digest.signal(SIGCONT)
            let result = try sender.event("result")
            #expect(result["end"] == "fin" && result["send_error"] == nil, "\(result)\n\(mesh.accessLog)")
            let sha256 = try #require(result["sent_sha256"])
            #expect(result["text"]?.contains("30000000 \(sha256)") == true, "\(result)")
        }
    }
}
