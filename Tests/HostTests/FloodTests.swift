// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

extension HostTests {
    /// Floods at full speed from one peer, each for a moment: it is the peer that is shut out. What they cost others is measured by
    /// Tests/Floods/run.sh.
    @Suite struct Floods {
        private static let folder: String = {
            let parts = #filePath.split(separator: "/")
            return "/" + parts.dropLast(2).joined(separator: "/") + "/Floods"
        }()

        /// Starts an attack by `peer` on `web`.
        private func attack(_ name: String, _ stage: HBONEStage, seconds: Double, _ options: String...) throws -> LabProcess {
            let leaf = try stage.certificate("good")
            return try stage.peer.start(
                [Peer.python, "-B", "\(Self.folder)/attack.py", name, stage.web.address, "\(seconds)", "--cert", leaf] + options)
        }

        /// What the attacker did, once it is over.
        private func result(_ process: LabProcess) throws -> PeerEvent {
            guard process.wait(seconds: 20) != nil, let result = PeerEvent.all(in: process.out).last else {
                throw LabFailure(description: "the attacker told nothing: \(process.log.suffix(2000))")
            }
            return result
        }

        /// A CONNECT from another address than the attacker's: in one word what it came to.
        private func call(_ stage: HBONEStage, from other: LabWorkload) throws -> String {
            try stage.client(
                ["--authority", "\(stage.web.address):8080", "--send", "hello", "--end", "--seconds", "10"], from: other
            ).answer()
        }

        @Test(arguments: ["mute", "slow-handshakes", "tls-then-silence", "idle-tunnels"])
        func `who only holds on to connections leaves others theirs`(name: String) throws {
            let stage = try HBONEStage { $0["limits.peerTunnels"] = "40" }
            let other = try stage.mesh.addStranger("other", on: 0)
            let attacker = try attack(name, stage, seconds: 3, "--hold", "400")
            try waitUntil("the attacker meets its limit") {
                try stage.node.metric("warren_refused_total", "reason=\"peer\"") > 0
            }
            #expect(try call(stage, from: other) == "200")
            #expect(try stage.node.metric("warren_refused_total", "reason=\"handshakes\"") == 0)
            let did = try result(attacker)
            #expect(did.int("connects") > 100, "\(did)")
            try waitUntil("everything is gone", seconds: 2, detail: { stage.node.log.suffix(1000).description }) {
                try stage.node.metric("warren_tunnels", "side=\"server\"") == 0
            }
            let lines = stage.node.log.split(separator: "\n").count { $0.contains("more than its part") }
            #expect(1...80 ~= lines, "ten lines a second for each loop: \(lines)")
        }

        @Test(arguments: [
            "no-certificate", "ping", "settings", "empty-data", "continuation", "endless-headers", "rapid-reset",
            "made-you-reset",
            "window-update",
        ])
        func `a flood costs its tunnel, then its address is shut out, and let in again`(name: String) throws {
            let stage = try HBONEStage { $0["limits.peerHandshakes"] = "50" }
            let other = try stage.mesh.addStranger("other", on: 0)
            let attacker = try attack(name, stage, seconds: 2)
            try waitUntil("the attacker is shut out") { try stage.node.metric("warren_refused_total", "reason=\"peer\"") > 0 }
            #expect(try call(stage, from: other) == "200")
            let did = try result(attacker)
            // Of two loops each lets fifty in at once and five a second.
            #expect(did.int("handshakes") < 200, "\(did)")
            try waitUntil("the address may come again", seconds: 3) { try call(stage, from: stage.peer) == "200" }
        }

        @Test func `CONNECTs by the hundred are begun some at a time, and all are answered, those in vain ever later`() throws {
            let stage = try HBONEStage { $0["limits.peerFailures"] = "200" }
            let attacker = try attack("connect-closed", stage, seconds: 2.5)
            #expect(try stage.web.call("echo", stage.web.address, port: 8080).echoed)
            let did = try result(attacker)
            #expect(did.int("streams") > 200, "\(did)")
            // Who has waited a second for an answer hangs up, by a reset where an answer came late; we cut nobody for it.
            let ends = stage.node.log.split(separator: "\n").filter { $0.contains(" ended: ") }
            #expect(ends.allSatisfy { $0.contains("hung up") || $0.contains("reset by peer") }, "\(ends)")
            let refused = try stage.node.metric("warren_hbone_responses_total", "side=\"server\"", "status=\"503\"")
            // Two loops at most, with two hundred at once and twenty a second.
            #expect(200...700 ~= refused, "\(refused)")
            try waitUntil("nothing is left") { try stage.node.metric("warren_tunnel_streams", "side=\"server\"") == 0 }
        }

        @Test func `an application that begins connections without end waits, its neighbour doesn't`() throws {
            let mesh = try MeshLab(hosts: 2) { $0["limits.busyPace"] = "10" }
            let greedy = try mesh.add("greedy", on: 0)
            let quiet = try mesh.add("quiet", on: 0)
            let taker = try mesh.add("taker", on: 1)
            let server = try mesh.add("server", on: 1)
            try mesh.start()
            let applications = [try taker.serve("echo", port: 8080), try server.serve("echo", port: 8080)]
            defer { withExtendedLifetime(applications) {} }
            #expect(try quiet.call("echo", server.address, port: 8080).echoed)
            // Several, so that processors are short wherever this runs.
            let attackers = try (0..<4).map { _ in
                try greedy.start([Peer.python, "-B", "\(Self.folder)/attack.py", "application", taker.address, "4"])
            }
            try waitUntil("it has to wait", seconds: 10) {
                let isFine = try quiet.call("echo", server.address, port: 8080).echoed
                #expect(isFine)
                return try mesh.nodes[0].metric("warren_begin_pauses_total") > 0
            }
            for attacker in attackers { #expect(try result(attacker).int("connects") > 100) }
            #expect(mesh.nodes[0].log.contains("new connections of default/greedy wait"))
            #expect(!mesh.nodes[0].log.contains("new connections of default/quiet wait"))
            try waitUntil("it is served again", seconds: 10) { try greedy.call("echo", taker.address, port: 8080).echoed }
        }
    }
}
