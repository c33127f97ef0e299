// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// A control plane's store on its way into etcd.
    @Suite struct Migration {
        private static let address = "etcd+http://127.0.0.1:2379/warren"

        /// One member beside the control plane, in clear on its loopback.
        private static func startEtcd(_ lab: ControlLab) throws -> LabProcess {
            let (client, peer) = ("http://127.0.0.1:2379", "http://127.0.0.1:2380")
            let etcd = try lab.outside.start([
                "/usr/bin/etcd", "--name", "m0", "--data-dir", "/run/etcd", "--listen-client-urls", client,
                "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", "m0=\(peer)", "--logger", "zap", "--log-level", "warn",
            ])
            try waitUntil("etcd serves", seconds: 20, detail: { etcd.log.suffix(2000).description }) {
                try lab.outside.run(["curl", "-sS", "--max-time", "2", "\(client)/health"]).out.contains("\"true\"")
            }
            return etcd
        }

        private static func migrate(_ lab: ControlLab, _ more: String...) throws -> Outcome {
            let bin = try Programs.path("warren-control").split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }
            return try lab.outside.run(
                ["env", "PATH=\(bin):/usr/bin:/bin", "warren", "control", "migrate", "--to", address] + more, seconds: 30)
        }

        /// What stands, but for what changes with the store.
        private static func objects(_ lab: ControlLab) throws -> [String] {
            try [
                "/api/v1/namespaces", "/apis/networking.istio.io/v1/workloadentries",
                "/apis/security.istio.io/v1/authorizationpolicies",
                "/apis/warren.dev/v1/nodegrants",
            ].map { path in
                let text = try lab.request("GET", path).out
                return text.replacing(/"resourceVersion":"[0-9]*"/, with: "")
            }
        }

        private static func position(_ node: LabNode) throws -> (identity: String, revision: UInt64) {
            let parts = try node.admin("status")["control.store"]?.split(separator: "/") ?? []
            guard parts.count == 2, let revision = UInt64(parts[1]) else {
                throw LabFailure(description: "no position: \(parts)")
            }
            return (String(parts[0]), revision)
        }

        @Test func `I21 I22 a mesh moves into etcd under traffic: hosts, tokens and grants go on, and it is served in one place`()
            throws
        {
            let lab = try ControlLab()
            let (web, db) = (try lab.add("web", on: 0), try lab.add("db", on: 1))
            lab.mesh.policy("open", "{rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/web]}}]}]}")
            try lab.start()
            let server = try db.serve("echo", port: 8080)
            let held = try web.startClient("hold", db.address, port: 8080, "--count", "3", "--pause", "0.05")
            #expect(try held.event("holding").int("opened") == 3)
            let token = try #require(try lab.json("token", "create", "--role", "admin")["token"])
            let applied = try lab.warren("apply", "--wait", "-f", "/run/mesh.yaml")
            #expect(applied.succeeded, "\(applied)")
            let etcd = try Self.startEtcd(lab)
            let before = try Self.position(lab.nodes[0])
            let running = try Self.migrate(lab)
            #expect(!running.succeeded && running.err.contains("systemctl stop warren-control"), "\(running)")
            let standing = try Self.objects(lab)
            let list = try lab.request("GET", "/api/v1/namespaces").out
            let version = try #require(PeerEvent(list[...])?["metadata.resourceVersion"])
            lab.stopPlane()

            let moved = try Self.migrate(lab)
            #expect(moved.succeeded && moved.out.contains("etcd: \(Self.address)"), "\(moved)")
            #expect(moved.err.contains("copying") && moved.err.contains("reading them back"), "\(moved)")
            let again = try Self.migrate(lab)
            #expect(again.succeeded && again.out.contains("moved before already"), "\(again)")
            let cancelled = try Self.migrate(lab, "--cancel")
            #expect(!cancelled.succeeded && cancelled.err.contains("whole, and served from there"), "\(cancelled)")
            // The file isn't served any more, by whatever configuration of before.
            let old = try lab.outside.run([Programs.path("warren-control")], seconds: 10)
            #expect(!old.succeeded && (old.out + old.err).contains("was moved to \(Self.address)"), "\(old)")

            try lab.configure(["store.etcd": "\"\(Self.address)\""])
            try lab.startPlane()
            for node in lab.nodes {
                try waitUntil("\(node.host.name) follows", seconds: 5, detail: { node.log.suffix(2000).description }) {
                    try node.admin("status")["control.state"] == "synchronised"
                }
                #expect(try node.admin("status")["meshRefused"] == nil)
                let now = try Self.position(node)
                #expect(now.identity == before.identity && now.revision > before.revision)
            }
            #expect(try Self.objects(lab) == standing)
            let answer = try lab.outside.run([
                "curl", "-sk", "-w", " %{http_code}", "-H", "authorization: Bearer \(token)",
                "https://localhost:\(ControlLab.port)/api/v1/namespaces",
            ])
            #expect(answer.out.hasSuffix(" 200"), "\(answer)")
            // Who watched before lists anew, and goes on from there.
            let watch = try lab.request("GET", "/api/v1/namespaces?watch=1&timeoutSeconds=2&resourceVersion=\(version)")
            #expect(watch.out.contains("410"), "\(watch)")
            let result = try held.result()
            #expect(result.int("alive") == 3, "\(result)")
            #expect(try web.call("echo", db.address, port: 8080).echoed)
            // What changes now reaches all, and says so.
            lab.mesh.policy("closed", "{action: DENY, rules: [{}]}")
            try lab.outside.write("/run/mesh.yaml", lab.mesh.text)
            let changed = try lab.warren("apply", "--wait", "-f", "/run/mesh.yaml")
            #expect(changed.succeeded && changed.out.contains("2 of 2 hosts"), "\(changed)")
            #expect(try !web.call("echo", db.address, port: 8080).echoed)
            // A workload's address is its own over several replicas: as it was before.
            let keys = try lab.outside.run([
                "env", "ETCDCTL_API=3", "etcdctl", "--endpoints", "http://127.0.0.1:2379", "get", "--prefix", "--keys-only",
                "/warren/objects/_",
            ])
            #expect(keys.out.contains("_workloadaddresses/") && keys.out.contains("\(db.address)\n"), "\(keys)")
            #expect(!keys.out.contains("PRIVATE") && keys.out.contains("_authority/"))
            withExtendedLifetime((server, etcd)) {}
        }

        @Test func `I22 a backup is put back into etcd: whole, above all that was told, and only when nobody serves`() throws {
            let etcd = try EtcdMembers(1)
            let members = etcd.ports.map { "127.0.0.1:\($0)" }.joined(separator: ",")
            let bench = try ControlBench(
                "store: {etcd: 'etcd://\(members)/warren', ca: \(etcd.authority), certificate: \(etcd.certificate), key: \(etcd.key)}\n"
            )
            func version() throws -> UInt64 {
                let list = try bench.request("GET", "/api/v1/namespaces").body
                return try #require(PeerEvent(list[...])?["metadata.resourceVersion"].flatMap { UInt64($0) })
            }
            func make(_ name: String) throws {
                let body = #"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"\#(name)"}}"#
                #expect(try bench.request("POST", "/api/v1/namespaces", body: body).status == 201)
            }
            try make("early")
            let socket = "\(bench.folder)/control.sock"
            let file = "\(bench.folder)/mesh.backup"
            try bench.run([
                "curl", "-sS", "--unix-socket", socket, "-H", "content-type: application/json", "-d", "{}", "-o", file,
                "http://localhost/warren/v1/backup",
            ])
            try make("late")
            let before = try version()
            let restore = [try Programs.path("warren-control"), "restore", file, "--config", "\(bench.folder)/control.yaml"]
            func refusal(_ more: [String] = []) throws -> String {
                let outcome = try bench.outcome(restore + more)
                #expect(!outcome.succeeded, "\(outcome)")
                return outcome.err
            }
            #expect(try refusal().contains("another control plane uses") || refusal().contains("a store stands at"))
            try bench.stop(SIGTERM)
            #expect(try refusal().contains("a store stands at"))
            // Its name in etcd ends some seconds after it.
            var last = ""
            try waitUntil("nobody serves", seconds: 15, detail: { last }) {
                let outcome = try bench.outcome(restore + ["--replace"])
                last = outcome.err
                return outcome.succeeded
            }
            try bench.start()
            #expect(try bench.request("GET", "/api/v1/namespaces/early").status == 200)
            #expect(try bench.request("GET", "/api/v1/namespaces/late").status == 404)
            #expect(try version() > before)
            let answer = try bench.run(
                [
                    "curl", "-sk", "-w", " %{http_code}", "-H", "authorization: Bearer \(bench.token)",
                    "\(bench.server)/api/v1/namespaces",
                ])
            #expect(answer.hasSuffix(" 401"), "\(answer)")
            try make("after")
        }
    }
}
