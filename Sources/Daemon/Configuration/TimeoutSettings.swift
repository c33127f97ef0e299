// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// A bound for every wait. The reason of each default stands in the table below.
package struct TimeoutSettings: Sendable {
    package var connect = Interval.seconds(10)
    package var tlsHandshake = Interval.seconds(10)
    package var http2 = Interval.seconds(10)
    package var connectReply = Interval.seconds(15)
    package var establish = Interval.seconds(30)
    package var halfClosed = Interval.hours(1)
    package var drain = Interval.seconds(30)

    static let settings: [Setting] = [
        .duration(
            "timeouts.connect", \.timeouts.connect, .milliseconds(100) ... .minutes(10),
            "One TCP connect: to an application, a peer or outside.",
            because: "ztunnel's bound: room for two lost SYNs (1 s, 3 s), and shorter than what applications wait themselves."),
        .duration(
            "timeouts.tlsHandshake", \.timeouts.tlsHandshake, .milliseconds(100) ... .minutes(10),
            "A tunnel's TLS handshake, at both ends.",
            because: "A full handshake takes milliseconds of work and two round trips; what needs ten seconds is lost or hostile."
        ),
        .duration(
            "timeouts.http2", \.timeouts.http2, .milliseconds(100) ... .minutes(10),
            "The HTTP/2 preface and SETTINGS after the handshake, at both ends.",
            because: "One round trip; the same patience as for the handshake before it."),
        .duration(
            "timeouts.connectReply", \.timeouts.connectReply, .milliseconds(100) ... .minutes(10), "The answer to a CONNECT.",
            because:
                "The peer connects to its application first and may take its whole connect bound; five seconds more for"
                + " the way."),
        .duration(
            "timeouts.establish", \.timeouts.establish, .milliseconds(100) ... .hours(1),
            "All attempts together, from the application's connection to the first byte that may pass.",
            because: "Two attempts at two endpoints fit; after half a minute the application is better told."),
        .duration(
            "timeouts.halfClosed", \.timeouts.halfClosed, .seconds(1) ... .hours(168),
            "How long a connection with one end finished may be silent.",
            because:
                "An application that still works for an answer sends within the hour; what is left over otherwise lives"
                + " for ever (I14)."
        ),
        .duration(
            "timeouts.drain", \.timeouts.drain, .zero ... .hours(24),
            "How long open connections may go on after SIGTERM before they are reset.",
            because: "Most requests end in it, and it is well below the 90 s after which systemd kills."),
    ]
}
