// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// Tunnels between hosts. The reason of each default stands in the table below.
package struct TunnelSettings: Sendable {
    /// The kernel's name of a congestion control; empty for the host's own.
    package var congestionControl = ""
    package var maxStreamAge: Interval?
    package var idleRelease = Interval.minutes(5)
    package var pingInterval = Interval.seconds(10)
    package var pingTimeout = Interval.seconds(20)
    package var advertisedStreams = 200

    static let settings: [Setting] = [
        .text(
            "tunnel.congestionControl", \.tunnel.congestionControl, "name, may be empty",
            "TCP congestion control of tunnels (`cubic`, `bbr`); empty for the host's.",
            because: "Whoever set the host's had a reason. BBR's pacing halves bulk throughput inside a rack.",
            problem: {
                $0.isEmpty || $0.utf8.count < 16
                    ? nil : ("is no congestion control", "See sysctl net.ipv4.tcp_available_congestion_control.")
            }),
        .optionalDuration(
            "tunnel.maxStreamAge", \.tunnel.maxStreamAge, .seconds(1) ... .hours(24 * 365),
            "How long a stream may live at all.",
            because: "Databases keep connections for weeks, and no new stream is taken on an expired certificate anyway (I09)."),
        .duration(
            "tunnel.idleRelease", \.tunnel.idleRelease, .seconds(1) ... .hours(24),
            "How long a tunnel without a stream is kept; those beyond the first of a pair half a minute at most.",
            because: "ztunnel's bound: the next call within it costs no handshake."),
        .duration(
            "tunnel.pingInterval", \.tunnel.pingInterval, .seconds(1) ... .hours(1),
            "How long a tunnel with streams may be silent before a PING asks whether the peer lives.",
            because: "ztunnel's: middleboxes forget connections after half a minute at the earliest."),
        .duration(
            "tunnel.pingTimeout", \.tunnel.pingTimeout, .seconds(1) ... .hours(1),
            "How long nothing at all may come after a PING before the tunnel is given up.",
            because: "ztunnel's; any received byte counts as an answer, so a slow link isn't a dead one (I14)."),
        .integer(
            "tunnel.advertisedStreams", \.tunnel.advertisedStreams, 1...10_000,
            "How many streams a peer may have open in one tunnel to us.",
            because: "What a ztunnel announces; its own pools stop at 100."),
    ]
}

/// TCP's own probes on every leg of a connection. The reason of each default stands in the table below.
extension Keepalive {
    static let settings: [Setting] = [
        .duration(
            "keepalive.idle", \.keepalive.idle, .seconds(1) ... .hours(9),
            "How long a connection is silent before the first probe.",
            because: "ztunnel's; shorter than the five minutes after which clouds forget idle connections."),
        .duration(
            "keepalive.interval", \.keepalive.interval, .seconds(1) ... .hours(9), "How long between probes.",
            because: "ztunnel's."),
        .integer(
            "keepalive.probes", \.keepalive.probes, 1...127,
            "How many probes stay unanswered before the connection ends. Where `userTimeout` is set, the kernel goes by that instead.",
            because: "ztunnel's: half an hour of silence from an application's socket is its end."),
        .optionalDuration(
            "keepalive.userTimeout", \.keepalive.userTimeout, .seconds(1) ... .hours(24),
            "How long bytes or probes may stay unacknowledged, or a peer in plaintext take nothing, before the connection ends. "
                + "Not towards applications of this host.",
            because:
                "What the kernel's 15 retransmissions come to, made exact: a rebooting switch isn't an end, a quarter of an hour is (I14)."
        ),
    ]
}
