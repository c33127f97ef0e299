// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// `warren services`: names and addresses that stand for several workloads.
enum ServicesCommand {
    static let command = Command(
        "services", "Show the services of the mesh, their addresses and endpoints.", options: Listing.options,
        examples: [
            ("warren services", "All services with how many of their endpoints are healthy."),
            ("warren services -o yaml", "With every endpoint and its ports."),
        ], run: listing.run)

    private static let listing = Listing(
        target: "/services", key: "services", filter: { $1.isIn($0, "namespace") },
        columns: { invocation in
            let basic: [Table.Column] = [
                .init("NAMESPACE"), .init("NAME"), .init("ADDRESS"), .init("PORTS"), .init("ENDPOINTS", colour: colour),
                .init("WAYPOINT"),
            ]
            return basic + (invocation.has("wide") ? [.init("HOSTNAME"), .init("WORKLOADS")] : [])
        },
        row: { _, value in
            let endpoints = value["endpoints"]?.sequenceValue ?? []
            return [
                value.cell("namespace"), value.cell("name"), addresses(value), ports(value),
                "\(value.cell("endpointsHealthy") ?? "0")/\(value.cell("endpointsTotal") ?? "0")", value.cell("waypoint"),
                value.cell("hostname"), endpoints.compactMap { $0.cell("workload") }.joined(separator: ","),
            ]
        })

    /// `NETWORK/ADDRESS` without the name of the default network, which is empty.
    private static func addresses(_ value: Value) -> String {
        let texts = value["addresses"]?.sequenceValue?.compactMap(\.stringValue) ?? []
        return texts.map { $0.hasPrefix("/") ? String($0.dropFirst()) : $0 }.joined(separator: ",")
    }

    /// `80,443→8443`.
    private static func ports(_ value: Value) -> String {
        let ports = value["ports"]?.mappingValue ?? []
        return ports.map { entry in
            let target = entry.value.integerValue ?? 0
            return target == 0 || String(target) == entry.key ? entry.key : "\(entry.key)→\(target)"
        }.joined(separator: ",")
    }

    @Sendable private static func colour(_ cell: String) -> Colour? {
        let parts = cell.split(separator: "/")
        return cell.hasPrefix("0/") ? .bad : parts.count == 2 && parts[0] == parts[1] ? .good : .doubtful
    }
}
