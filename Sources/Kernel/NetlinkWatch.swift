// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// Tells that something which concerns capture changed in the namespace where it was made: policy rules, routes, addresses, devices, nftables.
/// What changed is for the reader to look up: messages may be lost under load, and our own changes are told too.
///
/// Two descriptors for one loop to watch; whichever is readable, `drain` takes from both.
package struct NetlinkWatch: ~Copyable, Sendable {
    package let routing: Descriptor
    package let filtering: Descriptor

    package init() throws(Errno) {
        let groups = [
            RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,
            RTNLGRP_IPV6_RULE,
        ]
        // Both before either is stored: a value that is half made can't be given back.
        let routing = try Self.subscribe(NETLINK_ROUTE, groups.map { CInt($0.rawValue) })
        let filtering = try Self.subscribe(NETLINK_NETFILTER, [CInt(NFNLGRP_NFTABLES.rawValue)])
        self.routing = routing
        self.filtering = filtering
    }

    /// Takes all that waits. True if there was anything, or if so much came that the kernel dropped some.
    package borrowing func drain() throws(Errno) -> Bool {
        let (first, second) = (try Self.drain(routing), try Self.drain(filtering))
        return first || second
    }

    private static func subscribe(_ family: CInt, _ groups: [CInt]) throws(Errno) -> Descriptor {
        let type = CInt(SOCK_RAW.rawValue) | O_CLOEXEC | O_NONBLOCK
        let socket = Descriptor(takingOwnership: try call { Glibc.socket(AF_NETLINK, type, family) })
        // Without a number of its own, which binding gives, a socket counts as the kernel's and hears nothing.
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        let number = socket.number
        _ = try call {
            unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe bind(number, $0, socklen_t(MemoryLayout<sockaddr_nl>.size))
                }
            }
        }
        for group in groups { try socket.set(CInt(SOL_NETLINK), CInt(NETLINK_ADD_MEMBERSHIP), group) }
        return socket
    }

    private static func drain(_ socket: borrowing Descriptor) throws(Errno) -> Bool {
        var any = false
        var buffer = [UInt8](repeating: 0, count: 8192)
        while true {
            do throws(Errno) {
                guard case .moved = try socket.read(into: &buffer) else { return any }
                any = true
            } catch {
                guard error == .noBufferSpace else { throw error }
                any = true
            }
        }
    }
}
