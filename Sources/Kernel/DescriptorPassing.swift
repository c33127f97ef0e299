// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// A packet as it came over a Unix socket of the kind `packets`, with the descriptor that lay in it. Its holder owns that.
package struct ReceivedPacket: ~Copyable {
    package let bytes: [UInt8]
    package var descriptor: Descriptor?

    package init(bytes: [UInt8], descriptor: consuming Descriptor?) {
        self.bytes = bytes
        self.descriptor = descriptor
    }

    /// The descriptor alone.
    package consuming func take() -> Descriptor? { descriptor }
}

extension Descriptor {
    /// Sends one packet, whole or not at all (`wouldBlock`), and with it a descriptor, which stays ours too. The packet must not be empty.
    package borrowing func send(packet bytes: [UInt8], passing passed: CInt? = nil) throws(Errno) {
        invariant(!bytes.isEmpty, "an empty packet looks like the end of the connection")
        let number = number
        _ = try call {
            unsafe bytes.withUnsafeBytes { bytes in
                guard let passed else { return unsafe Glibc.send(number, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL)) }
                return unsafe clinux_send_descriptor(number, passed, bytes.baseAddress, bytes.count)
            }
        }
    }

    /// The next packet; nil when the other end has gone. Throws `wouldBlock` if none is here or came within the socket's patience, and EMSGSIZE for
    /// one with more bytes than `limit` or more descriptors than one, which are gone then.
    package borrowing func receivePacket(limit: Int) throws(Errno) -> ReceivedPacket? {
        var buffer = [UInt8](repeating: 0, count: limit)
        var passed: CInt = -1
        let number = number
        let count = try call {
            unsafe buffer.withUnsafeMutableBytes {
                unsafe clinux_receive_descriptor(number, &passed, $0.baseAddress, $0.count)
            }
        }
        let descriptor = passed >= 0 ? Descriptor(takingOwnership: passed) : nil
        guard count > 0 else { return nil }
        return ReceivedPacket(bytes: Array(buffer.prefix(count)), descriptor: descriptor)
    }

    /// How long a blocking call on the socket may wait before it fails with `wouldBlock`.
    package borrowing func setPatience(_ time: Interval) throws(Errno) {
        let number = number
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            var value = timeval(
                tv_sec: Int(clamping: time.nanoseconds / 1_000_000_000),
                tv_usec: Int(clamping: time.nanoseconds % 1_000_000_000 / 1000))
            _ = try call { unsafe setsockopt(number, SOL_SOCKET, option, &value, socklen_t(MemoryLayout<timeval>.size)) }
        }
    }
}

/// What a socket is that somebody else made: asked of the kernel, not of them.
package struct SocketFacts: Equatable, Sendable {
    package enum Domain: Equatable, Sendable {
        case v4
        case v6
        case unix
        case other(CInt)
    }

    package let domain: Domain
    /// A stream socket, and of TCP where it isn't a Unix one.
    package let isStream: Bool
    package let isListening: Bool
    package let mark: UInt32
    /// Of the network that it lives in.
    package let namespace: NamespaceIdentity

    /// Fails for what is no socket. Needs CAP_NET_ADMIN.
    package init(_ socket: borrowing Descriptor) throws(Errno) {
        let number = socket.number
        func value(_ option: CInt) throws(Errno) -> CInt {
            var value: CInt = 0
            var length = socklen_t(MemoryLayout<CInt>.size)
            _ = try call { unsafe getsockopt(number, SOL_SOCKET, option, &value, &length) }
            return value
        }
        domain =
            switch try value(SO_DOMAIN) {
            case AF_INET: .v4
            case AF_INET6: .v6
            case AF_UNIX: .unix
            case let other: .other(other)
            }
        let isTCP = try value(SO_PROTOCOL) == CInt(IPPROTO_TCP)
        isStream = try value(SO_TYPE) == CInt(SOCK_STREAM.rawValue) && (domain == .unix || isTCP)
        isListening = try value(SO_ACCEPTCONN) == 1
        mark = UInt32(bitPattern: try value(SO_MARK))
        namespace = try NetworkNamespace(
            takingOwnership: Descriptor(takingOwnership: try call { clinux_socket_namespace(number) })
        ).identity
    }
}
