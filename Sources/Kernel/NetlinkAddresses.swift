// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import CLinux
import Glibc

extension Netlink {
    /// The addresses of the namespace, loopback's too, in the order of the devices.
    package mutating func addresses() throws(Errno) -> [IPAddress] {
        let body = [UInt8](repeating: 0, count: 8)
        let messages = try dump(NetlinkRequest(type: RTM_GETADDR, flags: Int(NLM_F_DUMP), body: body))
        return messages.compactMap { IPAddress($0) }
    }

    /// Whether the loopback device is up.
    package mutating func isLoopbackUp() throws(Errno) -> Bool {
        let answer = try one(Self.loopback(RTM_GETLINK, flags: 0, up: false, change: 0))
        guard answer.type == RTM_NEWLINK, let flags = answer.payload.number(at: 8, as: UInt32.self) else { throw Errno(EBADMSG) }
        return flags & UInt32(IFF_UP) != 0
    }

    package mutating func setLoopback(up: Bool) throws(Errno) {
        try change(Self.loopback(RTM_NEWLINK, flags: Int(NLM_F_ACK), up: up, change: UInt32(IFF_UP)))
    }

    /// `ifinfomsg` (16 bytes) of device 1.
    private static func loopback(_ type: Int, flags: Int, up: Bool, change: UInt32) -> NetlinkRequest {
        let body =
            [UInt8(AF_UNSPEC), 0, 0, 0] + nativeBytes(Int32(1)) + nativeBytes(up ? UInt32(IFF_UP) : 0) + nativeBytes(change)
        return NetlinkRequest(type: type, flags: flags, body: body)
    }
}

extension IPAddress {
    /// What a message of RTM_GETADDR tells (`ifaddrmsg`, 8 bytes); nil if it tells something else.
    package init?(_ message: NetlinkMessage) {
        let attributes = message.attributes(after: 8)
        // IFA_LOCAL is ours where IFA_ADDRESS is the other end of a point-to-point link; IPv6 has only the latter otherwise.
        guard message.type == RTM_NEWADDR, let bytes = attributes[IFA_LOCAL] ?? attributes[IFA_ADDRESS] else { return nil }
        self.init(bytes: bytes)
    }
}
