// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// Real hosts with two control planes over three members of etcd, of which any one is killed (Done when 4 of the control plane's issue), and what
    /// they know together of their hosts.
    @Suite struct Replicas {
        /// Long enough for a lost connection, another address and discovery; two seconds are promised.
        private static let move: Double = 2
        private static let write: Double = 5

        /// The members, the replicas and the hosts of one mesh.
        private final class Stage {
            let lab: ControlLab
            let etcd: EtcdMembers
            private var planes: [LabProcess?] = [nil, nil]

            static let ports = [ControlLab.port, ControlLab.port + 1]
            private static func configuration(_ index: Int) -> String { "/etc/warren/replica-\(index).yaml" }
            static func socket(_ index: Int) -> String { "/run/warren/\(index == 0 ? "control" : "second").sock" }

            init() throws {
                lab = try ControlLab(joining: false)
                etcd = try EtcdMembers(entry: lab.outside.networkEntry)
                let members = etcd.ports.map { "127.0.0.1:\($0)" }.joined(separator: ",")
                let store = [
                    "store.etcd": "etcd://\(members)/warren", "store.ca": etcd.authority, "store.certificate": etcd.certificate,
                    "store.key": etcd.key,
                ]
                try configure(0, store)
                try start(0)
                // The second has an intermediate of its own under the first one's root.
                let (ca, place) = ("/var/lib/warren/ca", "/var/lib/warren-second")
                try lab.outside.sh(
                    """
                    mkdir -p \(place)
                    \(Programs.path("warren")) ca intermediate --root \(ca)/root-1.pem --root-key \(ca)/root-1.key --directory \(place)
                    """)
                try configure(
                    1,
                    store.merging([
                        "directory": place, "socket": Self.socket(1), "port": "\(Self.ports[1])", "metrics.port": "15016",
                        "authority.certificate": "\(place)/intermediate.pem", "authority.key": "\(place)/intermediate-key.pem",
                        "authority.roots": "\(place)/root.pem",
                    ]) { $1 })
                try start(1)
                let addresses = Self.ports.map { "\"\(AddressPlan.outside):\($0)\"" }.joined(separator: ", ")
                for node in lab.nodes {
                    try lab.join(node)
                    node.config["control.addresses"] = "[\(addresses)]"
                }
            }

            private func configure(_ index: Int, _ settings: [String: String]) throws {
                var config = LabConfig(node: "")
                for name in ["node", "mesh.path", "log.format"] { config[name] = nil }
                for (name, value) in settings { config[name] = value }
                try lab.outside.write(Self.configuration(index), config.text)
            }

            func start(_ index: Int) throws {
                let plane = try lab.outside.start([
                    Programs.path("warren-control"), "--config", Self.configuration(index),
                ])
                planes[index] = plane
                try plane.waitFor("ready: ", seconds: 10)
            }

            func kill(_ index: Int) {
                planes[index]?.stop(SIGKILL)
                planes[index] = nil
            }

            /// The replica that a host follows now, with all of the mesh; nil while there is none.
            func replica(of node: LabNode) throws -> Int? {
                let status = try node.admin("status")
                guard status["control.state"] == "synchronised", let address = status["control.address"] else { return nil }
                return Self.ports.firstIndex { address.hasSuffix(":\($0)") }
            }

            /// Makes a policy that concerns nobody, by whichever replica takes it; every host is told.
            func write(_ name: String) throws {
                let body =
                    #"{"apiVersion":"security.istio.io/v1","kind":"AuthorizationPolicy","metadata":{"name":"\#(name)","namespace":"default"},"#
                    + #""spec":{"action":"ALLOW","selector":{"matchLabels":{"app":"nobody"}},"rules":[{}]}}"#
                let path = "/apis/security.istio.io/v1/namespaces/default/authorizationpolicies"
                var answer = ""
                try waitUntil("\(name) is written", seconds: Replicas.write, detail: { answer }) {
                    for index in planes.indices where planes[index] != nil {
                        let outcome = try lab.outside.run([
                            "curl", "-sS", "--max-time", "4", "--unix-socket", Self.socket(index), "-H",
                            "content-type: application/json", "-d", body, "-w", "\n%{http_code}", "http://localhost\(path)",
                        ])
                        answer = "\(outcome)"
                        if outcome.out.hasSuffix("\n201") || outcome.out.hasSuffix("\n409") { return true }
                    }
                    return false
                }
                for node in lab.nodes {
                    try waitUntil("\(node.host.name) knows \(name)", seconds: Replicas.write) {
                        try node.list("policies").contains { $0["name"]?.hasSuffix(name) == true }
                    }
                }
            }
        }

        @Test func `I22 I23 any one process is killed: traffic goes on, hosts move within 2 s, changes reach them within 5 s`()
            throws
        {
            let stage = try Stage()
            let lab = stage.lab
            let (web, db) = (try lab.add("web", on: 0), try lab.add("db", on: 1))
            try lab.start()
            let servers = [try web.serve("echo", port: 8080), try db.serve("echo", port: 8080)]
            let steady = [
                try web.startClient("steady", db.address, port: 8080, "--pause", "0.02"),
                try db.startClient("steady", web.address, port: 8080, "--pause", "0.02"),
            ]
            let holder = try web.startClient("hold", db.address, port: 8080, "--count", "5")
            _ = try holder.event("holding")
            // Hosts begin at different addresses by their names; whichever those are, each is left once.
            for (index, other) in [(0, 1), (1, 0)] {
                stage.kill(index)
                for node in lab.nodes {
                    try waitUntil(
                        "\(node.host.name) is with the other replica", seconds: Self.move,
                        detail: { node.log.suffix(3000).description }
                    ) {
                        try stage.replica(of: node) == other
                    }
                }
                try stage.write("without-replica-\(index)")
                try stage.start(index)
            }
            for index in 0..<stage.etcd.count {
                stage.etcd.stop(index)
                try stage.write("without-member-\(index)")
                try stage.etcd.start(index)
                try stage.etcd.waitUntilHealthy(index)
            }
            // Neither was anybody's business.
            for client in steady {
                let result = try client.result()
                #expect(result.int("failed") == 0 && result.int("requests") > 20, "\(result)")
            }
            let held = try holder.result()
            #expect(held.int("alive") == 5 && held["failed.reset"] == nil, "\(held)")
            withExtendedLifetime(servers) {}
        }

        /// Above ten seconds: members, replicas and hosts begin, and twice a host has to be missed for longer than what isn't said.
        @Test func `an apply with --wait comes back when the hosts of all replicas have it, and not before`() throws {
            let stage = try Stage()
            let lab = stage.lab
            for (node, port) in zip(lab.nodes, Stage.ports) {
                node.config["control.addresses"] = "[\"\(AddressPlan.outside):\(port)\"]"
            }
            _ = (try lab.add("web", on: 0), try lab.add("db", on: 1))
            try lab.start()
            for (index, node) in lab.nodes.enumerated() {
                try waitUntil("\(node.host.name) is with its replica", seconds: Self.move) {
                    try stage.replica(of: node) == index
                }
            }
            // Either of them is the other's for the replica that adds up.
            for (index, node) in lab.nodes.enumerated() {
                let name = "waited-\(index)"
                lab.mesh.policy(name, "{selector: {matchLabels: {app: nobody}}, rules: [{}]}")
                try lab.outside.write("/run/waited.yaml", lab.mesh.text)
                node.daemon?.signal(SIGSTOP)
                let apply = try lab.outside.start([
                    Programs.path("warren"), "apply", "-f", "/run/waited.yaml", "--wait", "--timeout", "60s",
                ])
                var last: PeerEvent?
                try waitUntil("\(name) says who hasn't it", seconds: 10, detail: { "\(last?.description ?? "")\n\(apply.log)" }) {
                    // It may have yet to be stored.
                    guard let policy = try? lab.json("get", "authorizationpolicies", name) else { return false }
                    last = policy
                    return policy.elements("status.conditions").contains {
                        $0["type"] == "Programmed" && $0["status"] == "False" && $0["message"] == "acknowledged by 1 of 2 hosts"
                    }
                }
                #expect(apply.isRunning, "\(apply.log)")
                node.daemon?.signal(SIGCONT)
                #expect(apply.wait(seconds: 20) == 0, "\(apply.log)\n\(last?.description ?? "")")
                #expect(apply.lines(with: name, "acknowledged by 2 of 2 hosts").count == 1, "\(apply.log)")
            }
        }
    }
}
