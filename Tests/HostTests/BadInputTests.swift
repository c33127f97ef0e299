// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

extension HostTests {
    /// What neighbours send that is no mesh traffic: each costs at most its own connection, is counted and logged.
    @Suite struct BadInput {
        @Test func `plaintext on 15008 gets an alert and the door`() throws {
            let stage = try HBONEStage()
            for text in [
                "GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n", "PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n", "SSH-2.0-x\\r\\n",
            ] {
                let result = try stage.client(["--plaintext", text, "--seconds", "5"])
                #expect(["fin", "reset"].contains(result["closed"]), "\(text): \(result)")
                // A TLS alert begins with 21.
                #expect(result.int("received") == 0 || result["first"] == "15", "\(text): \(result)")
            }
            #expect(try stage.node.metric("warren_tls_handshakes_total", "side=\"server\"", "result=\"plaintext\"") == 3)
            try waitUntil("it is logged") { stage.node.log.contains(stage.peer.address) }
        }

        @Test func `a connection to 15008 that says nothing is ended within the handshake's bound`() throws {
            let stage = try HBONEStage { $0["timeouts.tlsHandshake"] = "2s" }
            let result = try stage.client(["--plaintext", "", "--seconds", "25"])
            #expect(["fin", "reset"].contains(result["closed"]), "\(result)")
            #expect(try stage.node.metric("warren_tls_handshakes_total", "side=\"server\"", "result=\"timeout\"") == 1)
        }

        @Test func `TLS without HTTP 2 behind it is ended within its bound`() throws {
            let stage = try HBONEStage { $0["timeouts.http2"] = "2s" }
            let process = try stage.peer.start(
                [
                    "openssl", "s_client", "-quiet", "-connect", "\(stage.web.address):15008", "-alpn", "h2", "-CAfile",
                    "\(LabConfig.caFolder)/root.pem", "-cert", "/run/leaf-good-peer.pem", "-cert_chain",
                    "/run/leaf-good-peer.pem", "-key", "/run/leaf-good-peer.key",
                ], holdsInput: true)
            #expect(process.wait(seconds: 20) != nil, "still open: \(process.log)")
        }

        @Test(arguments: [15001, 15006], Family.allCases)
        func `a direct call from a neighbour to a capture port is refused`(port: Int, family: Family) throws {
            let stage = try HBONEStage()
            for caller in [stage.peer, try stage.mesh.addStranger("other", on: 0)] {
                let result = try caller.call("echo", stage.web.address(family), port: port, "--seconds", "3")
                #expect(["reset", "refused"].contains(result["end"]), "\(caller.name): \(result)")
            }
            #expect(try stage.node.admin("connections").int("total") == 0)
            #expect(try stage.web.call("echo", stage.web.address, port: 8080).echoed)
        }

        @Test(arguments: [15001, 15006, 15008])
        func `I05 the workload itself calling our ports gets nowhere, and we stay up`(port: Int) throws {
            let stage = try HBONEStage()
            for address in ["127.0.0.1", "::1", stage.web.address, stage.web.address6] {
                let result = try stage.web.call("echo", address, port: port, "--seconds", "3")
                #expect(!result.echoed && result.int("received") < 100, "\(address): \(result)")
            }
            // From one captured workload to another's.
            let other = try stage.mesh.add("other", on: 0)
            try stage.mesh.apply()
            try stage.mesh.waitCaptured()
            let result = try other.call("echo", stage.web.address, port: port, "--seconds", "3")
            #expect(!result.echoed, "\(result)")
            #expect(try other.call("echo", stage.web.address, port: 8080).echoed, "\(stage.mesh.accessLog)")
        }

        @Test func `a huge or a cyclic mesh file is refused in bounded time and memory`() throws {
            let stage = try HBONEStage()
            let host = stage.node.host
            let good = stage.mesh.mesh.text
            let before = stage.node.daemon?.residentKiB ?? 0
            try host.sh("yes 'kind: Namespace' | head -c 104857600 >/run/huge && mv /run/huge \(LabConfig.meshPath)", seconds: 60)
            try waitUntil("the huge file is refused", seconds: 3) { try stage.node.admin("status")["meshRefused"] != nil }
            #expect((stage.node.daemon?.residentKiB ?? 0) - before < 150 << 10)
            try host.write(LabConfig.meshPath, good)
            try waitUntil("the good one is taken") { try stage.node.admin("status")["meshRefused"] == nil }
            // Each line refers to the one before ten times: a million by the sixth.
            let laughs = (1...9).map { level in
                "l\(level): &l\(level) [\((0..<10).map { _ in "*l\(level - 1)" }.joined(separator: ","))]"
            }
            try host.write(LabConfig.meshPath, "l0: &l0 ha\n" + laughs.joined(separator: "\n") + "\nself: &me {again: *me}\n")
            try waitUntil("the cyclic file is refused", seconds: 3) { try stage.node.admin("status")["meshRefused"] != nil }
            #expect((stage.node.daemon?.residentKiB ?? 0) - before < 150 << 10)
            #expect(try stage.web.call("echo", stage.web.address, port: 8080).echoed)
        }

        @Test(arguments: [
            ("the same name twice", "Namespace", 2), ("an address in use twice", "WorkloadEntry", 1),
            ("a label without its namespace", "orphan", 0),
        ])
        func `a set that contradicts itself is refused by name`(what: String, kind: String, variant: Int) throws {
            let stage = try HBONEStage()
            switch variant {
            case 2:
                stage.mesh.mesh.set(
                    "twice",
                    "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {istio.io/dataplane-mode: ambient}}")
            case 1:
                let twin = try stage.mesh.addStranger("twin", on: 0)
                stage.mesh.mesh.workload(twin, addresses: [stage.web.address])
            default:
                stage.mesh.mesh.workload(
                    try stage.mesh.addStranger("twin", on: 0), namespace: "orphan", labels: ["istio.io/dataplane-mode": "ambiant"]
                )
            }
            try stage.mesh.write()
            try waitUntil("the refusal is told", detail: { stage.node.log.suffix(1500).description }) {
                try stage.node.admin("status")["meshRefused"] != nil
            }
            #expect(stage.node.log.contains("\(LabConfig.meshPath):"), "\(stage.node.log.suffix(1500))")
            #expect(try stage.web.call("echo", stage.web.address, port: 8080).echoed)
        }
    }
}
