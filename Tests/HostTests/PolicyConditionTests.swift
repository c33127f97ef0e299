// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

extension HostTests {
    /// What a control plane says of policies that hosts can judge in part only.
    @Suite struct PolicyCondition {
        private static let http = "{rules: [{to: [{operation: {methods: [GET], paths: [/a]}}]}]}"

        @Test func `I16 HTTP rules without a waypoint are stored with a warning and a condition that follows the policy`() throws
        {
            let lab = try ControlLab(hosts: 2)
            let (web, db) = (try lab.add("web", on: 0), try lab.add("db", on: 1))
            try lab.start()
            let server = try db.serve("echo", port: 8080)
            #expect(try web.call("echo", db.address, port: 8080).echoed)
            lab.mesh.policy("p", Self.http)
            try lab.outside.write("/run/p.yaml", lab.mesh.text)
            let applied = try lab.warren("apply", "-f", "/run/p.yaml")
            #expect(applied.succeeded, "\(applied)")
            let body =
                #"{"apiVersion":"security.istio.io/v1","kind":"AuthorizationPolicy","metadata":{"name":"q"},"spec":"#
                + #"{"rules":[{"to":[{"operation":{"methods":["GET"]}}]}]}}"#
            let answer = try lab.outside.run([
                "curl", "-sSi", "-m10", "--unix-socket", "/run/warren/control.sock", "-X", "POST", "-H",
                "content-type: application/json",
                "-d", body, "http://localhost/apis/security.istio.io/v1/namespaces/default/authorizationpolicies?dryRun=All",
            ])
            #expect(answer.out.lowercased().contains("warning: 299"), "\(answer)")
            #expect(answer.out.contains("what only HTTP can tell (methods)"), "\(answer)")
            // An ALLOW without rules that can hold allows nothing: closed, not open.
            try waitUntil("it is in force", seconds: 1) { try !web.call("echo", db.address, port: 8080).echoed }
            try waitCondition(lab, status: "True", reason: "UnsupportedValue", "(found: methods, paths), and no waypoint does")
            let described = try lab.warren("describe", "authorizationpolicy", "p")
            #expect(described.out.contains("ZtunnelAccepted") && described.out.contains("UnsupportedValue"), "\(described)")
            let yaml = try lab.warren("get", "authorizationpolicy", "p", "-o", "yaml").out
            #expect(yaml.contains("type: ZtunnelAccepted") && yaml.contains("type: Programmed"), "\(yaml)")
            // A DENY is wider without what only HTTP tells, never narrower.
            try change(lab, Self.http.replacing("{rules", with: "{action: DENY, rules"))
            try waitCondition(
                lab, status: "True", reason: "UnsupportedValue", "a DENY policy denies as if it didn't ask for them")
            #expect(try !web.call("echo", db.address, port: 8080).echoed)
            // What hosts can judge is accepted, without a word more.
            try change(lab, "{action: DENY, rules: [{to: [{operation: {ports: [\"9999\"]}}]}]}")
            try waitCondition(lab, status: "True", reason: "Accepted", "hosts judge by it")
            try waitUntil("it lets through", seconds: 1) { try web.call("echo", db.address, port: 8080).echoed }
            try change(lab, "{action: AUDIT, rules: [{}]}")
            try waitCondition(lab, status: "False", reason: "UnsupportedValue", "don't support the action AUDIT")
            // A restart of the control plane says it of what it finds.
            lab.stopPlane()
            try lab.startPlane()
            try waitCondition(lab, status: "False", reason: "UnsupportedValue", "AUDIT")
            withExtendedLifetime(server) {}
        }

        private func change(_ lab: ControlLab, _ spec: String) throws {
            lab.mesh.policy("p", spec)
            try lab.apply()
        }

        private func waitCondition(_ lab: ControlLab, status: String, reason: String, _ words: String) throws {
            var last: PeerEvent?
            try waitUntil("the condition", seconds: 3, detail: { last?.description ?? "" }) {
                let policy = try lab.json("get", "authorizationpolicies", "p")
                last = policy
                return policy.elements("status.conditions").contains {
                    $0["type"] == "ZtunnelAccepted" && $0["status"] == status && $0["reason"] == reason
                        && $0["message"]?.contains(words) == true
                        && $0["observedGeneration"] == policy["metadata.generation"]
                }
            }
        }
    }
}
