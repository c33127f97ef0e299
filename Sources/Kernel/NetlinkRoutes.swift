// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import CLinux
import Glibc

/// A route that leads every address of a family to the namespace itself, by the loopback device.
package struct LocalRoute: Hashable, Sendable {
    package let family: IPAddress.Family
    package let table: UInt32

    package init(family: IPAddress.Family, table: UInt32) {
        self.family = family
        self.table = table
    }
}

extension Netlink {
    package mutating func add(_ route: LocalRoute) throws(Errno) {
        try change(route.addition)
    }

    package mutating func remove(_ route: LocalRoute) throws(Errno) {
        try change(route.request(RTM_DELROUTE, flags: Int(NLM_F_ACK)))
    }

    /// Whether the route is there.
    package mutating func contains(_ route: LocalRoute) throws(Errno) -> Bool {
        let body = [route.family.number] + [UInt8](repeating: 0, count: 11)
        return try dump(NetlinkRequest(type: RTM_GETROUTE, flags: Int(NLM_F_DUMP), body: body)).contains {
            LocalRoute($0, family: route.family) == route
        }
    }

    /// Whether any route of the main table leads to the address: what connect() asks first. Nil stands for a lookup that failed otherwise.
    package mutating func hasRoute(to address: IPAddress, mark: UInt32) throws(Errno) -> Bool {
        let body = [address.family.number, UInt8(address.bitCount)] + [UInt8](repeating: 0, count: 10)
        var request = NetlinkRequest(type: RTM_GETROUTE, flags: 0, body: body)
        request.attribute(Int(RTA_DST.rawValue), address.bytes)
        request.attribute(Int(RTA_MARK.rawValue), mark)
        do throws(Errno) {
            return try one(request).type == RTM_NEWROUTE
        } catch {
            if error == .networkUnreachable || error == .hostUnreachable || error == .noSuchProcess { return false }
            throw error
        }
    }
}

extension LocalRoute {
    /// Loopback is the first device of every namespace.
    private static let loopbackIndex: UInt32 = 1

    /// What the kernel is asked for it.
    package var addition: NetlinkRequest { request(RTM_NEWROUTE, flags: Int(NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)) }

    /// `rtmsg` (12 bytes): a default route of type local, scope host.
    fileprivate func request(_ type: Int, flags: Int) -> NetlinkRequest {
        let body: [UInt8] = [
            family.number, 0, 0, 0, UInt8(RT_TABLE_UNSPEC.rawValue), UInt8(RTPROT_STATIC), UInt8(RT_SCOPE_HOST.rawValue),
            UInt8(RTN_LOCAL), 0, 0, 0, 0,
        ]
        var request = NetlinkRequest(type: type, flags: flags, body: body)
        request.attribute(Int(RTA_TABLE.rawValue), table)
        request.attribute(Int(RTA_OIF.rawValue), Self.loopbackIndex)
        return request
    }

    /// What a message of RTM_GETROUTE tells; nil for every other kind of route.
    package init?(_ message: NetlinkMessage, family: IPAddress.Family) {
        let attributes = message.attributes(after: 12)
        let start = message.payload.startIndex
        guard message.type == RTM_NEWROUTE, message.payload.count >= 12, message.payload.first == family.number,
            message.payload[start + 1] == 0, message.payload[start + 7] == UInt8(RTN_LOCAL),
            let table = attributes[Int(RTA_TABLE.rawValue)]?.number(as: UInt32.self),
            attributes[Int(RTA_OIF.rawValue)]?.number(as: UInt32.self) == Self.loopbackIndex
        else { return nil }
        self.init(family: family, table: table)
    }
}
