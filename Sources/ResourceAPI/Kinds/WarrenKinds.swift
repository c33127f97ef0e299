// SPDX-License-Identifier: Apache-2.0

import Documents

/// `warren.dev`: the hosts of the mesh and what they may do.
extension APIKind {
    private static let warren = "warren.dev"

    package static let node: APIKind = {
        let workload = Schema.object(
            SchemaField("uid", .string, "Of the workload."), SchemaField("state", .string, "captured, waiting or failed."),
            SchemaField("reason", .string, "Why it isn't captured."))
        var kind = APIKind(
            "Node", "nodes", group: warren, versions: "v1", description: "A host of the mesh. It is made when the host joins.",
            fields: SchemaField(
                "spec", .object(SchemaField("evicted", .boolean, "Refuses the host, its renewals and its tunnels.")),
                "What is wanted of the host."),
            SchemaField(
                "status",
                .object(
                    SchemaField("version", .string, "Of its warrend."),
                    SchemaField("connectedSince", .time, "Since when it is connected; absent if it isn't."),
                    SchemaField("replica", .string, "To which replica of the control plane it is connected."),
                    SchemaField(
                        "certificate",
                        .object(
                            SchemaField("serial", .string, "Its serial number."),
                            SchemaField("notAfter", .time, "When it expires.")),
                        "The certificate that the host has."),
                    SchemaField("conditions", SharedSchema.conditions, "What is known about it."),
                    SchemaField("synced", .boolean, "Whether it has taken the newest state."),
                    SchemaField("revision", .string, "The state that it has taken."),
                    SchemaField("workloads", .list(workload), "The workloads of the host, as it reports them.")),
                "What is known of the host."))
        kind.isNamespaced = false
        kind.columns = [
            APIColumn("Status", "Whether it is connected and may be.") { node in
                if node.at("spec", "evicted")?.boolValue == true { return "Evicted" }
                return node.at("status", "connectedSince") == nil ? "Disconnected" : "Connected"
            },
            APIColumn("Synced", type: "boolean", "Whether it has taken the newest state.", at: "status", "synced"),
            APIColumn("Version", "Of its warrend.", at: "status", "version"),
            APIColumn("Connected since", "Since when it is connected.", priority: 1, at: "status", "connectedSince"),
            APIColumn("Certificate until", "When its certificate expires.", priority: 1, at: "status", "certificate", "notAfter"),
        ]
        return kind
    }()

    package static let nodeGrant: APIKind = {
        var kind = APIKind(
            "NodeGrant", "nodegrants", group: warren, versions: "v1",
            description: "Which workloads hosts may register, and so for which identities they get certificates.",
            fields: SchemaField(
                "spec",
                .object(
                    SchemaField("nodes", .list(.string, .set), "Names of hosts, or `*` for every host.", required: true),
                    SchemaField(
                        "namespaces", .list(.string, .set),
                        "Namespaces in which they may register workloads, or `*`; those of `serviceAccounts` if not given."),
                    SchemaField(
                        "serviceAccounts", .list(.string, .set),
                        "NAMESPACE/NAME: whose identities they get; every account of `namespaces` if not given."),
                    SchemaField(
                        "addresses", .list(.string, .set), "Blocks in which the workloads' addresses lie; none lies outside.")),
                "What is granted.", required: true))
        kind.isNamespaced = false
        kind.hasStatus = false
        kind.columns = [
            APIColumn("Nodes", "Names of hosts.") { .string(($0.at("spec", "nodes")?.strings ?? []).joined(separator: ",")) },
            APIColumn("Namespaces", "Namespaces in which they may register workloads.") {
                .string(($0.at("spec", "namespaces")?.strings ?? []).joined(separator: ","))
            },
            APIColumn("Service accounts", "Whose identities they get.", priority: 1) {
                .string(($0.at("spec", "serviceAccounts")?.strings ?? []).joined(separator: ","))
            },
            APIColumn("Addresses", "Where the workloads' addresses lie.", priority: 1) {
                .string(($0.at("spec", "addresses")?.strings ?? []).joined(separator: ","))
            },
        ]
        kind.check = NodeGrantRules.check
        return kind
    }()
}
