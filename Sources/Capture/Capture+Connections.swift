// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Kernel

/// Connections that are open in a namespace: whose they are, and their end.
extension Capture {
    /// How long captured connections that their owner is just closing may take: the daemon has told its workers by then.
    private static let closingTime = Interval.seconds(1)

    /// Connections that aren't ours and have to be left alone. With `includingBeginning` also those whose opening isn't answered yet: while
    /// nothing captures they are free, later they may be on their way to us.
    func openConnections(
        _ namespace: borrowing NetworkNamespace, includingBeginning: Bool
    ) throws(CaptureFailure) -> [ConnectionTuple] {
        let first = try connections(namespace)
        let second = try connections(namespace)
        return OpenConnections.foreign(first: first, second: second, includingBeginning: includingBeginning)
    }

    /// Waits for captured connections to end, and ends those that don't: without the rules the application's next segment would leave in
    /// clear for the address that it dialled (I01).
    func endCaptured(_ namespace: borrowing NetworkNamespace) throws(CaptureFailure) {
        let deadline = Instant.now() + Self.closingTime
        var captured = try capturedEnds(namespace)
        while !captured.isEmpty && Instant.now() < deadline {
            Thread.sleep(.milliseconds(20))
            captured = try capturedEnds(namespace)
        }
        guard !captured.isEmpty else { return }
        let ends = captured
        try inside(namespace) { () throws(Errno) in
            var diagnosis = try Netlink(.sockets)
            for end in ends {
                // One that ended meanwhile is what we want. A kernel that can't end others' sockets leaves it to their owner.
                do throws(Errno) { try diagnosis.destroy(end) } catch {
                    guard error == .noSuchFile || error == .operationNotSupported else { throw error }
                }
            }
        }
    }

    /// The application's ends of captured connections.
    private func capturedEnds(_ namespace: borrowing NetworkNamespace) throws(CaptureFailure) -> [SocketEntry] {
        let entries = try connections(namespace)
        let local = try inside(namespace) { () throws(Errno) in
            var route = try Netlink(.route)
            return Set(try route.addresses())
        }
        return OpenConnections.captured(entries, local: local)
    }

    private func connections(_ namespace: borrowing NetworkNamespace) throws(CaptureFailure) -> [SocketEntry] {
        try inside(namespace) { () throws(Errno) in
            var diagnosis = try Netlink(.sockets)
            return try diagnosis.connections()
        }
    }
}
