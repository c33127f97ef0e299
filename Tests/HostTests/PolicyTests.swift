// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

extension HostTests {
    /// Who may: policies at the destination, on the identity of the certificate.
    @Suite struct Policy {
        /// Two clients and a server that echoes on 8080 and 8081; `far` is on another host.
        private final class Stage {
            let mesh: MeshLab
            let good: LabWorkload
            let bad: LabWorkload
            let far: LabWorkload
            let server: LabWorkload
            private let applications: [LabProcess]

            init() throws {
                mesh = try MeshLab()
                good = try mesh.add("good", on: 1)
                bad = try mesh.add("bad", on: 1)
                far = try mesh.add("near", on: 0)
                server = try mesh.add("server", on: 0)
                try mesh.start()
                let server = server
                applications = try [8080, 8081].map { try server.serve("echo", port: $0) }
            }

            func reaches(_ client: LabWorkload, _ family: Family = .v4, port: Int = 8080) throws -> String {
                let result = try client.call("echo", server.address(family), port: port)
                return result.echoed ? "yes" : result["end"] ?? "?"
            }

            /// Whether the server's host has logged a refusal of a client by a policy.
            func refusal(of client: LabWorkload, by policy: String) throws -> PeerEvent {
                try mesh.nodes[0].accessLine("a refusal of \(client.name) by \(policy)") {
                    $0["src.addr"]?.contains(client.address) == true && $0["policy"] == policy
                }
            }
        }

        @Test func `a denied identity is reset, the log names policy and rule, others pass`() throws {
            let stage = try Stage()
            stage.mesh.mesh.policy(
                "no-bad",
                "{action: DENY, rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/nobody]}}]}, {from: [{source: "
                    + "{principals: [cluster.local/ns/default/sa/bad]}}]}]}"
            )
            try stage.mesh.apply()
            #expect(try stage.reaches(stage.good) == "yes")
            #expect(try stage.reaches(stage.far) == "yes")
            for family in Family.allCases { #expect(try stage.reaches(stage.bad, family) == "reset") }
            let line = try stage.refusal(of: stage.bad, by: "default/no-bad")
            #expect(
                line["response_flags"] == "DENY" && line["rule"] != nil && line["src.identity"]?.hasSuffix("/sa/bad") == true,
                "\(line)")
            // The client's host says the same thing from its side, without knowing the policy.
            let own = try stage.mesh.nodes[1].accessLine("a refused connection") {
                $0["src.workload"] == "bad" && $0["error"] != nil
            }
            #expect(own["error"]?.contains("401") == true, "\(own)")
        }

        @Test func `with an allow policy only who is named passes, on the ports that are named`() throws {
            let stage = try Stage()
            stage.mesh.mesh.policy(
                "only-good",
                "{selector: {matchLabels: {app: server}}, action: ALLOW, rules: [{from: [{source: {principals: "
                    + "[cluster.local/ns/default/sa/good]}}], to: [{operation: {ports: [\"8080\"]}}]}]}"
            )
            try stage.mesh.apply()
            #expect(try stage.reaches(stage.good) == "yes")
            #expect(try stage.reaches(stage.good, port: 8081) == "reset")
            #expect(try stage.reaches(stage.bad) == "reset")
            #expect(try stage.reaches(stage.far) == "reset", "same host is judged alike")
        }

        @Test func `deny goes before allow`() throws {
            let stage = try Stage()
            stage.mesh.mesh.policy("all", "{action: ALLOW, rules: [{}]}")
            stage.mesh.mesh.policy("no-bad", "{action: DENY, rules: [{from: [{source: {principals: [\"*/sa/bad\"]}}]}]}")
            try stage.mesh.apply()
            #expect(try stage.reaches(stage.good) == "yes")
            #expect(try stage.reaches(stage.bad) == "reset")
        }

        @Test func `plaintext has no identity: principals never match it, notPrincipals do`() throws {
            let stage = try Stage()
            let stranger = try stage.mesh.addStranger("stranger", on: 1)
            #expect(try stage.reaches(stranger) == "yes")
            stage.mesh.mesh.policy("known", "{action: ALLOW, rules: [{from: [{source: {principals: [\"*\"]}}]}]}")
            try stage.mesh.apply()
            #expect(try stage.reaches(stage.good) == "yes")
            #expect(try stage.reaches(stranger) == "reset")
            #expect(try stage.refusal(of: stranger, by: "default/known")["response_flags"] == "DENY")
        }

        @Test func `I08 one account at two addresses: the policy on addresses tells them apart`() throws {
            let stage = try Stage()
            let twin = try stage.mesh.add("twin", on: 1, account: "good")
            stage.mesh.mesh.policy("block", "{action: DENY, rules: [{from: [{source: {ipBlocks: [\(twin.address)/32]}}]}]}")
            try stage.mesh.apply()
            try stage.mesh.waitCaptured()
            for _ in 0..<3 {
                #expect(try stage.reaches(stage.good) == "yes")
                #expect(try stage.reaches(twin) == "reset")
                #expect(try stage.reaches(twin, .v6) == "yes")
            }
            let tunnels = try stage.mesh.nodes[0].list("tunnels")
            #expect(
                Set(tunnels.compactMap { $0["remote"] }.filter { $0.hasPrefix(stage.good.address) || $0.hasPrefix(twin.address) })
                    .count >= 2)
        }

        @Test func `I16 an empty match in a deny denies all, in an allow allows nothing`() throws {
            let stage = try Stage()
            // HTTP attributes can't be judged here: a DENY loses them and widens, an ALLOW loses the rule.
            stage.mesh.mesh.policy("http-allow", "{action: ALLOW, rules: [{to: [{operation: {methods: [GET]}}]}]}")
            try stage.mesh.apply()
            #expect(try stage.reaches(stage.good) == "reset")
            stage.mesh.mesh.remove("AuthorizationPolicy/default/http-allow")
            stage.mesh.mesh.policy("http-deny", "{action: DENY, rules: [{to: [{operation: {paths: [/admin]}}]}]}")
            try stage.mesh.apply()
            #expect(try stage.reaches(stage.good) == "reset")
            #expect(try stage.reaches(stage.far) == "reset")
        }

        @Test(arguments: [
            "{action: CUSTOM, provider: {name: x}, rules: [{}]}",
            "{targetRefs: [{kind: Service, group: \"\", name: x}], action: ALLOW, rules: [{}]}",
        ])
        func `I16 what only a waypoint can judge is refused, and the old state goes on`(spec: String) throws {
            let stage = try Stage()
            stage.mesh.mesh.policy("no-bad", "{action: DENY, rules: [{from: [{source: {principals: [\"*/sa/bad\"]}}]}]}")
            try stage.mesh.apply()
            stage.mesh.mesh.policy("beyond", spec)
            try stage.mesh.write()
            try waitUntil("the refusal is told") {
                try stage.mesh.nodes[0].admin("status")["meshRefused"]?.contains("beyond") == true
            }
            #expect(try stage.reaches(stage.good) == "yes")
            #expect(try stage.reaches(stage.bad) == "reset")
        }

        @Test func `I17 a change judges open connections again: tunnel, same host and plain`() throws {
            let stage = try Stage()
            let stranger = try stage.mesh.addStranger("stranger", on: 1)
            let clients = [stage.bad, stage.far, stranger, stage.good]
            let holders = try clients.map { try $0.startClient("hold", stage.server.address, port: 8080) }
            for holder in holders { _ = try holder.event("holding") }
            stage.mesh.mesh.policy(
                "cut",
                "{action: DENY, rules: [{from: [{source: {ipBlocks: "
                    + "[\([stage.bad, stage.far, stranger].map { "\($0.address)/32" }.joined(separator: ", "))]}}]}]}"
            )
            try stage.mesh.apply()
            for client in [stage.bad, stage.far, stranger] {
                let line = try stage.refusal(of: client, by: "default/cut")
                #expect(line["response_flags"] == "DENY", "\(line)")
            }
            for (holder, client) in zip(holders, clients) {
                let result = try holder.result()
                #expect(result.int("alive") == (client === stage.good ? 1 : 0), "\(client.name): \(result)")
                #expect(result["ended.fin"] == nil, "\(client.name) was told an end that nobody made: \(result)")
            }
        }

        @Test func `I17 a policy that flips while connections begin lets none slip through`() throws {
            let stage = try Stage()
            let steady = try stage.bad.startClient("steady", stage.server.address, port: 8080, "--count", "4", "--pause", "0")
            _ = try steady.event("began")
            let holder = try stage.bad.startClient("hold", stage.server.address, port: 8081, "--count", "200", "--pause", "0.01")
            for round in 0..<5 {
                stage.mesh.mesh.policy(
                    "flip",
                    "{action: DENY, rules: [{from: [{source: {principals: [\"*/sa/\(round % 2 == 0 ? "bad" : "nobody")\"]}}]}]}")
                try stage.mesh.apply()
            }
            try waitUntil("none is left at the server") {
                try stage.mesh.nodes[0].list("connections").allSatisfy { $0["remoteIdentity"]?.hasSuffix("/sa/bad") != true }
            }
            #expect(try steady.result().int("failed") > 0)
            #expect(try holder.result().int("alive") == 0)
        }
    }
}
