// SPDX-License-Identifier: Apache-2.0

import Bytes
import Kernel

/// What the kernel answers over netlink: datagrams of messages, and what our readers of addresses, routes, rules and sockets make of each. The
/// first byte says where the datagram is cut off a second time.
enum NetlinkHarness {
    static func fuzz(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let cut = input.byte()
        let datagram = input.rest
        let messages = NetlinkMessage.all(in: datagram)
        invariant(messages.reduce(0) { $0 + $1.payload.count + 16 } <= datagram.count, "messages hold more than their datagram")
        let fewer = NetlinkMessage.all(in: datagram.prefix(datagram.count * Int(cut) / 256))
        invariant(messages.starts(with: fewer), "a datagram that was cut off tells something else")
        for message in messages { check(message) }
    }

    private static func check(_ message: NetlinkMessage) {
        if let failure = try? message.failure() { invariant((1..<4096).contains(failure.number), "the error \(failure.number)") }
        if let address = IPAddress(message) { invariant(IPAddress(address.description) == address, "no address: \(address)") }
        if let socket = SocketEntry(message) {
            for end in [socket.local, socket.remote] {
                invariant(SocketAddress(end.description) == end, "no end of a socket: \(end)")
            }
        }
        for family in [IPAddress.Family.v4, .v6] {
            if let rule = RoutingRule(message, family: family) {
                invariant(RoutingRule(added(rule.addition), family: family) == rule, "a rule is asked for otherwise: \(rule)")
            }
            if let route = LocalRoute(message, family: family) {
                invariant(LocalRoute(added(route.addition), family: family) == route, "a route is asked for otherwise: \(route)")
            }
        }
    }

    /// The request as its one message: what the kernel tells of it afterwards has the same form.
    private static func added(_ request: NetlinkRequest) -> NetlinkMessage {
        let bytes = request.finished(sequence: 7)
        let messages = NetlinkMessage.all(in: bytes[...])
        guard let message = messages.first, messages.count == 1, message.sequence == 7, message.payload.endIndex == bytes.count
        else { bug("a request isn't one message: \(bytes)") }
        return message
    }
}
