// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import CLinux
import Glibc

extension Descriptor {
    borrowing func set(_ level: CInt, _ option: CInt, _ value: CInt) throws(Errno) {
        var value = value
        let number = number
        _ = try call { unsafe setsockopt(number, level, option, &value, socklen_t(MemoryLayout<CInt>.size)) }
    }

    /// Calls that would wait answer so instead.
    package borrowing func setNonBlocking() throws(Errno) {
        let number = number
        let flags = try call { fcntl(number, F_GETFL) }
        _ = try call { fcntl(number, F_SETFL, flags | O_NONBLOCK) }
    }

    /// Small writes are never delayed.
    package borrowing func setNoDelay() throws(Errno) { try set(CInt(IPPROTO_TCP), TCP_NODELAY, 1) }

    /// The mark that our redirection rules and routing rules look at. Needs CAP_NET_ADMIN.
    package borrowing func setMark(_ mark: UInt32) throws(Errno) { try set(SOL_SOCKET, SO_MARK, CInt(bitPattern: mark)) }

    /// Lets the socket bind to an address that isn't ours: the client's own, towards the server. Needs CAP_NET_ADMIN or CAP_NET_RAW.
    package borrowing func setTransparent(_ family: IPAddress.Family) throws(Errno) {
        switch family {
        case .v4: try set(CInt(IPPROTO_IP), clinux_ip_transparent, 1)
        case .v6: try set(CInt(IPPROTO_IPV6), clinux_ipv6_transparent, 1)
        }
    }

    /// The port is chosen at connect, per destination, and not at bind: one address then has 28,000 ports for each destination
    /// instead of for all together (I15).
    package borrowing func setBindAddressNoPort() throws(Errno) { try set(CInt(IPPROTO_IP), clinux_ip_bind_address_no_port, 1) }

    /// Closing sends a reset instead of an end while this is on, also when the kernel closes for a killed process (I12).
    package borrowing func setResetOnClose(_ on: Bool) {
        var value = linger(l_onoff: on ? 1 : 0, l_linger: 0)
        let result = unsafe setsockopt(number, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
        if result == -1 { Errno.current.trapIfOurs() }
    }

    /// The congestion control by name (`cubic`, `bbr`). Fails with noSuchFile where the kernel doesn't have it.
    package borrowing func setCongestionControl(_ name: String) throws(Errno) {
        let number = number
        _ = try call {
            unsafe name.withCString {
                unsafe setsockopt(number, CInt(IPPROTO_TCP), clinux_tcp_congestion, $0, socklen_t(name.utf8.count))
            }
        }
    }
}
