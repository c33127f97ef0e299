// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// What operators and their tools see of the traffic.
    @Suite struct Telemetry {
        @Test func `both ends count bytes and connections by Istio's names, and write one line with one trace`() throws {
            let mesh = try MeshLab()
            let (client, server) = (try mesh.add("client", on: 0), try mesh.add("server", on: 1))
            mesh.mesh.service("shop", addresses: ["10.96.0.1"], port: 80, target: 8080, app: "server")
            try mesh.start()
            let send = try server.serve("send", port: 8080, "--bytes", "5000")
            let result = try client.call("send", "10.96.0.1", port: 80, "--bytes", "3000")
            #expect(result["end"] == "fin" && result.int("received") == 5000, "\(result)")
            let lines = try mesh.nodes.map {
                try $0.accessLine("the connection") { $0["src.workload"] == "client" && $0["trace_id"] != nil }
            }
            #expect(lines[0]["trace_id"] == lines[1]["trace_id"])
            for (node, reporter) in zip(mesh.nodes, ["source", "destination"]) {
                let labels = [
                    "reporter=\"\(reporter)\"", "source_principal=\"spiffe://cluster.local/ns/default/sa/client\"",
                    "destination_principal=\"spiffe://cluster.local/ns/default/sa/server\"",
                    "connection_security_policy=\"mutual_tls\"",
                    "destination_service=\"shop.default.svc.cluster.local\"", "response_flags=\"-\"",
                ]
                let metrics = try node.metrics()
                for (name, value) in [
                    ("istio_tcp_sent_bytes_total", 5000), ("istio_tcp_received_bytes_total", 3000),
                    ("istio_tcp_connections_opened_total", 1), ("istio_tcp_connections_closed_total", 1),
                ] {
                    let line = metrics.split(separator: "\n").first { line in
                        line.hasPrefix(name) && labels.allSatisfy { line.contains($0) }
                    }
                    #expect(line?.hasSuffix(" \(value)") == true, "\(node.host.name) \(name): \(line ?? "absent")")
                }
                #expect(metrics.hasSuffix("# EOF\n"))
            }
            #expect(send.isRunning)
        }

        @Test func `what the daemon does is counted: captures, reloads, certificates`() throws {
            let mesh = try MeshLab(hosts: 1) { $0["identity.lifetime"] = "10s" }
            _ = try mesh.add("client", on: 0)
            try mesh.start()
            mesh.mesh.service("shop", addresses: ["10.96.0.1"], port: 80, target: 8080, app: "client")
            try mesh.apply()
            let node = mesh.nodes[0]
            #expect(try node.metric("workload_manager_active_proxy_count") == 1)
            #expect(try node.metric("workload_manager_proxies_started_total") == 1)
            #expect(try node.metric("warren_mesh_reloads_total") >= 2)
            #expect(try node.metric("warren_mesh_objects", "kind=\"service\"") == 1)
            #expect(try node.metric("warren_certificate_expiry_timestamp_seconds", "/sa/client") > 1_700_000_000)
            try waitUntil("a renewal is counted", seconds: 1) { try node.metric("warren_certificate_renewals_total") >= 1 }
            try node.host.write(LabConfig.meshPath, "not: [a mesh")
            try waitUntil("the refused set is counted") { try node.metric("warren_mesh_reloads_total", "result=") > 2 }
        }

        @Test func `readiness is told on its port, admin on a socket for root alone, nothing in workloads' namespaces`() throws {
            let mesh = try MeshLab(hosts: 1)
            let client = try mesh.add("client", on: 0)
            let host = mesh.lab.hosts[0]
            mesh.nodes[0].config["mesh.allowEmpty"] = "false"
            try host.write(LabConfig.meshPath, "not: [a mesh")
            try mesh.nodes[0].startUnready()
            try waitUntil("readiness answers") {
                try host.run(["curl", "-sS", "-m2", "http://127.0.0.1:\(LabConfig.readinessPort)/healthz/ready"]).succeeded
            }
            #expect(
                try host.run(["curl", "-fsS", "-m2", "http://127.0.0.1:\(LabConfig.readinessPort)/healthz/ready"]).status == 22,
                "not ready without a mesh")
            try mesh.write()
            try mesh.waitCaptured()
            try waitUntil("ready") {
                try host.run(["curl", "-fsS", "-m2", "http://127.0.0.1:\(LabConfig.readinessPort)/healthz/ready"]).succeeded
            }
            #expect(try host.sh("stat -c '%a %U' \(LabConfig.socket)") == "600 root\n")
            let listening = try client.sockets("-lt").joined()
            for port in [15020, 15021, 15000] { #expect(!listening.contains(":\(port)"), "\(listening)") }
            for port in [15001, 15006, 15008] { #expect(listening.contains(":\(port)"), "\(listening)") }
        }

        @Test func `after the last connection memory and descriptors are what they were`() throws {
            let mesh = try MeshLab()
            let (client, server) = (try mesh.add("client", on: 0), try mesh.add("server", on: 1))
            try mesh.start()
            let echo = try server.serve("echo", port: 8080)
            func round(_ count: Int) throws {
                let holder = try client.startClient("hold", server.address, port: 8080, "--count", "\(count)")
                _ = try holder.event("holding", seconds: 6)
                _ = try holder.result(seconds: 60)
                try waitUntil("connections are gone", seconds: 2) {
                    try mesh.nodes.allSatisfy { try $0.admin("connections").int("total") == 0 }
                }
            }
            try round(500)
            usleep(12_000_000)
            let before = mesh.nodes.map { ($0.daemon?.residentKiB ?? 0, $0.daemon?.descriptors ?? 0) }
            for _ in 0..<3 { try round(500) }
            for (node, (memory, descriptors)) in zip(mesh.nodes, before) {
                // Buffers go back to the kernel after ten idle seconds.
                try waitUntil(
                    "\(node.host.name) is back to \(memory) KiB, \(descriptors) descriptors", seconds: 2,
                    detail: { "\(node.daemon?.residentKiB ?? 0) KiB, \(node.daemon?.descriptors ?? 0)" }
                ) {
                    (node.daemon?.residentKiB ?? 0) <= memory + memory / 10 + 1024
                        && (node.daemon?.descriptors ?? 0) <= descriptors + 20
                }
            }
            #expect(echo.isRunning)
        }
    }
}
