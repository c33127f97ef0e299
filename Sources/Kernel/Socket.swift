// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import CLinux
import Glibc

/// Non-blocking, close-on-exec TCP sockets. Each function is one or two system calls; which namespace a socket lives in is decided by
/// where the calling thread stands when it is made (`NetworkNamespace.enter`).
package enum Socket {
    /// A TCP socket of the family. With `v4`, an IPv4 one; with `v6`, one that takes IPv4 too unless bound to an IPv6 address.
    package static func tcp(_ family: IPAddress.Family) throws(Errno) -> Descriptor {
        let domain = family == .v4 ? AF_INET : AF_INET6
        let type = CInt(SOCK_STREAM.rawValue) | O_NONBLOCK | O_CLOEXEC
        return Descriptor(takingOwnership: try call { socket(domain, type, 0) })
    }

    /// A listener on every address of the namespace, IPv4 and IPv6 on one socket; IPv4 alone where the kernel knows no IPv6.
    package static func listenEverywhere(port: UInt16, backlog: CInt, mark: UInt32? = nil, isTransparent: Bool = false)
        throws(Errno) -> Descriptor
    {
        do throws(Errno) {
            return try listen(SocketAddress(.anyV6, port), backlog: backlog, mark: mark, isTransparent: isTransparent)
        } catch {
            guard error == Errno(EAFNOSUPPORT) || error == .addressNotAvailable else { throw error }
            return try listen(SocketAddress(.anyV4, port), backlog: backlog, mark: mark, isTransparent: isTransparent)
        }
    }

    /// A listener on one address. Port 0 lets the kernel choose.
    /// - Parameter isTransparent: it also takes connections to addresses that aren't ours, which TPROXY hands it.
    package static func listen(
        _ address: SocketAddress, backlog: CInt, mark: UInt32? = nil, isTransparent: Bool = false
    ) throws(Errno) -> Descriptor {
        let socket = try tcp(address.ip.family)
        // A listener must come back while connections of the process before it linger.
        try socket.set(SOL_SOCKET, SO_REUSEADDR, 1)
        if address.ip.family == .v6 { try socket.set(CInt(IPPROTO_IPV6), IPV6_V6ONLY, address.ip.isUnspecified ? 0 : 1) }
        if let mark {
            try socket.setMark(mark)
            try socket.setTransparent(.v4)
            if address.ip.family == .v6 { try socket.setTransparent(.v6) }
        }
        try socket.bind(address)
        let number = socket.number
        _ = try call { Glibc.listen(number, backlog) }
        return socket
    }
}

/// A connection as a listener gives it.
package struct Accepted: ~Copyable {
    package var descriptor: Descriptor
    package let peer: SocketAddress

    package init(descriptor: consuming Descriptor, peer: SocketAddress) {
        self.descriptor = descriptor
        self.peer = peer
    }

    /// The socket alone.
    package consuming func take() -> Descriptor { descriptor }
}

extension Descriptor {
    package borrowing func bind(_ address: SocketAddress) throws(Errno) {
        let number = number
        var raw = RawSocketAddress(address)
        _ = try call { unsafe raw.withPointer { unsafe Glibc.bind(number, $0, $1) } }
    }

    /// Begins to connect. True if it is done at once; false while the handshake runs: the socket turns writable when it ended,
    /// and `takeError` says how.
    package borrowing func connect(to address: SocketAddress) throws(Errno) -> Bool {
        let number = number
        var raw = RawSocketAddress(address)
        let result = unsafe raw.withPointer { unsafe Glibc.connect(number, $0, $1) }
        if result == 0 { return true }
        let failure = Errno.current
        // An interrupted connect goes on by itself; calling it again would say EALREADY.
        if failure.number == EINPROGRESS || failure.number == EINTR { return false }
        failure.trapIfOurs()
        throw failure
    }

    /// Connects to a socket of the same namespace: the whole handshake takes place while the kernel sends the SYN, but it only says so when it is
    /// asked again. True and false as for `connect`.
    package borrowing func connectNearby(to address: SocketAddress) throws(Errno) -> Bool {
        if try connect(to: address) { return true }
        do throws(Errno) { return try connect(to: address) } catch {
            // A full queue, or a firewall that drops: it goes on.
            if error.number == EALREADY { return false }
            throw error
        }
    }

    /// The least round-trip time that TCP saw here within the last minutes (tcp_min_rtt_wlen); nil before the first.
    package borrowing func shortestRoundTrip() -> Interval? {
        var time: UInt32 = 0
        guard unsafe clinux_tcp_shortest_round_trip(number, &time) == 0, time < UInt32.max else { return nil }
        return .microseconds(UInt64(time))
    }

    /// The error that waits on the socket; nil if none.
    package borrowing func takeError() -> Errno? {
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        guard unsafe getsockopt(number, SOL_SOCKET, SO_ERROR, &value, &length) == 0 else { return .current }
        return value == 0 ? nil : Errno(value)
    }

    /// The next connection of a listener with who made it; nil if none waits. `connectionAborted` and the like mean: that one is gone, ask again.
    package borrowing func accept() throws(Errno) -> Accepted? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let number = number
        do throws(Errno) {
            let accepted = try call { unsafe clinux_accept(number, &storage, &length) }
            let peer = SocketAddress(storage) ?? SocketAddress(.anyV4, 0)
            return Accepted(descriptor: Descriptor(takingOwnership: accepted), peer: peer)
        } catch {
            if error == .wouldBlock { return nil }
            throw error
        }
    }

    /// Turns a listener off without closing it: what waits to be accepted is reset, and the next caller is refused.
    package borrowing func stopListening() {
        if shutdown(number, CInt(SHUT_RDWR)) == -1 { Errno.current.trapIfOurs() }
    }

    package borrowing func localAddress() -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let number = number
        let result = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(number, $0, &length) }
        }
        return result == 0 ? SocketAddress(storage) : nil
    }

    package borrowing func peerAddress() -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let number = number
        let result = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getpeername(number, $0, &length) }
        }
        return result == 0 ? SocketAddress(storage) : nil
    }

    /// Where the connection was going before the redirection; nil if it wasn't redirected.
    package borrowing func originalDestination(_ family: IPAddress.Family) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = unsafe clinux_original_destination(number, family == .v6 ? 1 : 0, &storage, &length)
        return result == 0 ? SocketAddress(storage) : nil
    }

    /// Takes what has come, at most the buffer.
    @inline(__always)
    package borrowing func receive(into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Transfer {
        let number = number
        do throws(Errno) {
            let count = try call { unsafe recv(number, buffer.baseAddress, buffer.count, 0) }
            return count == 0 ? .endOfStream : .moved(count)
        } catch {
            if error == .wouldBlock { return .wouldBlock }
            throw error
        }
    }

    /// Gives the kernel what it takes now.
    @inline(__always)
    package borrowing func send(_ bytes: UnsafeRawBufferPointer) throws(Errno) -> Transfer {
        let number = number
        do throws(Errno) {
            return .moved(try call { unsafe Glibc.send(number, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL)) })
        } catch {
            if error == .wouldBlock { return .wouldBlock }
            throw error
        }
    }

    /// Sends FIN. A peer that is gone already is no error: there is nobody left to tell.
    package borrowing func shutdownWriting() {
        let result = shutdown(number, CInt(SHUT_WR))
        if result == -1 { Errno.current.trapIfOurs() }
    }
}

/// A `sockaddr_in` or `sockaddr_in6` as the kernel wants it.
struct RawSocketAddress {
    private var storage = sockaddr_storage()
    private let length: socklen_t

    init(_ address: SocketAddress) {
        switch address.ip.family {
        case .v4:
            var raw = sockaddr_in()
            raw.sin_family = sa_family_t(AF_INET)
            raw.sin_port = address.port.bigEndian
            raw.sin_addr.s_addr = address.ip.v4Number.bigEndian
            length = socklen_t(MemoryLayout<sockaddr_in>.size)
            unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.storeBytes(of: raw, as: sockaddr_in.self) }
        case .v6:
            var raw = sockaddr_in6()
            raw.sin6_family = sa_family_t(AF_INET6)
            raw.sin6_port = address.port.bigEndian
            let (high, low) = address.ip.mapped
            unsafe withUnsafeMutableBytes(of: &raw.sin6_addr) {
                unsafe $0.storeBytes(of: high.bigEndian, as: UInt64.self)
                unsafe $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            length = socklen_t(MemoryLayout<sockaddr_in6>.size)
            unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.storeBytes(of: raw, as: sockaddr_in6.self) }
        }
    }

    mutating func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        let length = length
        return unsafe withUnsafePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, length) }
        }
    }
}

extension SocketAddress {
    /// Nil for a family that is neither IPv4 nor IPv6. An IPv4-mapped address becomes IPv4.
    init?(_ storage: sockaddr_storage) {
        var storage = storage
        switch CInt(storage.ss_family) {
        case AF_INET:
            let raw = unsafe withUnsafeBytes(of: &storage) { unsafe $0.load(as: sockaddr_in.self) }
            self.init(IPAddress(v4: UInt32(bigEndian: raw.sin_addr.s_addr)), UInt16(bigEndian: raw.sin_port))
        case AF_INET6:
            var raw = unsafe withUnsafeBytes(of: &storage) { unsafe $0.load(as: sockaddr_in6.self) }
            let port = UInt16(bigEndian: raw.sin6_port)
            let (high, low) = unsafe withUnsafeBytes(of: &raw.sin6_addr) {
                unsafe ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            }
            self.init(IPAddress(v6High: UInt64(bigEndian: high), UInt64(bigEndian: low)), port)
        default:
            return nil
        }
    }
}
