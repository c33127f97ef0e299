// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// `warrend` and a control plane of grpcio that hands out what a real istiod was recorded with.
    @Suite struct ForeignControlPlane {
        private static let state = "/run/control.json"
        private static let vectors =
            "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/") + "/MeshTests/Vectors"

        private let mesh: MeshLab
        private let web: LabWorkload
        private var node: LabNode { mesh.nodes[0] }

        init() throws {
            mesh = try MeshLab(hosts: 1)
            web = try mesh.add("web", on: 0)
            let node = mesh.nodes[0]
            node.config["control.addresses"] = "[\"localhost:15012\"]"
            node.config["control.directory"] = "/run/node"
            let leaf = try node.host.makeLeaf(identity: "spiffe://cluster.local/node/\(node.host.name)")
            try node.host.sh(
                """
                mkdir -m 700 /run/node && install -m 600 \(leaf).key /run/node/key.pem
                cp \(leaf).pem /run/node/certificate.pem && cp \(LabConfig.caFolder)/root.pem /run/node/roots.pem
                """)
        }

        /// - Parameter recorded: names of vectors.
        private func write(_ recorded: [String], store: String = "foreign", revision: Int = 1, hasWeb: Bool = true) throws {
            let files = recorded.flatMap { ["\($0).addresses", "\($0).authorizations"] }
                .map { "\"\(Self.vectors)/\($0).binpb\"" }
            let workload =
                "{\"uid\":\"\(uid)\",\"name\":\"web\",\"namespace\":\"default\",\"address\":\"\(web.address)\",\"account\":\"web\","
                + "\"node\":\"\(node.host.name)\",\"netns\":\"web\"}"
            try node.host.write(
                Self.state,
                "{\"store\":\"\(store)\",\"revision\":\(revision),\"recorded\":[\(files.joined(separator: ","))],"
                    + "\"workloads\":[\(hasWeb ? workload : "")]}")
        }

        private var uid: String { "Kubernetes/networking.istio.io/WorkloadEntry/default/web" }

        private func startPlane() throws -> LabProcess {
            let leaf = try node.host.makeLeaf(identity: "spiffe://cluster.local/ns/warren-system/sa/warren-control")
            let plane = try node.host.start(
                Peer.command(
                    "control_plane", ["15012", "--ca", LabConfig.caFolder, "--leaf", leaf, "--state", Self.state]))
            try plane.waitFor("\"listening\"", seconds: 5)
            return plane
        }

        private func control() throws -> PeerEvent { try node.admin("status") }

        @Test func `it asks as a ztunnel does, takes what istiod sent, and captures with a certificate from there`() throws {
            let sets = ["service-basic", "policy-when-l4", "peer-strict-namespace", "serviceentry-static"]
            try write(sets)
            let plane = try startPlane()
            try node.start()
            try waitUntil("web is captured", seconds: 5, detail: { node.log }) { try node.captureState(web) == "captured" }
            let subscriptions = plane.events("subscribe")
            #expect(subscriptions.count == 4 && subscriptions.allSatisfy { $0.int("names") == 0 && $0.int("held") == 0 })
            #expect(subscriptions.first?.list("peer") == ["spiffe://cluster.local/node/\(node.host.name)"])
            #expect(plane.events("ack").count >= 3 && plane.events("nack").isEmpty)
            #expect(plane.events("ack").allSatisfy { $0.int("node") == 0 })
            let certificate = try plane.event("certificate")
            #expect(certificate["name"] == "spiffe://cluster.local/ns/default/sa/web")
            #expect(certificate.bool("critical") && certificate.bool("valid") && certificate["subject"] == "")
            #expect(try control().int("policies") >= 2 && control().int("services") >= 1)
            // What changes there changes here.
            try write(sets + ["policy-ports"], revision: 2)
            plane.signal(SIGHUP)
            try waitUntil("the new policies are here", seconds: 1) { try control()["control.store"] == "foreign/2" }
            // One that can't be taken is named, and hurts nobody.
            plane.signal(SIGUSR1)
            let refused = try plane.event("nack")
            #expect(refused["error"]?.contains("bad: addresses: 3 bytes are no IP address") == true, "\(refused)")
            try waitUntil("it is shown", seconds: 1) { try control()["control.rejected.0.name"] == "bad" }
            #expect(try node.captureState(web) == "captured")
        }

        @Test func `I25 it starts from the last mesh and the kept key while nobody answers, and then asks for the difference`()
            throws
        {
            try write(["service-basic"])
            let plane = try startPlane()
            try node.start()
            try waitUntil("web is captured", seconds: 5, detail: { node.log }) { try node.captureState(web) == "captured" }
            try waitUntil("the mesh is on disk", seconds: 5) { node.host.exists("/run/node/last-mesh") }
            plane.stop()
            try waitUntil("it notices", seconds: 2) { try control()["control.state"] != "synchronised" }
            try node.restart()
            try waitUntil("web is captured again", seconds: 3, detail: { node.log }) { try node.captureState(web) == "captured" }
            #expect(try control()["control.failure"]?.contains("connection refused") == true)
            let again = try startPlane()
            try waitUntil("they find each other", seconds: 5) { try control()["control.state"] == "synchronised" }
            let held = again.events("subscribe").map { $0.int("held") }
            #expect(held.count == 4 && held.allSatisfy { $0 >= 0 } && held.contains { $0 > 0 }, "\(held)")
            #expect(again.events("certificate").isEmpty, "the kept key serves")
        }

        @Test func `I21 another store is refused until told`() throws {
            try write(["service-basic"])
            let plane = try startPlane()
            try node.start()
            try waitUntil("web is captured", seconds: 5, detail: { node.log }) { try node.captureState(web) == "captured" }
            plane.stop()
            try write([], store: "another", hasWeb: false)
            let other = try startPlane()
            let refused = try other.event("nack", seconds: 10)
            #expect(refused["error"]?.contains("its store is another") == true)
            #expect(try node.captureState(web) == "captured" && control()["meshRefused"]?.contains("another") == true)
            let outcome = try node.host.run(
                ["curl", "-sS", "-m5", "-X", "POST", "--unix-socket", LabConfig.socket, "http://warrend/control/accept-store"])
            #expect(outcome.out.contains("true"), "\(outcome)")
            try waitUntil("web is released", seconds: 20) { try control().int("workloads") == 0 }
            #expect(try control()["control.store"] == "another/1")
        }
    }
}
