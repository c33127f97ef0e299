// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Kernel

/// Whose the connections of a namespace are, from what the kernel lists.
///
/// What we captured has its other end in the same namespace, in our socket; so has what the workload says to itself.
enum OpenConnections {
    /// Those that are older than capture: in both lists, without our mark, and without their other end in the namespace.
    ///
    /// The kernel's list isn't of one moment: a connection that begins while it is made may be in it without its other end, but then not in both.
    static func foreign(first: [SocketEntry], second: [SocketEntry], includingBeginning: Bool) -> [ConnectionTuple] {
        let ends = Set((first + second).map(ConnectionTuple.init))
        let before = Set(first.filter(\.isAlive).map(ConnectionTuple.init))
        var foreign: Set<ConnectionTuple> = []
        for entry in second where entry.isAlive && !entry.isOurs && (includingBeginning || entry.state != .opening) {
            let tuple = ConnectionTuple(entry)
            if before.contains(tuple), !ends.contains(tuple.mirrored), !entry.remote.ip.isLoopback { foreign.insert(tuple) }
        }
        return Array(foreign.sorted { ($0.local, $0.remote) < ($1.local, $1.remote) }.prefix(ConnectionTuple.maximumCount))
    }

    /// The application's ends of captured connections: from an address of the namespace to one that isn't, with the other end here and ours.
    static func captured(_ entries: [SocketEntry], local: Set<IPAddress>) -> [SocketEntry] {
        let ends = Set(entries.filter { $0.isAlive && ($0.isOurs || $0.mark == nil) }.map(ConnectionTuple.init))
        return entries.filter { entry in
            entry.isAlive && local.contains(entry.local.ip) && !local.contains(entry.remote.ip) && !entry.remote.ip.isLoopback
                && ends.contains(ConnectionTuple(entry).mirrored)
        }
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
