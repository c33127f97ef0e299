// SPDX-License-Identifier: Apache-2.0

import Bytes
import Capture
import Kernel
import Testing

/// Capture on the real kernel, in namespaces that end with the test. One after the other: they share two cores.
@Suite(.serialized)
struct CaptureLifeTests {
    @Test func `after a release everything is as before`() throws {
        let lab = try Lab()
        try lab.workload.run("nft", "add table inet mine")
        let before = try lab.workload.traces()
        try lab.install()
        let during = try lab.workload.traces()
        #expect(during.contains("table inet warren") && during.contains("ipproto tcp lookup 100"))
        try lab.capture.beginRelease(lab.workload.open(), Capture.Options())
        try lab.capture.finishRelease(lab.workload.open())
        #expect(try lab.workload.traces() == before)
        #expect(CaptureRecord.all(in: lab.stateDirectory).isEmpty)
    }

    @Test func `installing again changes nothing`() throws {
        let lab = try Lab()
        try lab.install()
        let once = try lab.workload.traces()
        try lab.install()
        #expect(try lab.workload.traces() == once)
        #expect(try lab.capture.verify(lab.workload.open(), Capture.Options()) == [])
    }

    @Test(arguments: [(Lab.serviceV4, Lab.workloadV4), (Lab.serviceV6, Lab.workloadV6)])
    func `what the application dials reaches us with the address it dialled, in no clear on the wire`(
        to service: String, own: String
    ) throws {
        let lab = try Lab()
        let (application, daemon, world) = try lab.peers()
        try lab.install()
        #expect(try application.ask("dial a \(service) 8080") == "open \(own)")
        #expect(try application.ask("echo a") == "ok")
        #expect(try daemon.ask("accepted") == "15001 \(own) to \(service) 8080")
        #expect(try world.ask("leaks") == "0")
    }
}

extension Lab {
    /// The workload's application on port 80, our stand-in, and the world with its end of the tunnels and an application on port 80, sniffing.
    func peers() throws -> (application: Peer, daemon: Peer, world: Peer) {
        let application = try Peer(in: workload)
        let daemon = try Peer(in: workload)
        let world = try Peer(in: world)
        try application.ask("serve 80")
        try daemon.ask("proxy \(Self.worldV4) \(Self.worldV6)")
        try world.ask("sniff eth0")
        try world.ask("serve-turned 15008")
        return (application, daemon, world)
    }
}
