// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

@testable import Kernel

/// Packets with descriptors, what the kernel says of a socket, and processes by descriptor.
@Suite struct DescriptorPassingTests {
    private let path = "/tmp/warren-passing-\(Limits.processID)-\(UInt32.random(in: 0..<UInt32.max)).sock"

    private func pair(_ body: (borrowing Descriptor, borrowing Descriptor) throws -> Void) throws {
        let listener = try UnixSocket.listen(path: path, mode: 0o600, backlog: 1, .packets)
        defer { try? File.remove(path) }
        let client = try UnixSocket.connect(path: path, .packets, patience: .milliseconds(50))
        var server: Descriptor?
        if let accepted = try listener.accept() { server = accepted.take() }
        switch consume server {
        case .some(let server): try body(client, server)
        case .none: Issue.record("nobody came")
        }
    }

    /// The next packet, and the port of the socket that lay in it.
    private static func receive(_ socket: borrowing Descriptor) throws -> (bytes: [UInt8], port: UInt16?, hasDescriptor: Bool) {
        guard let packet = try socket.receivePacket(limit: 100) else { return ([], nil, false) }
        let bytes = packet.bytes
        guard let descriptor = packet.take() else { return (bytes, nil, false) }
        return (bytes, descriptor.localAddress()?.port, true)
    }

    /// Why no packet of at most ten bytes could be received.
    private static func failure(_ socket: borrowing Descriptor) -> Errno? {
        do throws(Errno) {
            _ = try socket.receivePacket(limit: 10)
            return nil
        } catch { return error }
    }

    @Test func `a packet keeps its borders and brings its descriptor`() throws {
        try pair { client, server in
            let socket = try Socket.listen(SocketAddress(.loopbackV4, 0), backlog: 1, mark: nil)
            try server.send(packet: [1, 2, 3], passing: socket.number)
            try server.send(packet: [4])
            let first = try Self.receive(client)
            let expected = socket.localAddress()?.port
            #expect(first.bytes == [1, 2, 3] && first.port != nil && first.port == expected)
            let second = try Self.receive(client)
            #expect(second.bytes == [4] && !second.hasDescriptor)
        }
    }

    @Test func `what doesn't come in time, and what is too long, is an error`() throws {
        try pair { client, server in
            let early = Self.failure(client)
            #expect(early == .wouldBlock)
            try server.send(packet: [UInt8](repeating: 0, count: 11))
            let failure = Self.failure(client)
            #expect(failure != nil && failure != .wouldBlock)
            try server.send(packet: [1])
            let last = try Self.receive(client)
            #expect(last.bytes == [1])
        }
    }

    @Test func `the kernel says what a socket is`() throws {
        let tcp = try Socket.listen(SocketAddress(.loopbackV4, 0), backlog: 1)
        let facts = try SocketFacts(tcp)
        #expect(facts.domain == .v4 && facts.isStream && facts.isListening && facts.mark == 0)
        #expect(facts.namespace == (try NetworkNamespace.current().identity))
        let quiet = try Socket.tcp(.v6)
        let others = try SocketFacts(quiet)
        #expect(others.domain == .v6 && !others.isListening)
        let pipe = try BlockingPipe()
        var failure: Errno?
        do throws(Errno) {
            let none = try pipe.readEnd.duplicate()
            _ = try SocketFacts(none)
        } catch { failure = error }
        #expect(failure != nil)
    }

    @Test func `a process is asked by its descriptor, and one that ended is seen as such`() throws {
        var child = try ChildProcess("sleep", ["60"], descriptors: [])
        let handle = try ProcessHandle(child.id)
        let early = handle.hasEnded()
        #expect(!early)
        try handle.ask(.terminate)
        let end = try child.wait(atMost: .seconds(5))
        #expect(end == .killed(15))
        let late = handle.hasEnded()
        #expect(late)
        try handle.ask(.kill)
        let id = child.id
        #expect(throws: Errno.noSuchProcess) { _ = try ProcessHandle(id) }
    }
}
