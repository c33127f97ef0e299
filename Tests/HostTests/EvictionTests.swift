// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// Turning a host out.
    @Suite struct Eviction {
        @Test func `I22 an evicted host is refused, and the others cut its tunnels within seconds, both ways, and nobody else's`()
            throws
        {
            let lab = try ControlLab(hosts: 3)
            let (stolen, db, api) = (try lab.add("stolen", on: 0), try lab.add("db", on: 1), try lab.add("api", on: 2))
            try lab.start()
            let servers = [try stolen.serve("echo", port: 8080), try db.serve("echo", port: 8080)]
            let from = try stolen.startClient("hold", db.address, port: 8080, "--count", "3", "--pause", "0.05")
            let to = try api.startClient("hold", stolen.address, port: 8080, "--count", "3", "--pause", "0.05")
            let other = try api.startClient("hold", db.address, port: 8080, "--count", "3", "--pause", "0.05")
            for client in [from, to, other] { #expect(try client.event("holding").int("opened") == 3) }
            let began = Moment.now()
            #expect(try lab.warren("nodes", "evict", "host1").succeeded)
            for (node, text) in [(lab.nodes[1], "inbound"), (lab.nodes[2], "outbound")] {
                // A bound of three seconds; the push itself takes milliseconds.
                try waitUntil(
                    "\(node.host.name) has cut the \(text) tunnel", seconds: 0.3, detail: { node.log.suffix(2000).description }
                ) {
                    try node.list("tunnels").allSatisfy { tunnel in
                        tunnel["source.address"] != stolen.address && tunnel["destination.address"] != stolen.address
                            && !tunnel.description.contains(stolen.address)
                    }
                }
            }
            #expect(Moment.now() - began < 30)
            for client in [from, to] {
                let result = try client.result()
                #expect(result.int("alive") == 0 && result.int("ended.reset") == 3, "\(result)")
            }
            // What comes anew is refused in both directions, and says why.
            #expect(try !stolen.call("echo", db.address, port: 8080).echoed)
            #expect(try !api.call("echo", stolen.address, port: 8080).echoed)
            #expect(try api.call("echo", db.address, port: 8080).echoed)
            for node in lab.nodes[1...] {
                #expect(node.log.contains("is of host host1, which is evicted"), "\(node.log.suffix(2000))")
            }
            try waitUntil("the host knows", seconds: 5, detail: { lab.nodes[0].log.suffix(2000).description }) {
                try lab.nodes[0].admin("status")["control.failure"]?.contains("no member of the mesh any more") == true
            }
            #expect(try lab.json("nodes", "host1")[".0.spec.evicted"] == "true")
            let result = try other.result()
            #expect(result.int("alive") == 3, "\(result)")
            // Let in again it joins anew, as another.
            #expect(try lab.warren("nodes", "readmit", "host1").succeeded)
            #expect(try lab.nodes[0].admin("status")["control.state"] != "synchronised")
            lab.nodes[0].stop()
            try lab.join(lab.nodes[0])
            try lab.nodes[0].start()
            try lab.waitCaptured()
            try waitUntil("it is one of them", seconds: 2, detail: { lab.nodes[1].log.suffix(2000).description }) {
                try stolen.call("echo", db.address, port: 8080).echoed && api.call("echo", stolen.address, port: 8080).echoed
            }
            withExtendedLifetime(servers) {}
        }
    }
}
