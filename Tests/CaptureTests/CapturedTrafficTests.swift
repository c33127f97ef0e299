// SPDX-License-Identifier: Apache-2.0

import Bytes
import Capture
import Kernel
import Testing

/// The two families: the service's, the workload's and the world's addresses.
struct Addresses: CustomTestStringConvertible, Sendable {
    let service: String
    let workload: String
    let world: String
    let loopback: String
    let testDescription: String

    static let both = [
        Addresses(
            service: Lab.serviceV4, workload: Lab.workloadV4, world: Lab.worldV4, loopback: "127.0.0.1", testDescription: "IPv4"),
        Addresses(service: Lab.serviceV6, workload: Lab.workloadV6, world: Lab.worldV6, loopback: "::1", testDescription: "IPv6"),
    ]
}

extension OnTheKernel {
    /// Which connection goes where while a workload is captured.
    @Suite struct CapturedTrafficTests {
        @Test(arguments: Addresses.both)
        func `what the application dials reaches us with the address it dialled, and not in clear`(_ at: Addresses) throws {
            let lab = try CapturedLab()
            #expect(try lab.application.ask("dial a \(at.service) 8080") == "open \(at.workload)")
            #expect(try lab.application.ask("echo a") == "ok")
            #expect(try lab.daemon.ask("accepted 1") == "15001 \(at.workload) to \(at.service) 8080")
            #expect(try lab.world.ask("leaks") == "0")
        }

        @Test(arguments: Addresses.both)
        func `plain calls from the wire reach us with what they dialled, and the application sees the client's address`(
            _ at: Addresses
        ) throws {
            let lab = try CapturedLab()
            #expect(try lab.world.ask("dial a \(at.workload) 80") == "open \(at.world)")
            #expect(try lab.world.ask("echo a") == "ok")
            #expect(try lab.daemon.ask("accepted 1") == "15006 \(at.world) to \(at.workload) 80")
            #expect(try lab.application.ask("accepted 1").hasPrefix("\(at.world) "))
        }

        @Test(arguments: Addresses.both)
        func `calls to the tunnel port reach it`(_ at: Addresses) throws {
            let lab = try CapturedLab()
            #expect(try lab.world.ask("dial a \(at.workload) 15008") == "open \(at.world)")
            #expect(try lab.world.ask("echo-turned a") == "ok")
            #expect(try lab.daemon.ask("accepted 1") == "15008 \(at.world) to \(at.workload) 80")
            #expect(try lab.world.ask("leaks") == "0")
        }

        @Test(arguments: Addresses.both)
        func `I05 loopback and the workload's own address stay untouched`(_ at: Addresses) throws {
            let lab = try CapturedLab()
            for address in [at.loopback, at.workload] {
                #expect(try lab.application.ask("dial a \(address) 80") == "open \(address)")
                #expect(try lab.application.ask("echo a") == "ok")
                #expect(try lab.application.ask("accepted 1").hasPrefix("\(address) "))
            }
            #expect(try lab.daemon.ask("accepted 0") == "none")
        }

        @Test(arguments: Addresses.both, [15001, 15006, 15008])
        func `I05 the workload that calls our ports on its own address reaches the listener with that address`(
            _ at: Addresses, _ port: Int
        ) throws {
            let lab = try CapturedLab(isProxied: false)
            try lab.daemon.ask("serve-ours \(port)")
            #expect(try lab.application.ask("dial a \(at.workload) \(port)") == "open \(at.workload)")
            #expect(try lab.daemon.ask("accepted 1") == "\(port) \(at.workload) to \(at.workload) \(port)")
        }

        @Test(arguments: Addresses.both, [15001, 15006, 15008])
        func `I05 the workload that calls our ports elsewhere is captured like any`(_ at: Addresses, _ port: Int) throws {
            let lab = try CapturedLab()
            #expect(try lab.application.ask("dial a \(at.service) \(port)") == "open \(at.workload)")
            #expect(try lab.daemon.ask("accepted 1") == "15001 \(at.workload) to \(at.service) \(port)")
        }

        @Test(arguments: Addresses.both, [15001, 15006])
        func `a neighbour that calls 15001 or 15006 directly reaches 15006 with that as what it dialled`(
            _ at: Addresses, _ port: Int
        ) throws {
            let lab = try CapturedLab(isProxied: false)
            try lab.daemon.ask("serve-ours 15006")
            try lab.daemon.ask("serve-ours 15001")
            #expect(try lab.world.ask("dial a \(at.workload) \(port)") == "open \(at.world)")
            #expect(try lab.daemon.ask("accepted 1") == "15006 \(at.world) to \(at.workload) \(port)")
        }

        @Test(arguments: Addresses.both)
        func `I07 with no daemon new connections are refused at once, in and out`(_ at: Addresses) throws {
            let lab = try CapturedLab()
            // An application that listens on every address must not get the call in our stead.
            try lab.application.ask("serve 8080")
            lab.daemon.kill()
            #expect(try lab.application.ask("dial a \(at.service) 8080") == "failed Connection refused")
            #expect(try lab.world.ask("dial a \(at.workload) 80") == "failed Connection refused")
            #expect(try lab.world.ask("dial a \(at.workload) 15008") == "failed Connection refused")
            #expect(try lab.application.ask("accepted 0") == "none")
        }

        @Test func `what can't be captured doesn't leave: bound to a device, or to a link-local address`() throws {
            let lab = try CapturedLab()
            #expect(try lab.application.ask("dial a \(Lab.serviceV4) 80 eth0") == "failed Connection refused")
            #expect(try lab.application.ask("dial a \(Lab.serviceV6) 80 eth0") == "failed Network is unreachable")
            let neighbour = try lab.lab.world.run("ip", "-6", "-o", "addr", "show", "eth0", "scope", "link")
            let address = try #require(
                neighbour.split(separator: " ").first { $0.hasPrefix("fe80::") }?.split(separator: "/").first)
            #expect(try lab.application.ask("dial a \(address)%eth0 15008") == "failed Network is unreachable")
        }

        @Test(arguments: Addresses.both)
        func `I05 other protocols pass, unless they are to be dropped: then names still resolve`(_ at: Addresses) throws {
            let lab = try CapturedLab()
            try lab.world.ask("serve-udp 5000")
            try lab.world.ask("serve-udp 53")
            #expect(try lab.application.ask("udp \(at.world) 5000") == "udp")
            var options = Capture.Options()
            options.otherProtocols = .drop
            try lab.lab.install(options)
            #expect(try lab.application.ask("udp \(at.world) 5000").hasPrefix("failed "))
            #expect(try lab.application.ask("udp \(at.world) 53") == "udp")
            #expect(try lab.application.ask("dial a \(at.service) 80") == "open \(at.workload)")
        }

        /// The port that we dial the application from may be just the port of a plain connection of the same client, which is redirected.
        @Test(arguments: Addresses.both)
        func `our connection to the application isn't taken for a redirected one with the same ports`(_ at: Addresses) throws {
            let lab = try CapturedLab()
            #expect(try lab.world.ask("dial a \(at.workload) 80") == "open \(at.world)")
            let port = try lab.world.ask("port a")
            #expect(try lab.daemon.ask("transparent b \(at.workload) 80 \(at.world) \(port)") == "open")
            #expect(try lab.daemon.ask("echo b") == "ok")
            #expect(try lab.world.ask("echo a") == "ok")
        }
    }
}

/// A lab in which the workload is captured, with the application on port 80, our stand-in, and the world that sniffs.
final class CapturedLab {
    let lab: Lab
    let application: Peer
    let daemon: Peer
    let world: Peer

    init(isCaptured: Bool = true, isProxied: Bool = true) throws {
        lab = try Lab()
        application = try Peer(in: lab.workload)
        daemon = try Peer(in: lab.workload)
        world = try Peer(in: lab.world)
        try application.ask("serve 80")
        if isProxied { try daemon.ask("proxy \(Lab.worldV4) \(Lab.worldV6)") }
        try world.ask("sniff eth0")
        try world.ask("serve-turned 15008")
        if isCaptured { try lab.install() }
    }
}
