// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// `warren tunnels`: the encrypted connections between this host's workloads and others.
enum TunnelsCommand {
    static let command = Command(
        "tunnels", "Show the mutual-TLS tunnels of this host's workloads.",
        options: Listing.options + [CommandOption("workload", value: "NAME", "Only this workload's: NAME or NAMESPACE/NAME.")],
        examples: [
            ("warren tunnels", "Every tunnel: its two ends, the peer's identity, streams now and so far."),
            ("warren tunnels --wide", "With cipher, full identities and the loop that owns it."),
        ], run: listing.run)

    private static let listing = Listing(
        target: "/tunnels", key: "tunnels", filter: { $1.isIn($0, "workload") && $1.isOf($0) },
        columns: { invocation in
            let basic: [Table.Column] = [
                .init("WORKLOAD"), .init("SIDE"), .init("LOCAL"), .init("REMOTE"), .init("PEER"),
                .init("STREAMS", isNumber: true), .init("OPENED", isNumber: true), .init("RECEIVED", isNumber: true),
                .init("SENT", isNumber: true), .init("AGE", isNumber: true), .init("STATE"),
            ]
            return basic + (invocation.has("wide") ? [.init("IDENTITY"), .init("CIPHER"), .init("LOOP")] : [])
        },
        row: { invocation, value in
            [
                value.cell("workload"), value.cell("side"), value.cell("local"), value.cell("remote"),
                value.identityCell("remoteIdentity", isWide: invocation.has("wide")), value.cell("streams"),
                value.cell("streamsOpened"), value.bytesCell("bytesReceived"), value.bytesCell("bytesSent"),
                value.ageCell("ageSeconds"), value.cell("state"), value.cell("localIdentity"), value.cell("cipher"),
                value.cell("loop"),
            ]
        })
}
