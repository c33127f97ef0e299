// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

extension HostTests {
    /// What systemd hears from the daemon, played by a peer.
    @Suite struct Watchdog {
        @Test func `I24 the watchdog is fed while every loop turns, and not while one hangs`() throws {
            let mesh = try MeshLab(hosts: 1)
            _ = try mesh.add("client", on: 0)
            let node = mesh.nodes[0]
            let socket = "/run/notified"
            let systemd = try node.host.start(Peer.command("notified", [socket]))
            try systemd.waitFor("\"listening\"")
            node.wrapper = ["env", "NOTIFY_SOCKET=\(socket)", "WATCHDOG_USEC=1000000"]
            try mesh.start()
            _ = try systemd.event("told") { $0["text"] == "READY=1" }
            // While it begins it may be fed already, which systemd doesn't ask for yet.
            let first = systemd.events("told").first { $0["text"] != "WATCHDOG=1" }
            #expect(first?["text"] == "READY=1", "nothing else before it serves")
            try waitUntil("it is fed, and again", seconds: 5) { Self.fed(systemd).count >= 3 }

            let process = try #require(node.daemon?.pid)
            let hold = try RunningCommand.run(Peer.command("hold", ["\(process)", "loop-0", "2.5"]))
            #expect(hold.succeeded, "\(hold)")
            let times = PeerEvent.all(in: hold.out).compactMap { $0["at"].flatMap { Double($0) } }
            let (held, released) = (try #require(times.first), try #require(times.last))
            // What was asked just before may be answered just after.
            let meanwhile = Self.fed(systemd).filter { $0 > held + 0.3 && $0 < released }
            #expect(meanwhile.isEmpty, "held at \(held), fed at \(meanwhile), released at \(released)")
            try waitUntil("it is fed again", seconds: 10) { Self.fed(systemd).contains { $0 > released + 0.6 } }

            #expect(node.stop() == 0)
            _ = try systemd.event("told") { $0["text"] == "STOPPING=1" }
        }

        /// When it was fed.
        private static func fed(_ systemd: LabProcess) -> [Double] {
            systemd.events("told").filter { $0["text"] == "WATCHDOG=1" }.compactMap { $0["at"].flatMap { Double($0) } }
        }
    }
}
