// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// Unix sockets by path: the admin socket and the CLI that talks to it, the handover socket, systemd's.
package enum UnixSocket {
    /// What a connection carries.
    package enum Kind: Sendable {
        case stream
        /// Messages that keep their borders, in order.
        case packets

        fileprivate var type: CInt {
            CInt(self == .stream ? SOCK_STREAM.rawValue : SOCK_SEQPACKET.rawValue) | O_CLOEXEC
        }
    }

    /// The longest path that fits a `sockaddr_un`, in bytes.
    package static let maximumPath = 107

    /// A non-blocking listener. A socket left by a process before us is replaced; the mode is set before anyone may connect.
    package static func listen(path: String, mode: UInt32, backlog: CInt, _ kind: Kind = .stream) throws(Errno) -> Descriptor {
        guard path.utf8.count <= maximumPath else { throw Errno(ENAMETOOLONG) }
        let socket = Descriptor(takingOwnership: try call { Glibc.socket(AF_UNIX, kind.type | O_NONBLOCK, 0) })
        _ = unsafe unlink(path)
        let before = umask(0o777)
        defer { _ = umask(before) }
        let number = socket.number
        _ = try call { unsafe withAddress(path) { unsafe bind(number, $0, $1) } }
        _ = try call { unsafe chmod(path, mode_t(mode)) }
        _ = try call { Glibc.listen(number, backlog) }
        return socket
    }

    /// A connection to the listener at the path; blocking, since only programs without a loop dial.
    /// - Parameter patience: how long a call on it may wait (`wouldBlock` then); nil: for ever.
    package static func connect(path: String, _ kind: Kind = .stream, patience: Interval? = nil) throws(Errno) -> Descriptor {
        guard path.utf8.count <= maximumPath else { throw Errno(ENAMETOOLONG) }
        let socket = Descriptor(takingOwnership: try call { Glibc.socket(AF_UNIX, kind.type, 0) })
        let number = socket.number
        if let patience { try socket.setPatience(patience) }
        _ = try call { unsafe withAddress(path) { unsafe Glibc.connect(number, $0, $1) } }
        return socket
    }

    /// Sends one datagram to a socket at a path, or, with a leading `@`, in the abstract namespace. Never waits: what isn't taken now is lost.
    package static func send(_ bytes: [UInt8], to path: String) throws(Errno) {
        guard path.utf8.count <= maximumPath else { throw Errno(ENAMETOOLONG) }
        let type = CInt(SOCK_DGRAM.rawValue) | O_NONBLOCK | O_CLOEXEC
        let socket = Descriptor(takingOwnership: try call { Glibc.socket(AF_UNIX, type, 0) })
        let number = socket.number
        let abstract = path.hasPrefix("@")
        _ = try call {
            unsafe withAddress(abstract ? "\0" + path.dropFirst() : path, exactLength: abstract) { address, length in
                unsafe bytes.withUnsafeBytes {
                    unsafe sendto(number, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL), address, length)
                }
            }
        }
    }

    /// - Parameter exactLength: an abstract name ends where its length says, not at a zero byte.
    private static func withAddress<Result>(
        _ path: String, exactLength: Bool = false, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { field in
            for (index, byte) in path.utf8.prefix(maximumPath).enumerated() { unsafe field[index] = byte }
        }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                let length = exactLength ? 2 + min(path.utf8.count, maximumPath) : MemoryLayout<sockaddr_un>.size
                return unsafe body($0, socklen_t(length))
            }
        }
    }
}

/// Who is at the other end of a Unix socket, as the kernel says.
package struct PeerCredentials: Sendable {
    package let process: CInt
    package let user: UInt32
    package let group: UInt32
}

extension Descriptor {
    package borrowing func peerCredentials() throws(Errno) -> PeerCredentials {
        var (process, user, group): (CInt, UInt32, UInt32) = (0, 0, 0)
        let number = number
        _ = try call { unsafe clinux_peer_credentials(number, &process, &user, &group) }
        return PeerCredentials(process: process, user: user, group: group)
    }
}
