// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

extension HostTests {
    /// The daemon with what deploy/systemd/warrend.service leaves it, as far as that can be had without systemd.
    @Suite struct ServiceUnit {
        /// What stands behind a name in the unit.
        private static func setting(_ name: String) throws -> Substring {
            let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
            let unit = try Files.text("\(root)/deploy/systemd/warrend.service")
            return try #require(unit.split(separator: "\n").first { $0.hasPrefix("\(name)=") }).dropFirst(name.count + 1)
        }

        @Test func `the unit's capabilities and its view of mounts suffice to enrol, carry, restart and release`() throws {
            let allowed = try Self.setting("CapabilityBoundingSet").split(separator: " ").map {
                "+\($0.dropFirst(4).lowercased())"
            }
            let mesh = try MeshLab(hosts: 2) {
                $0["mesh.allowEmpty"] = "true"
                $0["capture.drainLimit"] = "0s"
            }
            let client = try mesh.add("client", on: 0)
            let server = try mesh.add("server", on: 1)
            let plain = try [client, server].map { try $0.networkState() }
            for node in mesh.nodes {
                node.wrapper = [
                    "unshare", "--mount", "--propagation", "slave", "setpriv", "--no-new-privs", "--bounding-set",
                    (["-all"] + allowed).joined(separator: ","),
                ]
            }
            try mesh.start()
            let echo = try server.serve("echo", port: 8080)
            #expect(try client.call("echo", server.address, port: 8080).echoed, "\(mesh.accessLog)")

            let late = try mesh.add("late", on: 0)
            try mesh.apply()
            try mesh.waitCaptured()
            #expect(try late.call("echo", server.address6, port: 8080).echoed, "\(mesh.accessLog)")
            try mesh.nodes[0].restart()
            try mesh.waitCaptured()
            #expect(try client.call("echo", server.address, port: 8080).echoed, "\(mesh.accessLog)")

            mesh.mesh.namespace(captured: false)
            try mesh.apply()
            for (workload, state) in zip([client, server], plain) {
                try waitUntil("nothing is left in \(workload.name)", seconds: 2) { try workload.networkState() == state }
            }
            #expect(echo.isRunning)
        }
    }
}
