// SPDX-License-Identifier: Apache-2.0

import Bytes
import Kernel
import Testing

@Suite(.serialized) struct NetworkNamespaceTests {
    @Test func `a thread inside a namespace makes sockets there, and comes back`() throws {
        let holder = try Holder()
        let there = try holder.namespace()
        let home = try NetworkNamespace.current()
        #expect(there.identity != home.identity)
        let inside = try there.enter(from: home) { try NetworkNamespace.current().identity }
        #expect(inside == there.identity)
        #expect(try NetworkNamespace.current().identity == home.identity)
        // The port is free there whatever is bound here.
        let here = try Socket.listen(SocketAddress(.loopbackV4, 0), backlog: 1)
        let bound = here.localAddress()
        let address = try #require(bound)
        try there.enter(from: home) {
            var route = try Netlink(.route)
            try route.setLoopback(up: true)
            _ = try Socket.listen(address, backlog: 1)
        }
    }

    @Test func `a body that throws comes back too`() throws {
        let holder = try Holder()
        let home = try NetworkNamespace.current()
        #expect(throws: Errno.pipe) {
            try holder.namespace().enter(from: home) { throw Errno.pipe }
        }
        #expect(try NetworkNamespace.current().identity == home.identity)
    }

    @Test func `a socket stays in the namespace where it was made`() throws {
        let holder = try Holder()
        let home = try NetworkNamespace.current()
        let listener = try holder.namespace().enter(from: home) {
            var route = try Netlink(.route)
            try route.setLoopback(up: true)
            return try Socket.listenEverywhere(port: 7777, backlog: 1, mark: 0x539, isTransparent: true)
        }
        #expect(try !Self.connects(.loopbackV4))
        let (v4, v6) = try holder.namespace().enter(from: home) { try (Self.connects(.loopbackV4), Self.connects(.loopbackV6)) }
        #expect(v4 && v6)
        guard let accepted = try listener.accept() else { throw Errno.timedOut }
        let peer = accepted.peer
        #expect(peer.ip == .loopbackV4)
    }

    @Test func `a thread that stands somewhere makes its sockets there until it goes elsewhere`() throws {
        let (first, second) = try (Holder(), Holder())
        let here = try first.namespace()
        let there = try second.namespace()
        let home = try NetworkNamespace.current().identity
        var standing = try StandingPlace()
        standing.goHome()
        #expect(try NetworkNamespace.current().identity == home)
        for _ in 0..<2 {
            standing.stand(in: here)
            #expect(try NetworkNamespace.current().identity == here.identity)
            standing.stand(in: there)
            #expect(try NetworkNamespace.current().identity == there.identity)
        }
        standing.goHome()
        #expect(try NetworkNamespace.current().identity == home)
    }

    /// On loopback the answer is there when connect() returns, if not by its result.
    private static func connects(_ address: IPAddress) throws -> Bool {
        let client = try Socket.tcp(address.family)
        let isDone = try client.connect(to: SocketAddress(address, 7777))
        return isDone || client.takeError() == nil
    }

    @Test func `what is no namespace isn't opened, nor what a link hides`() throws {
        #expect(throws: Errno.invalidArgument) { _ = try NetworkNamespace(path: "/proc/self/status") }
        #expect(throws: Errno.tooManyLinks) { _ = try NetworkNamespace(path: "/proc/self/ns/net") }
        #expect(throws: Errno.noSuchFile) { _ = try NetworkNamespace(path: "/run/netns-none/a") }
    }
}
