// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// A control plane that lost its disk.
    @Suite struct Backup {
        @Test func `I22 a mesh is restored with its keys, its tokens end, and hosts take it over by themselves`() throws {
            let lab = try ControlLab()
            let (web, db) = (try lab.add("web", on: 0), try lab.add("db", on: 1))
            try lab.start()
            let server = try db.serve("echo", port: 8080)
            let held = try web.startClient("hold", db.address, port: 8080, "--count", "3", "--pause", "0.05")
            #expect(try held.event("holding").int("opened") == 3)
            let token = try #require(try lab.json("token", "create", "--role", "admin")["token"])
            try lab.outside.write("/run/passphrase", "correct horse battery\n", mode: 0o600)
            let made = try lab.warren("control", "backup", "/run/mesh.backup", "--passphrase-file", "/run/passphrase")
            #expect(made.succeeded, "\(made)")
            let file = try lab.outside.read("/run/mesh.backup")
            #expect(file.hasPrefix("warren-backup 1 ") && !file.contains("PRIVATE KEY") && !file.contains("_tokens"))
            // What comes after the backup is lost with the disk.
            #expect(try lab.warren("namespace", "create", "late").succeeded)
            let root = try lab.json("control", "authority")["roots.0.sha256"]
            lab.stopPlane(SIGKILL)
            try lab.outside.sh("rm -r /var/lib/warren/control.db* /var/lib/warren/ca")
            let restore = ["control", "restore", "/run/mesh.backup", "--passphrase-file"]
            let bin = try Programs.path("warren-control").split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }
            let run = { (arguments: [String]) in
                try lab.outside.run(["env", "PATH=\(bin):/usr/bin:/bin", "warren"] + arguments)
            }
            try lab.outside.write("/run/wrong", "another passphrase\n", mode: 0o600)
            let wrong = try run(restore + ["/run/wrong"])
            #expect(!wrong.succeeded && wrong.err.contains("can't be opened"), "\(wrong)")
            let restored = try run(restore + ["/run/passphrase"])
            #expect(restored.succeeded && restored.out.contains("Tokens aren't valid any more"), "\(restored)")
            let again = try run(restore + ["/run/passphrase"])
            #expect(!again.succeeded && again.err.contains("--replace"), "\(again)")
            try lab.startPlane()
            #expect(try lab.json("control", "authority")["roots.0.sha256"] == root)
            for node in lab.nodes {
                try waitUntil("\(node.host.name) follows", seconds: 5, detail: { node.log.suffix(2000).description }) {
                    try node.admin("status")["control.state"] == "synchronised"
                }
                #expect(try node.admin("status")["meshRefused"] == nil)
            }
            let revision = try #require(
                try lab.nodes[0].admin("status")["control.store"]?.split(separator: "/").last.flatMap { UInt64($0) })
            #expect(revision > 1_000_000_000)
            let answer = try lab.outside.run([
                "curl", "-sk", "-w", " %{http_code}", "-H", "authorization: Bearer \(token)",
                "https://localhost:\(ControlLab.port)/api/v1/namespaces",
            ])
            #expect(answer.out.hasSuffix(" 401"), "\(answer)")
            #expect(try !lab.warren("get", "namespace", "late").succeeded)
            let result = try held.result()
            #expect(result.int("alive") == 3, "\(result)")
            #expect(try web.call("echo", db.address, port: 8080).echoed)
            // And what changes now reaches all.
            lab.mesh.policy("closed", "{action: DENY, rules: [{}]}")
            try lab.apply()
            try waitUntil("the policy holds", seconds: 2) { try !web.call("echo", db.address, port: 8080).echoed }
            withExtendedLifetime(server) {}
        }
    }
}
