// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// A bound for everything that a peer or a workload could make grow. The reason of each default stands in the table below.
package struct LimitSettings: Sendable {
    package var connections = 100_000
    package var workloadConnections = 30_000
    package var streamsPerTunnel = 100
    package var tunnelsPerPair = 150
    package var handshakes = 1000
    package var peerHandshakes = 400
    package var peerTunnels = 500
    package var peerFailures = 1000
    package var busyPace = 1000
    package var headerList = ByteSize.kibibytes(16)
    package var streamWindow = ByteSize.mebibytes(4)
    package var windowMemory = ByteSize.mebibytes(256)
    package var heldMemory = ByteSize.mebibytes(1024)
    package var splicePipes = 512
    package var resetRate = 100
    package var reservedDescriptors = 256

    static let settings: [Setting] = [
        .integer(
            "limits.connections", \.limits.connections, 1...10_000_000,
            "Connections of all workloads together; the next is refused and counted.",
            because: "About 1 GB if each holds 10 kB; a host with more has been sized by someone who can raise this."),
        .integer(
            "limits.workloadConnections", \.limits.workloadConnections, 1...10_000_000,
            "Connections of one workload, in and out.",
            because: "One address has 28,232 ports for outgoing connections to one destination, so more than 30,000 is a leak."),
        .integer(
            "limits.streamsPerTunnel", \.limits.streamsPerTunnel, 1...10_000,
            "Streams in one tunnel, ours and those we let a peer open; a further tunnel is made beyond.",
            because: "ztunnel's limit; it also bounds what one lost tunnel takes with it."),
        .integer(
            "limits.tunnelsPerPair", \.limits.tunnelsPerPair, 1...1000, "Tunnels of one loop between the same two workloads.",
            because: "With 100 streams each, on two loops, all 28,232 ports that one client address has."),
        .integer(
            "limits.handshakes", \.limits.handshakes, 1...100_000,
            "TLS handshakes under way on one loop that peers began, a quarter of them with one workload, a sixteenth from one address; "
                + "further ones are closed unheard, and their peers come again.",
            because:
                "Each costs about 40 kB and a millisecond; a thousand is a second of work, the patience of a connect. "
                + "A workload or peer that is flooded or floods leaves the others theirs."
        ),
        .integer(
            "limits.peerHandshakes", \.limits.peerHandshakes, 10...100_000,
            "Handshakes that one address may begin on one loop within ten seconds. One in vain counts as ten more, "
                + "a tunnel that was closed for a flood as fifty; beyond, its connections are closed unheard.",
            because:
                "A handshake costs a millisecond: 40 in a second are 4 % of a loop. Restarting hosts begin some hundred at once, "
                + "and then none for minutes."
        ),
        .integer(
            "limits.peerTunnels", \.limits.peerTunnels, 1...100_000,
            "Tunnels that one address may have on one loop at once.",
            because:
                "28,232 connections, all that one address can have to one application, need 283; "
                + "a tunnel takes a descriptor and about 60 kB. More workloads behind one address, as with address translation, need more."
        ),
        .integer(
            "limits.peerFailures", \.limits.peerFailures, 10...1_000_000,
            "CONNECTs of one address that may come to nothing on one loop within ten seconds; beyond, its CONNECTs wait until time gave some back.",
            because:
                "One costs as much as a connection, and nobody has anything of it: a hundred in a second are 1 % of a loop. "
                + "Who calls an application that is down hears it later, not never."
        ),
        .integer(
            "limits.busyPace", \.limits.busyPace, 10...1_000_000,
            "Connections of each sort (out, in, in tunnels, and tunnels) that a workload may always begin in a second on one loop. "
                + "While a loop is short of time and serves others too, a workload that wants more is slowed down to this by steps; "
                + "a quarter of a second's worth may begin at once.",
            because:
                "Whoever begins them as fast as they come keeps the loop awake, and then the others' requests wait for a processor: tens of "
                + "milliseconds each. A thousand are a tenth of a loop. Who is alone on its host, or on one that has time, isn't held up."
        ),
        .size(
            "limits.headerList", \.limits.headerList, .kibibytes(1) ... .mebibytes(1),
            "The headers of one CONNECT or its answer.",
            because: "The headers of the protocol fit in 1 KiB; this is what a ztunnel allows as client."),
        .size(
            "limits.streamWindow", \.limits.streamWindow, .kibibytes(64) ... .mebibytes(64),
            "How far a stream's window may grow while it drains.",
            because: "4 MiB fill 10 Gbit/s at 3 ms; ztunnel announces the same."),
        .size(
            "limits.windowMemory", \.limits.windowMemory, .mebibytes(1) ... .mebibytes(1 << 20),
            "What all windows that peers were given may add up to.",
            because: "64 streams at their full window; the others keep small ones, which are enough for requests."),
        .size(
            "limits.heldMemory", \.limits.heldMemory, .mebibytes(4) ... .mebibytes(1 << 20),
            "Bytes that came in tunnels and that applications haven't read, and CONNECTs that wait, "
                + "half of them of one workload's or one peer's streams; the stream that brings more is reset.",
            because:
                "4,000 streams that nobody reads, at their first window of 256 KiB. Thirty thousand could have seven times as much, "
                + "which is more than most hosts have left."
        ),
        .integer(
            "limits.splicePipes", \.limits.splicePipes, 0...100_000,
            "Pipes for connections that are relayed in the kernel; beyond that bytes are copied.",
            because: "Two descriptors and up to 64 KiB of kernel memory each; few connections are bulky at the same time."),
        .integer(
            "limits.resetRate", \.limits.resetRate, 1...100_000,
            "Streams that a peer may reset within ten seconds before its tunnel is closed.",
            because: "Honest clients give up now and then; a thousand rapid resets are an attack (CVE-2023-44487)."),
        .integer(
            "limits.reservedDescriptors", \.limits.reservedDescriptors, 16...100_000,
            "Descriptors kept free for admin, logs and accepting.",
            because: "A daemon that is out of descriptors must still answer who uses them."),
    ]
}
