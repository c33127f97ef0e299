// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// The keys of the mesh change under traffic (Done when 7 of the control plane's issue). Each step of a root's change waits for the longest
    /// certificate, here 10 s: the tests take half a minute.
    @Suite struct Rotation {
        private static let lifetimes = ["authority.lifetime": "10s", "authority.nodeLifetime": "10s"]
        private static let overlap: Double = 10

        /// Calls in both directions, short and long, that go on until asked how they went.
        private struct Traffic {
            let short: [LabProcess]
            let long: [LabProcess]
            /// Must live on.
            let servers: [LabProcess]

            init(_ a: LabWorkload, _ b: LabWorkload) throws {
                servers = [try a.serve("echo", port: 8080), try b.serve("echo", port: 8080)]
                let ways = [(a, b.address), (b, a.address)]
                short = try ways.map { from, to in try from.startClient("steady", to, port: 8080, "--pause", "0.05") }
                long = try ways.map { from, to in try from.startClient("hold", to, port: 8080, "--count", "5") }
                for process in short { _ = try process.event("began") }
                for process in long { _ = try process.event("holding") }
            }

            func check() throws {
                for process in short {
                    let result = try process.result()
                    #expect(result.int("failed") == 0 && result.int("requests") > 100, "\(result)")
                }
                for process in long {
                    let result = try process.result()
                    #expect(result.int("alive") == 5 && result["failed.reset"] == nil, "\(result)")
                }
            }
        }

        /// The serial numbers of the roots that a host trusts by any of its certificates, and of what signed them.
        private func trust(_ node: LabNode) throws -> (roots: Set<String>, issuers: Set<String>) {
            var (roots, issuers): (Set<String>, Set<String>) = ([], [])
            for certificate in try node.list("certificates") {
                roots.formUnion(certificate.elements("roots").compactMap { $0["serialNumber"] })
                issuers.insert(certificate["chain.1.serialNumber"] ?? "none")
            }
            return (roots, issuers)
        }

        private func ownRoots(_ node: LabNode) throws -> Int {
            try node.host.read("/var/lib/warren/node/roots.pem").components(of: "BEGIN CERTIFICATE")
        }

        private func rotate(_ lab: ControlLab, _ step: String) throws {
            // It refuses until whoever has a certificate knows what the step before brought.
            try waitUntil("\(step)", seconds: Self.overlap, detail: { lab.log.suffix(2000).description }) {
                try lab.warren("control", "rotate", step).succeeded
            }
        }

        /// From one root to the next, and then until every host has followed.
        private func changeRoot(_ lab: ControlLab) throws {
            let first = try trust(lab.nodes[0]).roots
            try rotate(lab, "introduce-root")
            let early = try lab.warren("control", "rotate", "use-root")
            #expect(!early.succeeded && early.err.contains("must wait until"), "\(early)")
            try rotate(lab, "use-root")
            try rotate(lab, "drop-root")
            let signer = try #require(try lab.json("control", "authority")["intermediate.serial"])
            for node in lab.nodes {
                try waitUntil(
                    "\(node.host.name) has forgotten the old root", seconds: 10, detail: { node.log.suffix(2000).description }
                ) {
                    let now = try trust(node)
                    return now.roots.count == 1 && now.roots.isDisjoint(with: first) && now.issuers == [signer]
                }
                try waitUntil("\(node.host.name) itself too", seconds: 10) { try ownRoots(node) == 1 }
            }
        }

        @Test func `an intermediate and then the root change under traffic, and no connection fails`() throws {
            let lab = try ControlLab(settings: Self.lifetimes)
            let (web, db) = (try lab.add("web", on: 0), try lab.add("db", on: 1))
            try lab.start()
            let traffic = try Traffic(web, db)
            let before = try trust(lab.nodes[0])
            try rotate(lab, "intermediate")
            for node in lab.nodes {
                try waitUntil("\(node.host.name) has certificates of the new intermediate", seconds: 10) {
                    let now = try trust(node)
                    return now.roots == before.roots && now.issuers.isDisjoint(with: before.issuers)
                }
            }
            try changeRoot(lab)
            try traffic.check()
            #expect(lab.nodes.allSatisfy { !$0.log.contains("can't be renewed") })
            // A host that comes now is one of them.
            lab.nodes[0].stop()
            try lab.join(lab.nodes[0])
            try lab.nodes[0].start()
            try lab.waitCaptured()
            #expect(try web.call("echo", db.address, port: 8080).echoed)
            withExtendedLifetime(traffic) {}
        }

        @Test func `a mesh with its CA on every host hands it over to a control plane, which replaces it`() throws {
            let lab = try ControlLab(settings: Self.lifetimes, joining: false)
            let (web, db) = (try lab.add("web", on: 0), try lab.add("db", on: 1))
            // Until its host has joined nobody reports that a workload is captured: the label says so.
            for workload in [web, db] { lab.mesh.workload(workload, labels: ["networking.istio.io/tunnel": "http"]) }
            for node in lab.nodes {
                node.config["identity.lifetime"] = "10s"
                try node.host.write(LabConfig.meshPath, lab.mesh.withoutGrants)
                try node.start()
            }
            try lab.waitCaptured()
            var settings = Self.lifetimes
            for (name, file) in [("certificate", "intermediate"), ("key", "intermediate-key"), ("roots", "root")] {
                settings["authority.\(name)"] = "\(LabConfig.caFolder)/\(file).pem"
            }
            try TestAuthority.shared.get().install(on: lab.outside)
            try lab.configure(settings)
            try lab.startPlane()
            try lab.apply()
            #expect(try lab.json("control", "authority")["source"] == "files")
            // One host after the other, and each knows those who are still to come.
            let servers = [try web.serve("echo", port: 8080), try db.serve("echo", port: 8080)]
            for node in lab.nodes {
                node.stop()
                try lab.join(node)
                try node.start()
                try lab.waitCaptured()
                #expect(try web.call("echo", db.address, port: 8080).echoed && db.call("echo", web.address, port: 8080).echoed)
            }
            withExtendedLifetime(servers) {}
            for server in servers { server.stop() }
            for workload in [web, db] { lab.mesh.workload(workload) }
            try lab.apply()
            let traffic = try Traffic(web, db)
            #expect(try lab.warren("control", "rotate", "adopt").succeeded)
            #expect(try lab.json("control", "authority")["source"] == "directory")
            try changeRoot(lab)
            try traffic.check()
            // The files may go, and so may the settings.
            lab.stopPlane()
            for name in ["intermediate", "intermediate-key", "root"] { lab.outside.remove("\(LabConfig.caFolder)/\(name).pem") }
            try lab.startPlane()
            #expect(try lab.json("control", "authority").count("roots") == 1)
        }
    }
}

extension MeshFile {
    /// What files know: grants are a control plane's.
    fileprivate var withoutGrants: String {
        text.split(separator: "---\n").filter { !$0.contains("kind: NodeGrant") }.joined(separator: "---\n")
    }
}

extension String {
    /// How often a text is in it.
    fileprivate func components(of text: String) -> Int {
        var (count, rest) = (0, self[...])
        while let found = rest.firstRange(of: text) {
            count += 1
            rest = rest[found.upperBound...]
        }
        return count
    }
}
