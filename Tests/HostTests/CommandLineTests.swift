// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// `warren` beside a daemon with traffic, and without one.
    @Suite struct CommandLine {
        @Test func `tables and documents tell who talks to whom`() throws {
            let mesh = try MeshLab()
            let (client, server) = (try mesh.add("client", on: 0), try mesh.add("server", on: 1))
            mesh.mesh.service("shop", addresses: ["10.96.0.1"], port: 80, target: 8080, app: "server")
            mesh.mesh.policy("no-bad", "{action: DENY, rules: [{from: [{source: {principals: [\"*/sa/bad\"]}}]}]}")
            try mesh.start()
            let echo = try server.serve("echo", port: 8080)
            let holder = try client.startClient("hold", "10.96.0.1", port: 80, "--count", "3")
            _ = try holder.event("holding")
            let node = mesh.nodes[0]
            let expected: [(command: String, words: [String])] = [
                ("tunnels", ["default/client", "\(server.address):15008", "default/server"]),
                ("connections", ["default/client", "10.96.0.1:80", "hbone"]),
                ("workloads", ["client", "server", "captured", "HBONE", "TCP"]),
                ("services", ["shop", "10.96.0.1"]),
                ("policies", ["no-bad", "deny"]),
                ("certificates", ["spiffe://cluster.local/ns/default/sa/client"]),
                ("version", ["0.1.0"]),
            ]
            for (command, words) in expected {
                let outcome = try node.warren(command)
                #expect(outcome.succeeded, "\(outcome)")
                for word in words { #expect(outcome.out.lowercased().contains(word.lowercased()), "\(command): \(outcome.out)") }
                let json = try node.warren(command, "-o", "json")
                #expect(json.succeeded && PeerEvent("{\"all\": \(json.out)}") != nil, "\(command) -o json: \(json)")
                #expect(try node.warren(command, "-o", "yaml").succeeded)
                let help = try node.warren(command, "--help")
                #expect(help.succeeded && help.out.contains("Examples:"), "\(help)")
            }
            #expect(try holder.result().int("alive") == 3)
            #expect(echo.isRunning)
        }

        @Test func `the log's level is changed while the daemon runs`() throws {
            let mesh = try MeshLab(hosts: 1)
            let (client, server) = (try mesh.add("client", on: 0), try mesh.add("server", on: 0))
            try mesh.start()
            let echo = try server.serve("echo", port: 8080)
            func lines() throws -> Int {
                _ = try client.call("echo", server.address, port: 8080)
                usleep(300_000)
                return mesh.nodes[0].accessLog.count
            }
            let before = try lines()
            #expect(before > 0)
            #expect(try mesh.nodes[0].warren("log", "--level", "access:off").succeeded)
            #expect(try lines() == before)
            #expect(try mesh.nodes[0].warren("log", "--level", "access:info").succeeded)
            #expect(try lines() > before)
            #expect(try !mesh.nodes[0].warren("log", "--level", "loud").succeeded)
            #expect(echo.isRunning)
        }

        @Test func `validate names every finding with file, line, field and remedy`() throws {
            let mesh = try MeshLab(hosts: 1)
            let host = mesh.lab.hosts[0]
            try host.write("/run/good.yaml", mesh.mesh.text)
            #expect(try mesh.nodes[0].warren("validate", "-f", "/run/good.yaml").succeeded)
            try host.write(
                "/run/bad.yaml",
                """
                apiVersion: v1
                kind: Namespace
                metadata:
                  nme: default
                ---
                apiVersion: networking.istio.io/v1
                kind: WorkloadEntry
                metadata: {name: web, namespace: default}
                spec:
                  address: 10.0.0.300
                """)
            let outcome = try mesh.nodes[0].warren("validate", "-f", "/run/bad.yaml")
            let text = outcome.out + outcome.err
            #expect(outcome.status == 1, "\(outcome)")
            for word in ["/run/bad.yaml:4", "nme", "/run/bad.yaml:10", "10.0.0.300"] {
                #expect(text.contains(word), "\(word): \(text)")
            }
        }

        @Test func `wrong usage is told, with status 2`() throws {
            let mesh = try MeshLab(hosts: 1)
            for arguments in [["nonsense"], ["tunnels", "--nonsense"], ["translate"], ["log", "--level"]] {
                let outcome = try mesh.lab.hosts[0].run([Programs.path("warren")] + arguments)
                #expect(outcome.status == 2 && !outcome.err.isEmpty, "\(arguments): \(outcome)")
            }
            let help = try mesh.nodes[0].warren("--help")
            #expect(help.succeeded && help.out.contains("tunnels"))
        }

        @Test func `programs need no Swift library where they run`() throws {
            for program in ["warrend", "warren"] {
                let outcome = try RunningCommand.run(["ldd", Programs.path(program)])
                #expect(outcome.succeeded, "\(outcome)")
                for library in ["libswift", "libFoundation", "libdispatch", "not found"] {
                    #expect(!outcome.out.contains(library), "\(program) needs \(library)")
                }
            }
        }
    }
}
