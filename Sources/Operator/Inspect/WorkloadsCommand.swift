// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// `warren workloads`: everything that the mesh knows, and what this host does for it.
enum WorkloadsCommand {
    static let command = Command(
        "workloads", "Show the workloads of the mesh and which of them this host captures.",
        options: Listing.options + [CommandOption("local", "Only workloads of this host.")],
        examples: [
            ("warren workloads", "All workloads: address, host, protocol, and the capture's state."),
            ("warren workloads --local -w", "Those of this host, again every two seconds."),
            ("warren workloads -n shop -o json", "Namespace shop, for a program."),
        ], run: listing.run)

    private static let listing = Listing(
        target: "/workloads",
        query: { invocation in
            (invocation.has("local") ? [("local", "true")] : [])
                + (invocation.value("namespace").map { [("namespace", $0)] } ?? [])
        }, key: "workloads",
        filter: { invocation, value in
            value.isIn(invocation, "namespace") && (!invocation.has("local") || value["local"]?.boolValue == true)
        },
        columns: { invocation in
            let basic: [Table.Column] = [
                .init("NAMESPACE"), .init("NAME"), .init("ADDRESS"), .init("NODE"), .init("PROTOCOL"),
                .init("CAPTURE", colour: colour), .init("NETNS"), .init("STATUS", colour: colour),
                .init("CONNECTIONS", isNumber: true),
            ]
            return basic + (invocation.has("wide") ? [.init("IDENTITY"), .init("POLICIES"), .init("UID")] : [])
        },
        row: { _, value in
            let reason = value["captureReason"]?.stringValue.map { ": \($0)" } ?? ""
            return [
                value.cell("namespace"), value.cell("name"), value.listCell("addresses"), value.cell("node"),
                value.cell("protocol"), value.cell("captureState").map { $0 + reason }, value.cell("networkNamespace"),
                value.cell("status"), value.cell("connections"), value.cell("identity"), value.listCell("policies"),
                value.cell("uid"),
            ]
        },
        note: "Only TCP is captured; UDP, ICMP and the rest pass as they are, unless capture.nonTCP is `drop`.")

    @Sendable private static func colour(_ cell: String) -> Colour? {
        switch cell.prefix(8) {
        case "captured", "healthy": .good
        case "pending", "draining": .doubtful
        case "unhealth", "refused", "refused:": .bad
        default: nil
        }
    }
}
