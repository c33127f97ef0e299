// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// `warren certificates`: the identities of this host's workloads.
enum CertificatesCommand {
    static let command = Command(
        "certificates", "Show the certificates of this host's workloads.",
        options: [OutputFormat.option, Listing.wide, Listing.watch, Listing.interval, Listing.socket],
        examples: [
            ("warren certificates", "Each identity with its state and when it ends and is renewed."),
            ("warren certificates -o json", "With the whole chain and the roots."),
        ], run: listing.run)

    private static let listing = Listing(
        target: "/certificates", key: "certificates", filter: { _, _ in true },
        columns: { invocation in
            let basic: [Table.Column] = [
                .init("IDENTITY"),
                .init("STATUS", colour: { $0 == "Available" ? .good : $0 == "Initializing" ? .doubtful : .bad }),
                .init("VALID", colour: { $0 == "yes" ? .good : .bad }), .init("EXPIRES IN", isNumber: true), .init("NOT AFTER"),
                .init("RENEWAL"),
            ]
            return basic + (invocation.has("wide") ? [.init("NOT BEFORE"), .init("SERIAL"), .init("REASON")] : [])
        },
        row: { _, value in
            [
                value.cell("identity"), value.cell("status"), value["valid"]?.boolValue == true ? "yes" : "no",
                value["expiresInSeconds"]?.numberValue.map { $0 <= 0 ? "expired" : HumanText.age($0) }, value.cell("notAfter"),
                value.cell("renewal"), value.cell("notBefore"), value.cell("serialNumber"), value.cell("reason"),
            ]
        })
}
