// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

@testable import Kernel

/// Questions and changes to the real kernel, in a namespace that a child holds.
@Suite(.serialized) struct NetlinkTests {
    /// Runs the body inside a fresh namespace with its routing socket.
    private static func inNamespace(_ body: (inout Netlink) throws -> Void) throws {
        let holder = try Holder()
        let home = try NetworkNamespace.current()
        try holder.namespace().enter(from: home) {
            var route = try Netlink(.route)
            try body(&route)
        }
    }

    private static let rules = [
        RoutingRule(family: .v4, priority: 5, action: .pass),
        RoutingRule(family: .v6, priority: 6, action: .unreachable),
        RoutingRule(family: .v4, priority: 7, mark: .init(value: 0x111, mask: 0xfff), action: .lookUp(table: 100)),
        RoutingRule(family: .v6, priority: 8, transport: 6, action: .lookUp(table: 1_000_000)),
        RoutingRule(family: .v4, priority: 9, source: IPPrefix(.anyV4), action: .goTo(priority: 32766)),
        RoutingRule(family: .v6, priority: 10, source: IPPrefix("fd00::/8"), action: .goTo(priority: 32766)),
    ]

    @Test func `a policy rule is listed as it was added, and is gone when removed`() throws {
        try Self.inNamespace { route in
            for rule in Self.rules {
                try route.add(rule)
                #expect(throws: Errno.exists) { try route.add(rule) }
            }
            let listed = try route.rules(.v4) + route.rules(.v6)
            for rule in Self.rules { #expect(listed.filter { $0 == rule }.count == 1, "\(rule)") }
            for rule in Self.rules {
                try route.remove(rule)
                #expect(throws: Errno.noSuchFile) { try route.remove(rule) }
            }
            #expect(try route.rules(.v4).map(\.priority) == [0, 32766, 32767])
        }
    }

    @Test func `many rules are listed completely`() throws {
        try Self.inNamespace { route in
            for priority in 1000..<2000 as Range<UInt32> {
                try route.add(RoutingRule(family: .v4, priority: priority, action: .unreachable))
            }
            #expect(try route.rules(.v4).filter { $0.action == .unreachable }.map(\.priority) == Array(1000..<2000))
        }
    }

    @Test(arguments: [IPAddress.Family.v4, .v6])
    func `a local route is found by its table, and is gone when removed`(family: IPAddress.Family) throws {
        try Self.inNamespace { route in
            try route.setLoopback(up: true)
            let wanted = LocalRoute(family: family, table: 100)
            #expect(try !route.contains(wanted))
            try route.add(wanted)
            #expect(throws: Errno.exists) { try route.add(wanted) }
            #expect(try route.contains(wanted))
            #expect(try !route.contains(LocalRoute(family: family, table: 101)))
            try route.remove(wanted)
            #expect(try !route.contains(wanted))
            #expect(throws: Errno.noSuchProcess) { try route.remove(wanted) }
        }
    }

    @Test func `loopback comes up with its addresses, and goes down`() throws {
        try Self.inNamespace { route in
            #expect(try !route.isLoopbackUp())
            #expect(try route.addresses() == [])
            try route.setLoopback(up: true)
            #expect(try route.isLoopbackUp())
            #expect(try route.addresses() == [.loopbackV4, .loopbackV6])
            try route.setLoopback(up: false)
            #expect(try !route.isLoopbackUp())
        }
    }

    @Test func `a route is asked for with a mark`() throws {
        try Self.inNamespace { route in
            let (near, far) = (IPAddress.loopbackV4, try #require(IPAddress("192.0.2.1")))
            try route.setLoopback(up: true)
            #expect(try route.hasRoute(to: near, mark: 0))
            #expect(try !route.hasRoute(to: far, mark: 0))
            try route.add(LocalRoute(family: .v4, table: 100))
            try route.add(RoutingRule(family: .v4, priority: 9, mark: .init(value: 1, mask: 1), action: .lookUp(table: 100)))
            #expect(try route.hasRoute(to: far, mark: 1))
            #expect(try !route.hasRoute(to: far, mark: 2))
        }
    }

    @Test(arguments: [IPAddress.loopbackV4, .loopbackV6])
    func `open connections are listed with state and mark, listeners aren't`(address: IPAddress) throws {
        try Self.inNamespace { route in
            try route.setLoopback(up: true)
            let listener = try Socket.listen(SocketAddress(address, 0), backlog: 5)
            let bound = listener.localAddress()
            let there = try #require(bound)
            let socket = try Socket.tcp(address.family)
            try socket.setMark(0x4242)
            _ = try socket.connect(to: there)
            let local = socket.localAddress()
            let here = try #require(local)
            var diagnosis = try Netlink(.sockets)
            let entries = try diagnosis.connections()
            #expect(entries.count == 2)
            #expect(entries.contains(SocketEntry(local: here, remote: there, state: .open, mark: 0x4242)))
            #expect(entries.contains { $0.local == there && $0.remote == here && $0.mark == 0 })
        }
    }

    @Test func `nftables' generation counts changes`() throws {
        try Self.inNamespace { _ in
            var filter = try Netlink(.filter)
            let before = try filter.rulesGeneration()
            #expect(try filter.rulesGeneration() == before)
        }
    }
}

/// A child in a network namespace of its own, which ends when this object goes.
final class Holder {
    private let child: ChildProcess
    private let input: Descriptor

    init() throws {
        let pipe = try BlockingPipe()
        input = try pipe.writeEnd.duplicate()
        child = try ChildProcess("unshare", ["--net", "cat"], descriptors: [(pipe.readEnd.number, 0), (2, 2)])
    }

    func namespace() throws -> NetworkNamespace {
        let ours = try NetworkNamespace.current().identity
        for _ in 0..<1000 {
            let namespace = try NetworkNamespace(path: "/proc/\(child.id)/ns/net", followLink: true)
            if namespace.identity != ours { return namespace }
            Thread.sleep(.milliseconds(5))
        }
        throw Errno.timedOut
    }
}
