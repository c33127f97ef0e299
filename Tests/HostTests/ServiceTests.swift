// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

extension HostTests {
    /// Addresses that stand for several workloads.
    @Suite struct Services {
        @Test func `a service is balanced over its endpoints on all hosts`() throws {
            let mesh = try MeshLab()
            let client = try mesh.add("client", on: 0)
            let servers = try (0..<4).map { try mesh.add("server\($0)", on: $0 % 2, app: "shop") }
            mesh.mesh.service("shop", addresses: ["10.96.0.1", "fd96::1"], port: 80, target: 8080, app: "shop")
            try mesh.start()
            let applications = try servers.map { try $0.serve("source", port: 8080) }
            for address in ["10.96.0.1", "fd96::1"] {
                for _ in 0..<20 {
                    let result = try client.call("receive", address, port: 80)
                    #expect(result["end"] == "fin" && result.int("received") > 0, "\(result)\n\(mesh.accessLog)")
                }
            }
            // 40 connections over four endpoints: that one gets none has a probability of 4 × 0.75^40.
            for application in applications { #expect(!application.events("accepted").isEmpty) }
            let line = try mesh.nodes[0].accessLine("the service") { $0["direction"] == "outbound" }
            #expect(line["dst.service"] == "shop.default.svc.cluster.local", "\(line)")
        }

        @Test(arguments: ["remote", "local"])
        func `an endpoint that refuses is skipped for the next`(place: String) throws {
            let mesh = try MeshLab()
            let client = try mesh.add("client", on: 0)
            let host = place == "remote" ? 1 : 0
            let servers = try (0..<2).map { try mesh.add("server\($0)", on: host, app: "shop") }
            mesh.mesh.service("shop", addresses: ["10.96.0.1"], port: 80, target: 8080, app: "shop")
            try mesh.start()
            let application = try servers[0].serve("echo", port: 8080)
            for _ in 0..<10 {
                let result = try client.call("echo", "10.96.0.1", port: 80)
                #expect(result.echoed, "\(result)\n\(mesh.accessLog)")
            }
            #expect(application.events("accepted").count == 10)
        }

        @Test func `a service without endpoints is refused soon, and the log says so`() throws {
            let mesh = try MeshLab(hosts: 1)
            let client = try mesh.add("client", on: 0)
            mesh.mesh.service("shop", addresses: ["10.96.0.1", "fd96::1"], port: 80, target: 8080, app: "nobody")
            try mesh.start()
            for address in ["10.96.0.1", "fd96::1"] {
                let result = try client.call("echo", address, port: 80)
                #expect(result["end"] == "reset" || result["end"] == "refused", "\(result)")
            }
            let line = try mesh.nodes[0].accessLine("no endpoint") { $0["response_flags"] == "NO_ENDPOINT" }
            #expect(line["dst.service"] == "shop.default.svc.cluster.local", "\(line)")
        }

        @Test func `a service entry's static endpoint outside of the mesh is reached in plain`() throws {
            let mesh = try MeshLab(hosts: 1)
            let client = try mesh.add("client", on: 0)
            mesh.mesh.set(
                "ServiceEntry/default/legacy",
                """
                apiVersion: networking.istio.io/v1
                kind: ServiceEntry
                metadata: {name: legacy, namespace: default}
                spec:
                  hosts: [legacy.example.org]
                  addresses: [10.96.0.9]
                  ports: [{number: 80, name: tcp, protocol: TCP, targetPort: 8080}]
                  resolution: STATIC
                  endpoints: [{address: \(mesh.lab.outside.address)}]
                """)
            try mesh.start()
            let application = try mesh.lab.outside.serve("source", port: 8080)
            let result = try client.call("receive", "10.96.0.9", port: 80)
            #expect(result["text"]?.hasPrefix("\(client.address) ") == true, "\(result)\n\(mesh.accessLog)")
            #expect(application.isRunning)
        }
    }
}
