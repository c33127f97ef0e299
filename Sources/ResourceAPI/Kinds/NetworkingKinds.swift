// SPDX-License-Identifier: Apache-2.0

import Documents

/// `networking.istio.io`: workloads and services that no cluster started.
extension APIKind {
    private static let networking = "networking.istio.io"
    private static let networkingCategories = ["istio-io", "networking-istio-io"]

    /// Where a workload listens; what WorkloadEntry, templates of WorkloadGroup and endpoints of ServiceEntry share.
    private static func endpointFields(addressRequired: Bool) -> [SchemaField] {
        [
            SchemaField("address", .string, "The IP address of the workload.", required: addressRequired),
            SchemaField("ports", .map(.integer), "Names of service ports, and the ports that stand for them here."),
            SchemaField("labels", .map(.string), "Labels that selectors see."),
            SchemaField("network", .string, "The network in which the address is unique; the mesh's own if not given."),
            SchemaField("locality", .string, "REGION/ZONE/SUBZONE."),
            SchemaField("weight", .integer, "Its share of connections among the endpoints of a service; 1 if not given."),
            SchemaField("serviceAccount", .string, "The service account whose identity the workload has."),
        ]
    }

    package static let workloadEntry: APIKind = {
        var kind = APIKind(
            "WorkloadEntry", "workloadentries", group: networking, versions: "v1", "v1beta1", "v1alpha3",
            description: "One workload. The annotations warren.dev/node and warren.dev/network-namespace say where it runs.",
            fields: SchemaField(
                "spec", Schema(.object(SchemaFields(endpointFields(addressRequired: false)))),
                "Where the workload listens and who it is."),
            SchemaField("status", SharedSchema.status, "What the workload's host says of it."))
        kind.shortNames = ["we"]
        kind.categories = networkingCategories
        kind.columns = [
            APIColumn("Address", "Address associated with the network endpoint.", at: "spec", "address"),
            APIColumn("Node", "The host that runs it.", at: "metadata", "annotations", "warren.dev/node"),
            APIColumn("Service Account", "The service account whose identity it has.", priority: 1, at: "spec", "serviceAccount"),
        ]
        return kind
    }()

    package static let workloadGroup: APIKind = {
        let number = Schema.integer
        let header = Schema.object(SchemaField("name", .string, "Name."), SchemaField("value", .string, "Value."))
        let probe = Schema.object(
            SchemaField("initialDelaySeconds", number, "Before the first probe."),
            SchemaField("timeoutSeconds", number, "Of one probe."),
            SchemaField("periodSeconds", number, "Between two probes."),
            SchemaField("successThreshold", number, "Successes after which it is healthy."),
            SchemaField("failureThreshold", number, "Failures after which it isn't."),
            SchemaField(
                "httpGet",
                .object(
                    SchemaField("path", .string, "Path."), SchemaField("port", number, "Port."),
                    SchemaField("host", .string, "Host."),
                    SchemaField("scheme", .string, "HTTP or HTTPS."), SchemaField("httpHeaders", .list(header), "Headers.")),
                "Ask by HTTP."),
            SchemaField(
                "tcpSocket", .object(SchemaField("host", .string, "Host."), SchemaField("port", number, "Port.")), "Connect."),
            SchemaField("exec", .object(SchemaField("command", .strings, "Command and arguments.")), "Run a command."),
            SchemaField(
                "grpc", .object(SchemaField("port", number, "Port."), SchemaField("service", .string, "Service.")), "Ask by gRPC."
            ))
        var kind = APIKind(
            "WorkloadGroup", "workloadgroups", group: networking, versions: "v1", "v1beta1", "v1alpha3",
            description: "What the workloads of a group have in common.",
            fields: SchemaField(
                "spec",
                .object(
                    SchemaField(
                        "metadata",
                        .object(
                            SchemaField("labels", .map(.string), "Labels of its workloads."),
                            SchemaField("annotations", .map(.string), "Annotations of its workloads.")),
                        "Of the entries that are made from it."),
                    SchemaField(
                        "template", Schema(.object(SchemaFields(endpointFields(addressRequired: false)))),
                        "What its workloads have in common.", required: true),
                    SchemaField("probe", probe, "How their health is found out.")), "What is wanted of the group."),
            SchemaField("status", SharedSchema.status, "What is known of the group."))
        kind.shortNames = ["wg"]
        kind.categories = networkingCategories
        return kind
    }()

    package static let serviceEntry: APIKind = {
        let port = Schema.object(
            SchemaField("number", .integer, "The port of the service.", required: true),
            SchemaField("name", .string, "The name of the port.", required: true),
            SchemaField("protocol", .string, "HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS."),
            SchemaField("targetPort", .integer, "The port of the endpoints."))
        let endpoint = Schema(.object(SchemaFields(endpointFields(addressRequired: false))))
        var kind = APIKind(
            "ServiceEntry", "serviceentries", group: networking, versions: "v1", "v1beta1", "v1alpha3",
            description: "Hostnames and addresses of a service that no cluster gave out.",
            fields: SchemaField(
                "spec",
                .object(
                    SchemaField("hosts", .strings, "The hostnames of the service.", required: true),
                    SchemaField("addresses", .strings, "Its virtual addresses, or blocks of them."),
                    SchemaField("ports", .list(port, .map(["number"])), "The ports that it has."),
                    SchemaField("location", .words("MESH_EXTERNAL", "MESH_INTERNAL"), "Whether it is part of the mesh."),
                    SchemaField(
                        "resolution", .words("NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"),
                        "How its endpoints are found."),
                    SchemaField("endpoints", .list(endpoint), "Its endpoints."),
                    SchemaField(
                        "workloadSelector", .object(SchemaField("labels", .map(.string), "The labels that its workloads have.")),
                        "Finds its workloads in its own namespace."),
                    SchemaField("exportTo", .strings, "Not used here: every service is seen from every namespace."),
                    SchemaField("subjectAltNames", .strings, "Identities that its endpoints may show besides their own.")),
                "What is wanted of the service."),
            SchemaField("status", SharedSchema.status, "What is known of the service."))
        kind.shortNames = ["se"]
        kind.categories = networkingCategories
        kind.columns = [
            APIColumn("Hosts", "The hosts associated with the ServiceEntry") { joined($0.at("spec", "hosts")) },
            APIColumn(
                "Location", "Whether the service is considered external to the mesh or part of the mesh", at: "spec", "location"),
            APIColumn("Resolution", "Service resolution mode for the hosts", at: "spec", "resolution"),
        ]
        return kind
    }()

    /// A list in one cell, as kubectl shows lists of custom kinds.
    private static func joined(_ list: Value?) -> Value {
        guard let list, list.sequenceValue != nil else { return .null }
        return .string(list.json)
    }
}
