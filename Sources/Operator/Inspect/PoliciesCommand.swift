// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// `warren policies`: what decides over connections.
enum PoliciesCommand {
    static let command = Command(
        "policies", "Show the policies that decide over connections, as hosts judge by them.", options: Listing.options,
        examples: [
            ("warren policies", "All policies with action and scope."),
            ("warren policies --wide", "With the rules in words and where they were written."),
        ], run: listing.run)

    private static let listing = Listing(
        target: "/policies", key: "policies", filter: { $1.isIn($0, "namespace") },
        columns: { invocation in
            let basic: [Table.Column] = [
                .init("NAMESPACE"), .init("NAME"), .init("ACTION", colour: { $0 == "Deny" ? .bad : .good }), .init("SCOPE"),
                .init("RULES", isNumber: true),
            ]
            return basic + (invocation.has("wide") ? [.init("ORIGIN"), .init("RULE TEXTS")] : [])
        },
        row: { _, value in
            [
                value.cell("namespace"), value.cell("name"), value.cell("action"), value.cell("scope"),
                String(value["rules"]?.sequenceValue?.count ?? 0), value.cell("origin"), value.listCell("rules", most: 10),
            ]
        })
}
