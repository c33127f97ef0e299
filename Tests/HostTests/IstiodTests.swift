// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests.ForeignControlPlane {
    /// Two hosts that are clients of istiod, which stands outside: the first like a ztunnel in a pod, by an account that may ask for others'
    /// certificates; the second like a machine beside the cluster, by the account of its one workload.
    @Suite struct Istiod {
        private static let state = "/run/istiod.json"
        private static let key = "/run/tokens.key"
        private static let token = "/run/secrets/istio-token"
        private static let roots = "/run/secrets/root-cert.pem"
        private static let name = "istiod.istio-system.svc"
        private static let nodeAccount = "istio-system/ztunnel"

        private let mesh: MeshLab
        private let web: LabWorkload
        private let stock: LabWorkload
        private var outside: LabOutside { mesh.lab.outside }
        private var nodes: [LabNode] { mesh.nodes }

        init() throws {
            mesh = try MeshLab(hosts: 2)
            web = try mesh.lab.hosts[0].addWorkload("web")
            stock = try mesh.lab.hosts[1].addWorkload("stock")
            for (node, workload) in zip(mesh.nodes, [web, stock]) {
                node.config["mesh.path"] = nil
                node.config["control.addresses"] = "[\"\(AddressPlan.outside):15012\"]"
                node.config["control.retry"] = "500ms"
                node.config["control.istiod.token"] = Self.token
                node.config["control.istiod.roots"] = Self.roots
                node.config["control.istiod.serverName"] = Self.name
                node.config["control.istiod.workloads"] =
                    "[{namespace: default, name: \(workload.name), networkNamespace: \(workload.name)}]"
            }
            try mesh.lab.outside.sh("head -c 32 /dev/urandom > \(Self.key)")
            try writeState()
        }

        private func writeState(_ recorded: [String] = [], policy: String = "") throws {
            let workloads = [web, stock].map { workload in
                "{\"uid\":\"Kubernetes/networking.istio.io/WorkloadEntry/default/\(workload.name)\",\"name\":\"\(workload.name)\","
                    + "\"namespace\":\"default\",\"address\":\"\(workload.address)\",\"account\":\"\(workload.name)\","
                    + "\"node\":\"\",\"netns\":\"\"}"
            }
            let files = recorded.flatMap { ["\($0).addresses", "\($0).authorizations"] }.map { "\"\(Self.vectors)/\($0).binpb\"" }
            try outside.write(
                Self.state,
                """
                {"store": "", "revision": 0, "recorded": [\(files.joined(separator: ","))], "workloads": [\(workloads.joined(separator: ","))],
                 "trusted": ["\(Self.nodeAccount)"], "pods": {"host1": ["default/web"]}}
                """)
        }

        private static let vectors =
            "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/") + "/MeshTests/Vectors"

        private func startIstiod(_ kind: String = "istiod") throws -> LabProcess {
            let leaf = try outside.makeLeaf(kind)
            let istiod = try outside.start(
                Peer.command(
                    "istiod",
                    [
                        "serve", "15012", "--ca", LabConfig.caFolder, "--leaf", leaf, "--tokens", Self.key, "--state", Self.state,
                    ]))
            try istiod.waitFor("\"listening\"", seconds: 5)
            return istiod
        }

        /// Writes a host's token as kubelet or a cron job would: another file, renamed.
        private func writeToken(_ host: Int, seconds: Int = 3600, account: String? = nil, mode: UInt32 = 0o600) throws {
            let bound = host == 0 && account == nil ? ["--pod", "ztunnel-x1", "--node", "host1"] : []
            let account = account ?? (host == 0 ? Self.nodeAccount : "default/stock")
            let outcome = try outside.run(
                Peer.command("istiod", ["token", account, "--tokens", Self.key, "--ttl", "\(seconds)"] + bound))
            guard outcome.succeeded else { throw LabFailure(description: "no token: \(outcome)") }
            let place = mesh.lab.hosts[host]
            try place.write(Self.token, outcome.out, mode: mode)
            if !place.exists(Self.roots) { try place.write(Self.roots, place.read("\(LabConfig.caFolder)/root.pem")) }
        }

        private func start() throws -> LabProcess {
            let istiod = try startIstiod()
            for (index, node) in nodes.enumerated() {
                try writeToken(index)
                try node.start()
            }
            try waitCaptured()
            return istiod
        }

        private func waitCaptured() throws {
            for (node, workload) in zip(nodes, [web, stock]) {
                try waitUntil("\(workload.name) is captured", seconds: 5, detail: { node.log.suffix(3000).description }) {
                    try node.captureState(workload) == "captured"
                }
            }
        }

        private func control(_ host: Int = 0) throws -> PeerEvent { try nodes[host].admin("status") }

        /// Polls until the host says this of its connection.
        private func waitFailure(_ words: String, host: Int = 0, seconds: Double = 3) throws {
            try waitUntil("\(words)", seconds: seconds, detail: { "\((try? control(host)).map { $0.description } ?? "")" }) {
                try control(host)["control.failure"]?.contains(words) == true
            }
        }

        @Test func `two hosts get mesh and certificates as ztunnels do, and their workloads reach each other by tunnel`() throws {
            try writeState(["service-basic", "policy-when-l4"])
            let istiod = try start()
            let introduced = istiod.events("node")
            let first = try #require(introduced.first { $0["metadata.NODE_NAME"] == "host1" }, "\(introduced)")
            #expect(first["id"] == "ztunnel~1.1.1.1~ztunnel-x1.istio-system~istio-system.svc.cluster.local", "\(first)")
            #expect(first["metadata.NAME"] == "ztunnel-x1" && first["metadata.NAMESPACE"] == "istio-system", "\(first)")
            let second = try #require(introduced.first { $0["metadata.NODE_NAME"] == "host2" }, "\(introduced)")
            #expect(second["id"] == "ztunnel~1.1.1.1~host2.default~default.svc.cluster.local", "\(second)")
            // The two types of a ztunnel, everything of each, and no certificate of ours.
            let subscriptions = istiod.events("subscribe")
            #expect(subscriptions.count == 4, "\(subscriptions)")
            #expect(Set(subscriptions.compactMap { $0["type"] }).count == 2, "\(subscriptions)")
            #expect(subscriptions.allSatisfy { $0.int("names") == 0 && $0.int("held") == 0 && $0.int("certificates") == 0 })
            #expect(istiod.events("nack").isEmpty && istiod.events("denied").isEmpty, "\(istiod.events)")
            let certificates = istiod.events("certificate")
            let other = try #require(certificates.first { $0["name"] == "spiffe://cluster.local/ns/default/sa/web" })
            #expect(other["impersonated"] == other["name"] && other["account"] == Self.nodeAccount, "\(other)")
            let own = try #require(certificates.first { $0["name"] == "spiffe://cluster.local/ns/default/sa/stock" })
            #expect(own["impersonated"] == "" && own["account"] == "default/stock" && own.bool("valid"), "\(own)")
            // Traffic, and who the other end is by its certificate.
            let server = try stock.serve("echo", port: 8080)
            #expect(try web.call("echo", stock.address, port: 8080).echoed, "\(mesh.accessLog)")
            let line = try nodes[1].accessLine("the call") { $0["dst.addr"]?.hasSuffix(":8080") == true }
            #expect(line["src.identity"] == "spiffe://cluster.local/ns/default/sa/web", "\(line)")
            // What istiod sends with a counter and another time at each push is no other store.
            for set in [["service-basic"], ["service-basic", "policy-deny-all"]] {
                try writeState(set)
                istiod.signal(SIGHUP)
                try waitUntil("the policies are here", seconds: 2, detail: { nodes[0].log.suffix(2000).description }) {
                    try control().int("policies") == (set.count - 1) && control()["meshRefused"] == nil
                }
            }
            // How it stands, for a person.
            let status = try nodes[0].warren("status")
            #expect(status.out.contains("with istiod at \(AddressPlan.outside):15012"), "\(status)")
            #expect(
                status.out.contains("\(Self.nodeAccount), its token ends 2") && status.out.contains("no registrations"),
                "\(status)")
            let added = try nodes[0].warren(
                "workload", "add", "x", "--address", "10.66.1.9", "--network-namespace", "x", "--service-account", "x")
            #expect(!added.succeeded && added.err.contains("control plane is istiod"), "\(added)")
            let check = try nodes[0].warren("check")
            #expect(check.out.contains("of \(Self.nodeAccount), for another"), "\(check)")
            withExtendedLifetime(server) {}
        }

        @Test
        func `I25 a token that is exchanged is shown with the next call, and one that expired is named until another comes`()
            throws
        {
            let istiod = try start()
            let before = try #require(istiod.events("node").last { $0["metadata.NODE_NAME"] == "host1" }?["token"])
            try writeToken(0)
            istiod.signal(SIGUSR1)
            let again = try istiod.event("node", seconds: 10) { $0["metadata.NODE_NAME"] == "host1" && $0["token"] != before }
            #expect(again["token"] != nil)
            try waitUntil("it is back", seconds: 10) { try control()["control.state"] == "synchronised" }
            // It comes back with what it holds, and is told no more than the difference.
            #expect(istiod.events("subscribe").contains { $0.int("held") == 2 }, "\(istiod.events("subscribe"))")
            let server = try stock.serve("echo", port: 8080)
            try waitUntil("the mesh is on disk", seconds: 5) { nodes[0].host.exists("/var/lib/warren/node/last-mesh-of-istiod") }
            // Expired, as istiod judges it: traffic goes on.
            try writeToken(0, seconds: -60)
            istiod.signal(SIGUSR1)
            try waitFailure("istiod refuses the token of istio-system/ztunnel in \(Self.token), which expired at 2")
            try waitFailure("authentication failure")
            #expect(nodes[0].log.contains("which expired at"), "\(nodes[0].log.suffix(2000))")
            try waitUntil("a person sees it", seconds: 1) {
                let status = try nodes[0].warren("status").out
                return status.contains("not connected") && status.contains("which expired at")
            }
            #expect(try web.call("echo", stock.address, port: 8080).echoed, "\(mesh.accessLog)")
            // A restart meanwhile serves from what is kept.
            try nodes[0].restart()
            try waitCaptured()
            #expect(try web.call("echo", stock.address, port: 8080).echoed, "\(mesh.accessLog)")
            try writeToken(0)
            try waitUntil("the new one is taken", seconds: 3, detail: { nodes[0].log.suffix(2000).description }) {
                try control()["control.state"] == "synchronised"
            }
            withExtendedLifetime(server) {}
        }

        @Test
        func `who isn't the istiod that was meant sees no token, and a token that istiod or this host can't trust gets nothing`()
            throws
        {
            let node = nodes[0]
            try writeToken(0)
            // A certificate of another root, by the right name.
            let stranger = try startIstiod("istiod-unknown")
            try node.startUnready()
            try waitUntil("it answers", seconds: 3) { (try? node.admin("status")) != nil }
            try waitFailure("TLS with \(AddressPlan.outside):15012")
            #expect(stranger.events("denied").isEmpty && stranger.events("node").isEmpty)
            stranger.stop()
            // Another name, of the right root.
            let named = try startIstiod("dns-san")
            try waitFailure("it doesn't name \(Self.name)")
            #expect(named.events("denied").isEmpty && named.events("node").isEmpty)
            named.stop()
            // Whom the file lets in, and what is no token, is refused here, by a host that isn't connected yet.
            try writeToken(0, mode: 0o644)
            let istiod = try startIstiod()
            try waitFailure("may be used by others than its owner: run `chmod 600 \(Self.token)`")
            try mesh.lab.hosts[0].write(Self.token, "two words", mode: 0o600)
            try waitFailure("holds no token")
            mesh.lab.hosts[0].remove(Self.token)
            try waitFailure("there is no token at \(Self.token)")
            // What somebody else signed is refused there.
            try mesh.lab.hosts[0].write(Self.token, "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", mode: 0o600)
            try waitFailure("authentication failure")
            // An account that may not ask for others' certificates: the mesh comes, the certificate doesn't, and it is said why.
            try writeToken(0, account: "default/stock")
            try waitUntil("the mesh is here", seconds: 3, detail: { node.log.suffix(2000).description }) {
                try control()["control.state"] == "synchronised"
            }
            try waitUntil("it is said why web isn't captured", seconds: 15, detail: { node.log.suffix(2000).description }) {
                node.log.contains("can't capture default/web: no certificate for spiffe://cluster.local/ns/default/sa/web")
                    && node.log.contains("CA_TRUSTED_NODE_ACCOUNTS")
            }
            #expect(try node.captureState(web) != "captured")
            #expect(istiod.events("certificate").isEmpty)
        }

        @Test func `a host is either a member or a client of istiod, and says so`() throws {
            let node = nodes[0]
            try writeToken(0)
            let key = try node.host.makeLeaf(identity: "spiffe://cluster.local/node/host1")
            try node.host.sh("mkdir -p -m 700 /var/lib/warren/node && install -m 600 \(key).key /var/lib/warren/node/key.pem")
            try node.startUnready()
            try waitUntil("it ends", seconds: 5, detail: { node.log }) { node.daemon?.status != nil }
            #expect(node.daemon?.status == 78 && node.log.contains("makes it a member of another mesh"), "\(node.log)")
            let left = try node.warren("leave")
            #expect(!left.succeeded && left.err.contains("client of istiod"), "\(left)")
        }
    }
}
