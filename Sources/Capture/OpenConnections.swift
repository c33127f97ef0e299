// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Kernel

/// Which of a namespace's connections are older than capture, and so have to be left alone.
enum OpenConnections {
    /// Those that are in both lists, bear none of our marks, and whose other end isn't in the namespace.
    ///
    /// What we captured has its other end here, in our socket; what the workload says to itself too. The kernel's list isn't of one
    /// moment: a connection that begins while it is made may be in it without its other end, but then not in both.
    static func foreign(first: [SocketEntry], second: [SocketEntry]) -> [ConnectionTuple] {
        let ends = Set((first + second).map(ConnectionTuple.init))
        let before = Set(first.filter(\.isAlive).map(ConnectionTuple.init))
        var foreign: Set<ConnectionTuple> = []
        for entry in second where entry.isAlive && !entry.isOurs {
            let tuple = ConnectionTuple(entry)
            if before.contains(tuple), !ends.contains(tuple.mirrored), !entry.remote.ip.isLoopback { foreign.insert(tuple) }
        }
        return Array(foreign.sorted { ($0.local, $0.remote) < ($1.local, $1.remote) }.prefix(ConnectionTuple.maximumCount))
    }
}

extension ConnectionTuple {
    init(_ entry: SocketEntry) { self.init(local: entry.local, remote: entry.remote) }
}

extension SocketEntry {
    fileprivate var isAlive: Bool {
        switch state {
        case .opening, .open, .beingOpened, .ending: true
        case .over: false
        }
    }

    fileprivate var isOurs: Bool {
        guard let mark else { return false }
        return mark & Mark.mask == Mark.outside || mark & Mark.mask == Mark.inside
    }
}
