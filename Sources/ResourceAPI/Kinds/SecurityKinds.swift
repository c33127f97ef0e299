// SPDX-License-Identifier: Apache-2.0

import Documents

/// `security.istio.io`: who may talk to whom.
extension APIKind {
    private static let security = "security.istio.io"
    private static let securityCategories = ["istio-io", "security-istio-io"]

    private static let selector = Schema.object(
        SchemaField("matchLabels", .map(.string), "The labels that its workloads have."))

    private static let targetReference = Schema.object(
        SchemaField("group", .string, "Group of the target."), SchemaField("kind", .string, "Kind of the target."),
        SchemaField("name", .string, "Name of the target."), SchemaField("namespace", .string, "Namespace of the target."))

    private static let source = Schema.object(
        SchemaField("principals", .strings, "Identities, as TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT; `*` at one end."),
        SchemaField("notPrincipals", .strings, "None of these identities."),
        SchemaField("namespaces", .strings, "Namespaces of the client."),
        SchemaField("notNamespaces", .strings, "None of these namespaces."),
        SchemaField("serviceAccounts", .strings, "NAMESPACE/NAME, or the name of one in this namespace."),
        SchemaField("notServiceAccounts", .strings, "None of these accounts."),
        SchemaField("ipBlocks", .strings, "Addresses or blocks of the client."),
        SchemaField("notIpBlocks", .strings, "None of these addresses."),
        SchemaField("requestPrincipals", .strings, "Of a request's token: only HTTP can tell."),
        SchemaField("notRequestPrincipals", .strings, "Only HTTP can tell."),
        SchemaField("remoteIpBlocks", .strings, "Of a request's headers: only HTTP can tell."),
        SchemaField("notRemoteIpBlocks", .strings, "Only HTTP can tell."),
        SchemaField("trustDomains", .strings, "Trust domains of the client."),
        SchemaField("notTrustDomains", .strings, "None of these trust domains."))

    private static let operation = Schema.object(
        SchemaField("ports", .strings, "Ports of the workload, in quotes."),
        SchemaField("notPorts", .strings, "None of these ports."),
        SchemaField("hosts", .strings, "Only HTTP can tell."), SchemaField("notHosts", .strings, "Only HTTP can tell."),
        SchemaField("methods", .strings, "Only HTTP can tell."), SchemaField("notMethods", .strings, "Only HTTP can tell."),
        SchemaField("paths", .strings, "Only HTTP can tell."), SchemaField("notPaths", .strings, "Only HTTP can tell."))

    private static let rule = Schema.object(
        SchemaField(
            "from", .list(.object(SchemaField("source", source, "The client."))), "One of these clients; any if not given."),
        SchemaField(
            "to", .list(.object(SchemaField("operation", operation, "What it does."))),
            "One of these operations; any if not given."),
        SchemaField(
            "when",
            .list(
                .object(
                    SchemaField("key", .string, "What is asked about: source.ip, destination.port.", required: true),
                    SchemaField("values", .strings, "One of these values."),
                    SchemaField("notValues", .strings, "None of these values."))), "All of these conditions."))

    package static let authorizationPolicy: APIKind = {
        var kind = APIKind(
            "AuthorizationPolicy", "authorizationpolicies", group: security, versions: "v1", "v1beta1",
            description: "Which connections to its workloads are allowed or denied.",
            fields: SchemaField(
                "spec",
                .object(
                    SchemaField("selector", selector, "The workloads that it protects; all of its namespace if not given."),
                    SchemaField(
                        "action", .words("ALLOW", "DENY", "AUDIT", "CUSTOM"),
                        "What it does with what its rules fit; ALLOW if not given."),
                    SchemaField(
                        "rules", .list(rule), "One fitting rule is enough. Without rules an ALLOW policy allows nothing."),
                    SchemaField(
                        "provider", .object(SchemaField("name", .string, "Name of the provider.")), "Of a CUSTOM policy."),
                    SchemaField("targetRef", targetReference, "The waypoint that enforces it."),
                    SchemaField("targetRefs", .list(targetReference), "The waypoints that enforce it.")), "The policy."),
            SchemaField("status", SharedSchema.status, "What hosts say of the policy."))
        kind.shortNames = ["ap"]
        kind.categories = securityCategories
        kind.columns = [
            APIColumn("Action", "The operation to take.") { $0.at("spec", "action") ?? "ALLOW" },
            APIColumn("Rules", type: "integer", "The number of its rules.", priority: 1) {
                .integer($0.at("spec", "rules")?.sequenceValue?.count ?? 0)
            },
        ]
        return kind
    }()

    package static let peerAuthentication: APIKind = {
        let mode = Schema.object(
            SchemaField("mode", .words("UNSET", "DISABLE", "PERMISSIVE", "STRICT"), "STRICT: only what comes through a tunnel."))
        var kind = APIKind(
            "PeerAuthentication", "peerauthentications", group: security, versions: "v1", "v1beta1",
            description: "Whether its workloads take plain TCP.",
            fields: SchemaField(
                "spec",
                .object(
                    SchemaField("selector", selector, "The workloads that it is about; all of its namespace if not given."),
                    SchemaField("mtls", mode, "For all ports."),
                    SchemaField("portLevelMtls", .map(mode), "For single ports of the workload.")),
                "The policy."), SchemaField("status", SharedSchema.status, "What hosts say of the policy."))
        kind.shortNames = ["pa"]
        kind.categories = securityCategories
        kind.columns = [APIColumn("Mode", "Defines the mTLS mode used for peer authentication.", at: "spec", "mtls", "mode")]
        return kind
    }()
}
