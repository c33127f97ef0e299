// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// The bounds of tunnels. Each number comes with its reason; the daemon's configuration sets most of them.
package struct TunnelBounds: Sendable {
    /// From SYN to established. Ten seconds outlast one lost SYN and its two repetitions (1 s + 2 s + 4 s).
    package var connectTimeout = Interval.seconds(10)
    /// From the first byte of TLS to the last of the handshake: a healthy one takes milliseconds, a peer under load a second or two. A
    /// ztunnel waits for ever here.
    package var handshakeTimeout = Interval.seconds(10)
    /// From the end of the handshake to the peer's SETTINGS.
    package var settingsTimeout = Interval.seconds(10)
    /// From CONNECT to its answer: the other side may dial the application for `connectTimeout` before it answers.
    package var replyTimeout = Interval.seconds(15)
    /// Without a received byte for this long the peer is asked whether it is there (HTTP/2 PING).
    package var pingInterval = Interval.seconds(10)
    /// Without a received byte for this long after the question the peer is gone.
    package var pingTimeout = Interval.seconds(20)
    /// A tunnel without streams is closed after this time: long enough for requests that come every few minutes.
    package var idleTimeout = Interval.seconds(300)
    /// A pair's tunnels beyond its first: what a burst left behind is a hundred tunnels, and memory for each.
    package var spareTimeout = Interval.seconds(30)
    /// How long a tunnel that says goodbye waits for the answer before it says the last word.
    package var goodbyeTimeout = Interval.seconds(5)
    /// Streams per tunnel before another is opened: head-of-line blocking in TCP touches no more than these.
    package var streamsPerTunnel = 100
    /// Tunnels of one pair on one loop. One carries a hundred streams at line rate; more help where one core's encryption is the limit.
    package var tunnelsPerPair = 150
    /// How many of them may carry bulk before a further one is no longer kept free of it: four fill a loop's processor.
    package var bulkTunnelsPerPair = 4
    /// How far a stream's window may grow: 4 MiB carried 11 Gbit/s where 256 KiB carried 6.
    package var largestStreamWindow = 4 << 20
    /// What all grown windows of a loop may promise together.
    package var windowBudget = 64 << 20
    /// What may wait on a loop for applications that don't read.
    package var heldBudget = 512 << 20
    /// How long a connection of which one half ended may stay without a byte: the other side may be computing its answer, or be gone.
    package var halfClosedTimeout = Interval.seconds(3600)
    /// How long a stream may live at all; nil: as long as both applications like.
    package var streamAge: Interval?

    package init() {}
}
