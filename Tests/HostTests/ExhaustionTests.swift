// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// A kernel that has no memory, no descriptors or no buffers left for a daemon, now and then or for a while. What is out of memory in the daemon
    /// itself ends it: `Crashes`.
    @Suite struct Exhaustion {
        private static let orders = "/run/scarce"

        /// Two hosts whose daemons run over a library that refuses what the kernel may refuse.
        private func stage(folder: String) throws -> MeshLab {
            let source = "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/") + "/Peers/scarce.c"
            let library = "\(folder)/scarce.so"
            let compiled = try RunningCommand.run(["clang", "-shared", "-fPIC", "-O2", "-o", library, source])
            guard compiled.succeeded else { throw LabFailure(description: "clang, which comes with Swift: \(compiled)") }
            let mesh = try MeshLab(hosts: 2)
            for node in mesh.nodes { node.wrapper = ["env", "LD_PRELOAD=\(library)", "WARREN_SCARCE=\(Self.orders)"] }
            return mesh
        }

        /// Of the loops' calls that the kernel may refuse, every so manieth is refused from now on; 0: none.
        private func refuse(every count: UInt32, _ node: LabNode) throws {
            let file = unsafe open(node.host.path(Self.orders), O_WRONLY | O_CLOEXEC)
            #expect(file >= 0, "\(node.host.name) has no orders: errno \(errno)")
            defer { close(file) }
            var count = count
            let written = unsafe pwrite(file, &count, 4, 0)
            #expect(written == 4)
        }

        /// How many calls were refused.
        private func refused(_ node: LabNode) throws -> Int {
            try Files.read(node.host.path(Self.orders)).dropFirst(4).prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        }

        @Test(arguments: [1, 23])
        func `I01 I12 what the kernel refuses costs the connection that asked, and afterwards all is as before`(every: Int) throws
        {
            let folder = try Files.makeTemporaryFolder()
            defer { Files.remove(folder) }
            let mesh = try stage(folder: folder)
            let (client, server) = (try mesh.add("client", on: 0), try mesh.add("server", on: 1))
            let neighbour = try mesh.add("neighbour", on: 0)
            let stranger = try mesh.addStranger("stranger", on: 1)
            try mesh.start()
            let servers = try [server, neighbour, stranger].map { try $0.serve("echo", port: 8080) }
            let ways = [
                (client, server.address), (client, neighbour.address), (client, stranger.address), (stranger, client.address),
            ]
            let back = try client.serve("echo", port: 8080)
            func everyWayWorks() throws -> Bool {
                try ways.allSatisfy { try $0.call("echo", $1, port: 8080, "--seconds", "2").echoed }
            }
            try waitUntil("every way works") { try everyWayWorks() }
            let daemons = mesh.nodes.map { $0.daemon?.pid }
            let before = mesh.nodes.map { $0.daemon?.descriptors ?? 0 }
            let state = try client.networkState()
            let wire = try mesh.lab.capture()

            for node in mesh.nodes { try refuse(every: UInt32(every), node) }
            let steady = try ways.map {
                try $0.startClient("steady", $1, port: 8080, "--count", "4", "--pause", "0.01", "--seconds", "2")
            }
            // Where everything is refused each call waits for its time to be up: the scenario takes its 20 seconds by that.
            for _ in 0..<(every == 1 ? 1 : 3) {
                for (place, address) in ways {
                    let result = try place.call("echo", address, port: 8080, "--bytes", "2000000", "--seconds", "1")
                    // Linux tells a reset once: who sends at that moment has it, and who reads then finds an end.
                    #expect(result["end"] != "fin" || result.bool("equal") || result["send_error"] == "reset", "\(result)")
                }
            }
            for node in mesh.nodes { #expect(try node.admin("status")["ready"] == "true") }
            for node in mesh.nodes { try refuse(every: 0, node) }
            for process in steady {
                let result = try process.result()
                #expect(result.int("wrong") == 0 && result.int("requests") > 0, "\(result)")
            }

            try waitUntil("every way works again", seconds: 3, detail: { mesh.nodes.map { $0.log.suffix(2000) }.joined() }) {
                try everyWayWorks()
            }
            #expect(mesh.nodes.map { $0.daemon?.pid } == daemons)
            // What the first host can't even begin the second hears nothing of.
            for node in mesh.nodes.prefix(every == 1 ? 1 : 2) {
                #expect(try refused(node) > 10, "\(node.host.name) was refused nothing")
            }
            for (node, before) in zip(mesh.nodes, before) {
                try waitUntil(
                    "\(node.host.name) has no connections", seconds: 3,
                    detail: { "\((try? node.admin("connections").description) ?? "")" }
                ) { try node.admin("connections").int("total") == 0 }
                // Tunnels stay for a while, one per loop at either end; pipes of relays lie in a pool.
                #expect(
                    (node.daemon?.descriptors ?? 0) <= before + 20, "\(node.daemon?.descriptors ?? 0) descriptors, were \(before)"
                )
            }
            #expect(try client.networkState() == state)
            let inClear = try wire.finish().filter {
                Set([$0.source, $0.destination]) == [client.address, server.address] && !$0.payload.isEmpty
                    && ![$0.sourcePort, $0.destinationPort].contains(15008)
            }
            #expect(inClear.isEmpty, "\(inClear.prefix(3))")
            #expect(servers.allSatisfy(\.isRunning) && back.isRunning)
        }
    }
}
