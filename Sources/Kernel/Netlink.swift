// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// A netlink socket of the namespace in which it was made, for questions and changes. Blocking, answered by the kernel at once: for the
/// worker thread and programs without a loop. Ends with the value.
package struct Netlink: ~Copyable {
    package enum Family: Sendable {
        /// Addresses, links, routes, policy rules.
        case route
        /// Which sockets there are.
        case sockets
        /// nftables.
        case filter

        var number: CInt {
            switch self {
            case .route: NETLINK_ROUTE
            case .sockets: NETLINK_SOCK_DIAG
            case .filter: NETLINK_NETFILTER
            }
        }
    }

    private let socket: Descriptor
    private var sequence: UInt32 = 0

    /// More than the kernel puts into one datagram of a dump (32 KiB).
    private static let receiveSize = 64 * 1024
    /// How often a dump is repeated that a change made inconsistent.
    private static let attempts = 8

    package init(_ family: Family) throws(Errno) {
        let type = CInt(SOCK_RAW.rawValue) | O_CLOEXEC
        let socket = Descriptor(takingOwnership: try call { Glibc.socket(AF_NETLINK, type, family.number) })
        // The kernel answers within the call. Should it not, the worker thread must not wait for ever.
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        let number = socket.number
        _ = try call { unsafe setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size)) }
        self.socket = socket
    }

    /// Asks for a change; returns when the kernel has made it.
    mutating func change(_ request: NetlinkRequest) throws(Errno) {
        try send(request)
        while true {
            for message in try receive() where message.sequence == sequence {
                if let failure = try message.failure() { throw failure }
                if message.type == Int(NLMSG_ERROR) { return }
            }
        }
    }

    /// Asks for one thing.
    mutating func one(_ request: NetlinkRequest) throws(Errno) -> NetlinkMessage {
        try send(request)
        while true {
            for message in try receive() where message.sequence == sequence {
                if let failure = try message.failure() { throw failure }
                return message
            }
        }
    }

    /// Asks for all there is of something, a message each. Empty rather than half when the state kept changing would be a lie: then
    /// it fails with EINTR.
    mutating func dump(_ request: NetlinkRequest) throws(Errno) -> [NetlinkMessage] {
        for _ in 0..<Self.attempts {
            if let messages = try dumpOnce(request) { return messages }
        }
        throw Errno(EINTR)
    }

    /// Nil if the kernel said that a change came between.
    private mutating func dumpOnce(_ request: NetlinkRequest) throws(Errno) -> [NetlinkMessage]? {
        try send(request)
        var messages: [NetlinkMessage] = []
        var consistent = true
        while true {
            for message in try receive() where message.sequence == sequence {
                if message.flags & Int(NLM_F_DUMP_INTR) != 0 { consistent = false }
                if let failure = try message.failure() { throw failure }
                if message.type == Int(NLMSG_DONE) { return consistent ? messages : nil }
                messages.append(message)
            }
        }
    }

    private mutating func send(_ request: NetlinkRequest) throws(Errno) {
        sequence &+= 1
        let bytes = request.finished(sequence: sequence)
        let number = socket.number
        _ = try call { unsafe bytes.withUnsafeBytes { unsafe Glibc.send(number, $0.baseAddress, $0.count, 0) } }
    }

    private borrowing func receive() throws(Errno) -> [NetlinkMessage] {
        var buffer = [UInt8](repeating: 0, count: Self.receiveSize)
        let number = socket.number
        // MSG_TRUNC returns the true length, so that a cut datagram is noticed.
        let length = try call {
            unsafe buffer.withUnsafeMutableBytes { unsafe recv(number, $0.baseAddress, $0.count, CInt(MSG_TRUNC)) }
        }
        guard length <= buffer.count else { throw Errno(EMSGSIZE) }
        return NetlinkMessage.all(in: buffer[..<length])
    }
}
