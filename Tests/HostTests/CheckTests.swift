// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// `warren check` on hosts that something is wrong with: each fault is named, with its remedy.
    @Suite struct Check {
        /// A finding of `warren check -o json`.
        private func findings(_ mesh: MeshLab, _ wrapper: [String] = []) throws -> [PeerEvent] {
            let outcome = try mesh.lab.hosts[0].run(wrapper + [Programs.path("warren"), "check", "-o", "json"])
            guard let list = PeerEvent("{\"findings\": \(outcome.out)}") else { throw LabFailure(description: "\(outcome)") }
            return list.elements("findings")
        }

        private func failed(
            _ mesh: MeshLab, _ name: String, _ words: String..., wrapper: [String] = [],
            at location: SourceLocation = #_sourceLocation
        ) throws {
            let all = try findings(mesh, wrapper)
            let text = all.map(\.description).joined(separator: "\n")
            let finding = all.first { $0.description.contains("=failed") && $0.description.contains(name) }
            #expect(finding != nil, "\(name) should fail:\n\(text)", sourceLocation: location)
            #expect(finding?["remedy"]?.isEmpty == false, "\(text)", sourceLocation: location)
            for word in words {
                #expect(finding?.description.contains(word) == true, "\(word): \(text)", sourceLocation: location)
            }
        }

        private func lab() throws -> MeshLab {
            let mesh = try MeshLab(hosts: 1)
            _ = try mesh.add("web", on: 0)
            try mesh.write()
            try mesh.lab.hosts[0].write(LabConfig.path, mesh.nodes[0].config.text)
            return mesh
        }

        @Test func `a healthy host has no failed finding`() throws {
            let mesh = try lab()
            try mesh.start()
            let outcome = try mesh.nodes[0].warren("check")
            #expect(outcome.succeeded, "\(outcome)")
            #expect(outcome.out.contains("1  ") && outcome.out.contains("none failed"), "\(outcome.out)")
        }

        @Test func `no authority is named, and ca init mends it`() throws {
            let mesh = try lab()
            let host = mesh.lab.hosts[0]
            host.remove(LabConfig.caFolder)
            try failed(mesh, "authority", LabConfig.caFolder, "warren ca init")
            let made = try mesh.nodes[0].warren("ca", "init", "--directory", LabConfig.caFolder)
            #expect(made.succeeded, "\(made)")
            #expect(try host.sh("stat -c %a \(LabConfig.caFolder)/*key*").split(separator: "\n").allSatisfy { $0 == "600" })
            #expect(
                try findings(mesh).filter { $0.description.contains("=failed") }.allSatisfy { $0.description.contains("daemon") })
            let again = try mesh.nodes[0].warren("ca", "init", "--directory", LabConfig.caFolder)
            #expect(!again.succeeded && again.err.contains("overwritten"), "an authority is never overwritten: \(again)")
            try mesh.start()
        }

        @Test func `a key that others may read is named`() throws {
            let mesh = try lab()
            try mesh.lab.hosts[0].sh("chmod 644 \(LabConfig.caFolder)/intermediate-key.pem")
            try failed(mesh, "authority.key", "chmod 600")
        }

        @Test func `files of two authorities that don't fit are named`() throws {
            let mesh = try lab()
            let root = try mesh.lab.hosts[0].read("\(LabConfig.caFolder)/root.pem")
            try TestAuthority.stranger.get().install(on: mesh.lab.hosts[0])
            try mesh.lab.hosts[0].write("\(LabConfig.caFolder)/root.pem", root)
            try failed(mesh, "authority")
        }

        @Test(arguments: [LabConfig.metricsPort, LabConfig.readinessPort])
        func `a port that is taken is named, by check and by the daemon`(port: Int) throws {
            let mesh = try lab()
            let other = try mesh.lab.hosts[0].serve("echo", port: port)
            try failed(mesh, "port", "\(port)", "ss ")
            try mesh.nodes[0].startUnready()
            let status = mesh.nodes[0].daemon?.wait(seconds: 20)
            #expect(status != nil && status != 0, "the daemon must not run half")
            #expect(mesh.nodes[0].log.contains("\(port)"), "\(mesh.nodes[0].log)")
            #expect(other.isRunning)
        }

        @Test func `nftables that can't be used is named`() throws {
            let mesh = try lab()
            try failed(
                mesh, "nftables", "CAP_NET_ADMIN", wrapper: ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"])
        }

        @Test func `a clock that is behind is named`() throws {
            let mesh = try lab()
            let host = mesh.lab.hosts[0]
            // As this host sees it, an authority that begins tomorrow was made by a clock ahead of its own.
            let made = try host.run(Peer.command("certificates", ["authority", LabConfig.caFolder, "--begins", "24"]))
            #expect(made.succeeded, "\(made)")
            try failed(mesh, "clock", "timedatectl")
        }

        @Test func `a configuration and a mesh that are wrong are named with line and remedy`() throws {
            let mesh = try lab()
            try mesh.lab.hosts[0].write(LabConfig.path, mesh.nodes[0].config.text + "tunel: {maxStreamAge: 1h}\n")
            try failed(mesh, "configuration", "tunel", "tunnel")
            try mesh.nodes[0].startUnready()
            try mesh.lab.hosts[0].write(LabConfig.path, mesh.nodes[0].config.text)
            try mesh.lab.hosts[0].write(
                LabConfig.meshPath, mesh.mesh.text + "---\napiVersion: v1\nkind: Namespace\nmetadata: {nam: a}\n")
            try failed(mesh, "mesh", "nam")
        }

        @Test func `a daemon that doesn't run is named, with a code of its own`() throws {
            let mesh = try lab()
            let outcome = try mesh.nodes[0].warren("check")
            #expect(outcome.status == 3, "\(outcome)")
            for command in ["tunnels", "connections", "workloads", "services", "policies", "certificates", "log"] {
                let outcome = try mesh.nodes[0].warren(command)
                #expect(outcome.status == 3 && outcome.err.contains(LabConfig.socket), "\(command): \(outcome)")
            }
        }

        @Test func `a workload whose namespace is missing is named`() throws {
            let mesh = try lab()
            try mesh.lab.hosts[0].sh("ip netns delete web")
            try failed(mesh, "web", "ip netns add web")
        }
    }
}
