// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// `warren connections`: who talks to whom at this moment.
enum ConnectionsCommand {
    static let command = Command(
        "connections", "Show the open connections of this host's workloads.",
        options: Listing.options + [
            CommandOption("workload", value: "NAME", "Only this workload's: NAME or NAMESPACE/NAME."),
            CommandOption("direction", value: "WAY", choices: ["inbound", "outbound"], "Only one direction."),
        ],
        examples: [
            ("warren connections", "Every open connection: ends, path (hbone, tcp, local), the peer's identity and bytes."),
            ("warren connections --workload shop/db --direction inbound", "Who is connected to db."),
            ("warren connections -w --interval 1", "Once a second, until interrupted."),
        ], run: listing.run)

    private static let listing = Listing(
        target: "/connections", key: "connections",
        filter: { invocation, value in
            value.isIn(invocation, "workload") && value.isOf(invocation)
                && (invocation.value("direction").map { value["direction"]?.stringValue == $0 } ?? true)
        },
        columns: { invocation in
            let basic: [Table.Column] = [
                .init("WORKLOAD"), .init("DIRECTION"), .init("LOCAL"), .init("REMOTE"), .init("TARGET"), .init("PROTOCOL"),
                .init("PEER"), .init("RECEIVED", isNumber: true), .init("SENT", isNumber: true), .init("AGE", isNumber: true),
                .init("STATE"),
            ]
            return basic + (invocation.has("wide") ? [.init("SERVICE"), .init("IDENTITY"), .init("POLICY"), .init("LOOP")] : [])
        },
        row: { invocation, value in
            [
                value.cell("workload"), value.cell("direction"), value.cell("local"), value.cell("remote"), value.cell("target"),
                value.cell("protocol"), value.identityCell("remoteIdentity", isWide: invocation.has("wide")),
                value.bytesCell("bytesReceived"), value.bytesCell("bytesSent"), value.ageCell("ageSeconds"), value.cell("state"),
                value.cell("service"), value.cell("localIdentity"), value.cell("policy"), value.cell("loop"),
            ]
        })
}

extension Value {
    /// Whether the field `workload` (`NAMESPACE/NAME`) is the wanted one; true if none is wanted.
    func isOf(_ invocation: Invocation) -> Bool {
        guard let wanted = invocation.value("workload"), let own = self["workload"]?.stringValue else {
            return !invocation.has("workload")
        }
        return own == wanted || own.hasSuffix("/\(wanted)")
    }
}
