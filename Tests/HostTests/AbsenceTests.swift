// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// Hosts that are gone for long.
    @Suite struct Absence {
        private func names(_ lab: ControlLab) throws -> Set<String> {
            Set(try lab.json("get", "workloadentries").elements("items").compactMap { $0["metadata.name"] })
        }

        @Test func `I21 what a host registered itself goes after its grace, what others wrote stays, and policies too`() throws {
            let lab = try ControlLab(settings: ["hosts.grace": "3s"])
            _ = try lab.add("given", on: 0)
            lab.mesh.policy("kept", "{action: DENY, rules: [{from: [{source: {namespaces: [other]}}]}]}")
            try lab.start()
            let own = try lab.lab.hosts[0].addWorkload("own")
            let added = try lab.nodes[0].warren(
                "workload", "add", "own", "--address", own.address, "--network-namespace", "own", "--service-account", "own")
            #expect(added.succeeded, "\(added)")
            try waitUntil("it is captured", seconds: 5, detail: { lab.nodes[0].log.suffix(2000).description }) {
                try lab.nodes[0].captureState(own) == "captured"
            }
            // A host can't say of another's entry that it is its own, nor of its own that it isn't.
            let entry = try lab.json("get", "workloadentries", "own")
            #expect(entry["metadata.annotations.warren.dev/registered-by"] == "host1", "\(entry)")
            #expect(try names(lab) == ["given", "own"])
            // Shorter than the grace.
            try lab.nodes[0].restart()
            #expect(try names(lab) == ["given", "own"])
            lab.nodes[0].stop()
            try waitUntil("it is gone", seconds: 10, detail: { lab.log.suffix(2000).description }) { try names(lab) == ["given"] }
            #expect(lab.log.contains("removed default/own, which host host1 registered"))
            #expect(try lab.warren("get", "authorizationpolicies", "kept").succeeded)
            #expect(try lab.warren("get", "nodes", "host1").succeeded)
            // The host that comes back registers again.
            try lab.nodes[0].start()
            try waitUntil("it is a member still", seconds: 5) {
                try lab.nodes[0].admin("status")["control.state"] == "synchronised"
            }
            #expect(
                try lab.nodes[0].warren(
                    "workload", "add", "own", "--address", own.address, "--network-namespace", "own", "--service-account", "own"
                ).succeeded)
        }
    }
}
