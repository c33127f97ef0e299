// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

extension HostTests {
    /// Who reaches whom: {same host, two hosts} × {captured, not captured} client × server × {IPv4, IPv6} × {permissive, strict}.
    @Suite struct Matrix {
        enum Placement: String, CaseIterable, CustomStringConvertible {
            case sameHost = "same host"
            case twoHosts = "two hosts"
            var description: String { rawValue }
        }

        @Test(arguments: PlaintextMode.allCases, Placement.allCases)
        func `every client reaches every server from its own address, but no plaintext enters where strict`(
            mode: PlaintextMode, placement: Placement
        ) throws {
            let mesh = try MeshLab()
            let there = placement == .sameHost ? 0 : 1
            let client = try mesh.add("client", on: 0)
            let server = try mesh.add("server", on: there)
            let plainClient = try mesh.addStranger("plain-client", on: 0)
            let plainServer = try mesh.addStranger("plain-server", on: there)
            mesh.mesh.plaintext(mode)
            try mesh.start()
            let applications = try [server, plainServer].map { try $0.serve("source", port: 8080) }
            let capture = try mesh.lab.capture()

            for family in Family.allCases {
                for from in [client, plainClient] {
                    for to in [server, plainServer] {
                        let result = try from.call("receive", to.address(family), port: 8080)
                        let refused = mode == .strict && from === plainClient && to === server
                        let expected = refused ? "" : "\(from.address(family)) "
                        #expect(
                            result["text"]?.hasPrefix(expected) == true && (result["end"] == "fin") == !refused,
                            "\(from.name) to \(to.name), \(family): \(result)\n\(mesh.accessLog)")
                        if refused { #expect(result["end"] == "reset" && result.int("received") == 0, "\(result)") }
                    }
                }
            }

            // Between two captured ones of different hosts there is nothing but tunnels, from the client's own address.
            let packets = try capture.finish()
            let between = packets.filter {
                $0.isSYN && [client.address, client.address6].contains($0.source) && $0.destination != plainServer.address
                    && $0.destination != plainServer.address6
            }
            #expect(between.allSatisfy { $0.destinationPort == 15008 }, "\(between)")
            #expect(between.isEmpty == (placement == .sameHost))
            #expect(applications.allSatisfy { $0.isRunning })
        }

        @Test func `same host, asked to tunnel, makes a tunnel`() throws {
            let mesh = try MeshLab(hosts: 1) { $0["sameHost"] = "tunnel" }
            let (web, db) = (try mesh.add("web", on: 0), try mesh.add("db", on: 0))
            try mesh.start()
            let echo = try db.serve("echo", port: 8080)
            let result = try web.call("echo", db.address, port: 8080, "--bytes", "1000000")
            #expect(result.echoed, "\(result)")
            let tunnels = try mesh.nodes[0].list("tunnels")
            #expect(
                tunnels.contains {
                    $0["remote"]?.contains("15008") == true && $0["remoteIdentity"] == "spiffe://cluster.local/ns/default/sa/db"
                })
            #expect(echo.isRunning)
        }

        @Test func `a workload reaches itself, its loopback and what is outside of the mesh`() throws {
            let mesh = try MeshLab(hosts: 1)
            let web = try mesh.add("web", on: 0)
            mesh.mesh.service("own", addresses: ["10.96.0.1", "fd96::1"], port: 80, target: 8080, app: "web")
            mesh.mesh.plaintext(.strict)
            try mesh.start()
            let echo = try web.serve("echo", port: 8080)
            let outside = try mesh.lab.outside.serve("source", port: 8080)
            for address in ["127.0.0.1", "::1", web.address, web.address6] {
                let result = try web.call("echo", address, port: 8080)
                #expect(result.echoed, "\(address): \(result)\n\(mesh.accessLog)")
            }
            for address in ["10.96.0.1", "fd96::1"] {
                let result = try web.call("echo", address, port: 80)
                #expect(result.echoed, "its own service \(address): \(result)\n\(mesh.accessLog)")
            }
            for (address, own) in [(mesh.lab.outside.address, web.address), (mesh.lab.outside.address6, web.address6)] {
                let result = try web.call("receive", address, port: 8080)
                #expect(result["text"]?.hasPrefix("\(own) ") == true, "\(address): \(result)")
            }
            #expect(echo.isRunning && outside.isRunning)
        }
    }
}
