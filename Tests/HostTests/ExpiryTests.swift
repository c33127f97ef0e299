// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// Certificates that end while the control plane is away. The machine's clock stays: certificates live for 40 s, and so long the test takes.
    @Suite struct Expiry {
        private func certificate(_ node: LabNode) throws -> PeerEvent {
            try #require(try node.list("certificates").first)
        }

        @Test
        func `I25 renewals are retried and reported, traffic goes on until the end and is refused after it, and all come back`()
            throws
        {
            let lab = try ControlLab(settings: ["authority.lifetime": "40s"])
            let (web, db) = (try lab.add("web", on: 0), try lab.add("db", on: 1))
            try lab.start()
            let servers = [try web.serve("echo", port: 8080), try db.serve("echo", port: 8080)]
            let serials = try lab.nodes.map { try certificate($0)["serialNumber"] }
            // The disk is written to once in two seconds.
            try waitUntil("the mesh is on disk", seconds: 5) { lab.nodes[0].host.exists("/var/lib/warren/node/last-mesh") }
            sleep(4)
            lab.stopPlane()
            // A daemon that begins now has no more than what is on its disk.
            try lab.nodes[0].restart()
            try lab.waitCaptured()
            #expect(try certificate(lab.nodes[0])["serialNumber"] == serials[0])
            let clients = [
                try web.startClient("steady", db.address, port: 8080, "--pause", "0.05"),
                try db.startClient("steady", web.address, port: 8080, "--pause", "0.05"),
            ]
            for node in lab.nodes {
                try waitUntil("\(node.host.name) reports", seconds: 40, detail: { node.log.suffix(2000).description }) {
                    try certificate(node)["reason"]?.contains("no control plane answers") == true
                }
                let now = try certificate(node)
                #expect(now["status"] == "Unavailable" && now.bool("valid") && now.int("expiresInSeconds") > 0, "\(now)")
                #expect(node.log.contains("can't be renewed") && node.log.contains("connection refused"))
            }
            #expect(try lab.nodes[0].metric("warren_certificate_renewals_total", "failed") > 0)
            // Until here nobody noticed.
            for client in clients {
                let result = try client.result()
                #expect(result.int("failed") == 0 && result.int("requests") > 50, "\(result)")
            }
            for node in lab.nodes {
                try waitUntil("the certificate on \(node.host.name) has ended", seconds: 40) {
                    try !certificate(node).bool("valid")
                }
            }
            #expect(try !web.call("echo", db.address, port: 8080).echoed)
            #expect(try !db.call("echo", web.address, port: 8080).echoed)
            for (node, name) in zip(lab.nodes, ["web", "db"]) {
                let words = "the certificate of spiffe://cluster.local/ns/default/sa/\(name) has expired"
                try waitUntil("\(node.host.name) says which", seconds: 1, detail: { node.log.suffix(2000).description }) {
                    node.log.contains(words)
                }
            }
            let before = lab.log.utf8.count
            try lab.startPlane()
            try waitUntil("traffic is back", seconds: 20, detail: { lab.nodes[0].log.suffix(2000).description }) {
                try web.call("echo", db.address, port: 8080).echoed && db.call("echo", web.address, port: 8080).echoed
            }
            for (node, serial) in zip(lab.nodes, serials) {
                let now = try certificate(node)
                #expect(now["status"] == "Available" && now["serialNumber"] != serial && now.bool("valid"), "\(now)")
            }
            // One request for each, not a rush.
            let issued = lab.log.utf8.dropFirst(before)
            let lines = String(decoding: issued, as: UTF8.self).split(separator: "\n").filter {
                $0.contains("audit: certificate")
            }
            #expect(lines.count { $0.contains("/sa/web") } <= 2 && lines.count { $0.contains("/sa/db") } <= 2, "\(lines)")
            withExtendedLifetime(servers) {}
        }
    }
}
