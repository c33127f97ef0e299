// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import CLinux
import Glibc

/// A TCP socket of the namespace as the kernel tells of it (`sock_diag(7)`).
package struct SocketEntry: Hashable, Sendable {
    package enum State: Hashable, Sendable {
        /// Being opened by us (SYN_SENT).
        case opening
        case open
        /// Being opened by the peer (SYN_RECV).
        case beingOpened
        /// One end or both have said their end, and it isn't over.
        case ending
        /// Over, kept so that late segments are known (TIME_WAIT).
        case over
    }

    package let local: SocketAddress
    package let remote: SocketAddress
    package let state: State
    /// SO_MARK, where the kernel tells it.
    package let mark: UInt32?

    package init(local: SocketAddress, remote: SocketAddress, state: State, mark: UInt32?) {
        self.local = local
        self.remote = remote
        self.state = state
        self.mark = mark
    }
}

extension Netlink {
    /// All TCP sockets of the namespace but listeners and closed ones, both families. The kernel walks its table while connections come and go: one
    /// that begins or ends meanwhile may or may not be in it.
    package mutating func connections() throws(Errno) -> [SocketEntry] {
        try connections(.v4) + connections(.v6)
    }

    /// Ends a connection, whosever it is: its owner reads "connection aborted", its peer gets a reset. `noSuchFile` if it isn't there,
    /// `operationNotSupported` where the kernel lacks CONFIG_INET_DIAG_DESTROY.
    package mutating func destroy(_ entry: SocketEntry) throws(Errno) {
        let family = entry.local.ip.family
        let anyCookie = [UInt8](repeating: 0xff, count: 8)
        let body =
            [family.number, UInt8(IPPROTO_TCP), 0, 0] + nativeBytes(UInt32.max) + nativeBytes(entry.local.port.bigEndian)
            + nativeBytes(entry.remote.port.bigEndian) + Self.padded(entry.local.ip) + Self.padded(entry.remote.ip)
            + nativeBytes(UInt32(0)) + anyCookie
        try change(NetlinkRequest(type: Int(SOCK_DESTROY), flags: Int(NLM_F_ACK), body: body))
    }

    private static func padded(_ address: IPAddress) -> [UInt8] {
        let bytes = address.bytes
        return bytes + [UInt8](repeating: 0, count: 16 - bytes.count)
    }

    private mutating func connections(_ family: IPAddress.Family) throws(Errno) -> [SocketEntry] {
        // inet_diag_req_v2: family, protocol, extensions, padding, states, and an inet_diag_sockid that matches all.
        let states: UInt32 = 0xfff & ~(1 << 7) & ~(1 << 10)
        let body = [family.number, UInt8(IPPROTO_TCP), 0, 0] + nativeBytes(states) + [UInt8](repeating: 0, count: 48)
        let messages = try dump(NetlinkRequest(type: Int(SOCK_DIAG_BY_FAMILY), flags: Int(NLM_F_DUMP), body: body))
        return messages.compactMap(SocketEntry.init)
    }
}

extension SocketEntry {
    /// `inet_diag_msg` (72 bytes): family, state, timer, retransmits; source port at 4, destination port at 6, addresses at 8 and 24.
    package init?(_ message: NetlinkMessage) {
        let body = message.payload
        guard message.type == Int(SOCK_DIAG_BY_FAMILY), body.count >= 72, let family = body.first,
            let localPort = body.number(at: 4, as: UInt16.self), let remotePort = body.number(at: 6, as: UInt16.self),
            let state = Self.state(body[body.startIndex + 1])
        else { return nil }
        let size = family == UInt8(AF_INET) ? 4 : 16
        guard let local = IPAddress(bytes: body.dropFirst(8).prefix(size)),
            let remote = IPAddress(bytes: body.dropFirst(24).prefix(size))
        else { return nil }
        self.local = SocketAddress(local, UInt16(bigEndian: localPort))
        self.remote = SocketAddress(remote, UInt16(bigEndian: remotePort))
        self.state = state
        mark = message.attributes(after: 72)[Int(INET_DIAG_MARK)]?.number(as: UInt32.self)
    }

    /// Numbers of `net/tcp_states.h`.
    private static func state(_ number: UInt8) -> State? {
        switch number {
        case 1: .open
        case 2: .opening
        case 3, 12: .beingOpened
        case 4, 5, 8, 9, 11: .ending
        case 6: .over
        default: nil
        }
    }
}
