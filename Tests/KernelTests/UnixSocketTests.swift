// SPDX-License-Identifier: Apache-2.0

import Kernel
import Testing

@Suite(.serialized) struct UnixSocketTests {
    private static func path() -> String { "/tmp/warren-socket-\(Limits.processID)-\(randomBytes(6).map(String.init).joined())" }

    @Test func `who is at the other end is known, and a socket left behind is replaced`() throws {
        let path = Self.path()
        defer { try? File.remove(path) }
        _ = try UnixSocket.listen(path: path, mode: 0o600, backlog: 5)
        let listener = try UnixSocket.listen(path: path, mode: 0o660, backlog: 5)
        let status = try File.status(path)
        #expect(status.kind == .socket && status.mode == 0o660)
        let client = try UnixSocket.connect(path: path)
        guard let accepted = try listener.accept() else { throw Errno.timedOut }
        let peer = try accepted.descriptor.peerCredentials()
        #expect(peer.process == Limits.processID && peer.user == Limits.userID)
        try client.writeAll([1])
        var bytes = [UInt8](repeating: 0, count: 2)
        #expect(try accepted.descriptor.read(into: &bytes) == .moved(1))
    }

    @Test func `a path that is too long or leads nowhere is refused`() {
        #expect(throws: Errno.self) { _ = try UnixSocket.connect(path: String(repeating: "a", count: 200)) }
        #expect(throws: Errno.noSuchFile) { _ = try UnixSocket.connect(path: Self.path()) }
    }

    /// Cut to what fits, the path would be another than the one asked for.
    @Test func `a listener's path that is too long is refused too`() {
        #expect(throws: Errno.self) {
            _ = try UnixSocket.listen(path: "/tmp/\(String(repeating: "b", count: 200))", mode: 0o600, backlog: 1)
        }
    }
}
