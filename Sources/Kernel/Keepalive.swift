// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// How a peer that vanished without a word is found, in TCP itself: each leg of a connection has this (I14). A listener's sockets inherit
/// what is set on the listener.
package struct Keepalive: Hashable, Sendable {
    /// Silence before the first probe, and between two; the kernel counts in seconds.
    package var idle = Interval.seconds(180)
    package var interval = Interval.seconds(180)
    /// How many unanswered probes end the connection. The kernel asks for it only while `userTimeout` is nil.
    package var probes: Int32 = 9
    /// How long sent bytes or probes may stay unacknowledged, or a full window closed, before the connection ends; nil: the kernel's own patience.
    package var userTimeout: Interval? = .seconds(900)

    package init() {}

    /// For a leg towards an application of this kernel: it answers for as long as it exists, and who doesn't read for an hour isn't gone.
    package var nearby: Keepalive {
        var copy = self
        copy.userTimeout = nil
        return copy
    }
}

extension Descriptor {
    /// Sets the probes of a connection, or of those that a listener will accept.
    package borrowing func setKeepalive(_ keepalive: Keepalive) throws(Errno) {
        try set(SOL_SOCKET, SO_KEEPALIVE, 1)
        try set(CInt(IPPROTO_TCP), TCP_KEEPIDLE, CInt(clamping: keepalive.idle.milliseconds / 1000))
        try set(CInt(IPPROTO_TCP), TCP_KEEPINTVL, CInt(clamping: keepalive.interval.milliseconds / 1000))
        try set(CInt(IPPROTO_TCP), TCP_KEEPCNT, keepalive.probes)
        if let time = keepalive.userTimeout {
            try set(CInt(IPPROTO_TCP), clinux_tcp_user_timeout, CInt(clamping: time.milliseconds))
        }
    }
}
