// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// I04: a namespace is a device and an inode, not a name.
    @Suite struct Namespaces {
        @Test func `I04 a deleted namespace is closed within a second and freed, one made anew under its name is a new workload`()
            throws
        {
            let mesh = try MeshLab(hosts: 1)
            let (client, server) = (try mesh.add("client", on: 0), try mesh.add("server", on: 0))
            try mesh.start()
            let node = mesh.nodes[0]
            let inode = try node.host.sh("stat -Lc %i /run/netns/server")
            let before = node.daemon?.descriptors ?? 0
            try node.host.remove(server)
            // The kernel lists a namespace that anything holds, descriptors of the daemon included.
            try waitUntil("the namespace is freed") {
                try !node.host.sh("lsns -t net -o NS -n").contains(inode.filter(\.isNumber))
                    && (node.daemon?.descriptors ?? 0) < before
            }
            try waitUntil("the workload isn't captured") { try node.captureState(server) != "captured" }
            try server.make()
            try waitUntil("the new one is captured") { try node.captureState(server) == "captured" }
            let echo = try server.serve("echo", port: 8080)
            #expect(try client.call("echo", server.address, port: 8080).echoed, "\(mesh.accessLog)")
            #expect(echo.isRunning)
        }

        @Test func `I04 a namespace recreated while the daemon is down is captured anew`() throws {
            let mesh = try MeshLab(hosts: 1)
            let (client, server) = (try mesh.add("client", on: 0), try mesh.add("server", on: 0))
            try mesh.start()
            mesh.nodes[0].stop(SIGKILL)
            try mesh.lab.hosts[0].remove(server)
            try server.make()
            try mesh.nodes[0].start()
            try mesh.waitCaptured()
            let echo = try server.serve("echo", port: 8080)
            #expect(try client.call("echo", server.address, port: 8080).echoed, "\(mesh.accessLog)")
            #expect(echo.isRunning)
        }

        /// What must not be captured, with a word of the reason.
        enum Wrong: String, CaseIterable, CustomStringConvertible {
            case hostNamespace = "the host's own namespace"
            case missing = "a namespace that isn't there"
            case foreignAddress = "an address that isn't local there"
            case twoInOne = "two workloads in one namespace"
            case secondName = "another workload's namespace under a second name"
            case path = "a path instead of a name"
            case link = "a link to another namespace"

            var description: String { rawValue }
        }

        @Test(arguments: Wrong.allCases)
        func `I04 is refused with a named reason, and harms nobody else`(wrong: Wrong) throws {
            let mesh = try MeshLab(hosts: 1)
            let (client, server) = (try mesh.add("client", on: 0), try mesh.add("server", on: 0))
            let odd = try mesh.addStranger("odd", on: 0)
            let host = mesh.nodes[0].host
            var annotations: [String: String] = [:]
            var addresses: [String]?
            switch wrong {
            case .hostNamespace:
                try host.sh("ip netns attach self $$")
                annotations["warren.dev/network-namespace"] = "self"
                addresses = [host.address]
            case .missing: annotations["warren.dev/network-namespace"] = "nowhere"
            case .foreignAddress: addresses = ["10.66.1.99"]
            case .twoInOne:
                annotations["warren.dev/network-namespace"] = "server"
                addresses = [server.address6]
                mesh.mesh.workload(server, addresses: [server.address])
            case .secondName:
                try host.sh("touch /run/netns/second; mount --bind /run/netns/server /run/netns/second")
                annotations["warren.dev/network-namespace"] = "second"
                addresses = [server.address6]
                mesh.mesh.workload(server, addresses: [server.address])
            case .path: annotations["warren.dev/network-namespace"] = "../netns/odd"
            case .link:
                try host.sh("ln -s /run/netns/server /run/netns/linked")
                annotations["warren.dev/network-namespace"] = "linked"
            }
            try mesh.start()
            let state = try host.networkState()
            let echo = try server.serve("echo", port: 8080)
            mesh.mesh.set("WorkloadEntry/default/odd", Self.entry(odd, annotations: annotations, addresses: addresses))
            try mesh.write()
            try waitUntil("the refusal is told", detail: { mesh.nodes[0].log.suffix(2000).description }) {
                let status = try mesh.nodes[0].admin("status")
                let entries = try mesh.nodes[0].list("workloads").filter { $0["captureState"] == "refused" }
                return status["meshRefused"] != nil
                    || entries.contains { ["odd", "server"].contains($0["name"] ?? "") && $0["captureReason"] != nil }
            }
            if wrong == .secondName {
                let reasons = try mesh.nodes[0].list("workloads").compactMap { $0["captureReason"] ?? nil }
                #expect(reasons.contains { $0.contains("belongs to workload default/server") }, "\(reasons)")
            }
            #expect(try host.networkState() == state, "the host's own namespace was touched")
            #expect(try host.run(["curl", "-fsS", "-m2", "http://127.0.0.1:\(LabConfig.readinessPort)/healthz/ready"]).succeeded)
            if wrong != .twoInOne { #expect(try client.call("echo", server.address, port: 8080).echoed, "\(mesh.accessLog)") }
            #expect(echo.isRunning)
        }

        private static func entry(_ workload: LabWorkload, annotations: [String: String], addresses: [String]?) -> String {
            let name = annotations["warren.dev/network-namespace"] ?? workload.name
            let address = addresses?.first ?? workload.address
            return """
                apiVersion: networking.istio.io/v1
                kind: WorkloadEntry
                metadata:
                  name: odd
                  namespace: default
                  annotations: {warren.dev/node: host1, warren.dev/network-namespace: "\(name)"}
                spec: {address: "\(address)", serviceAccount: odd}
                """
        }
    }
}
