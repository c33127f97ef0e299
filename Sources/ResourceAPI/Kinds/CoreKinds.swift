// SPDX-License-Identifier: Apache-2.0

import Documents

/// Kubernetes' own kinds, with the fields that its API server would return.
extension APIKind {
    package static let namespace: APIKind = {
        var kind = APIKind(
            "Namespace", "namespaces", group: "", versions: "v1",
            description: "A name for a set of objects. The label istio.io/dataplane-mode: ambient enrols its workloads.",
            fields: SchemaField(
                "spec", .object(SchemaField("finalizers", .list(.string), "Who has to empty the namespace before it may go.")),
                "What is wanted of the namespace."),
            SchemaField(
                "status",
                .object(
                    SchemaField("phase", .words("Active", "Terminating"), "Terminating while it is being emptied."),
                    SchemaField("conditions", SharedSchema.conditions, "Why it isn't gone yet, and what else is known.")),
                "What is known of the namespace."))
        kind.shortNames = ["ns"]
        kind.isNamespaced = false
        kind.hasStrategicMerge = true
        kind.nameRule = .label
        kind.columns = [APIColumn("Status", "The status of the namespace", at: "status", "phase")]
        kind.complete = NamespaceRules.complete
        kind.carry = NamespaceRules.carry
        return kind
    }()

    package static let serviceAccount: APIKind = {
        let reference = Schema.object(
            SchemaField("name", .string, "Name of the secret."), SchemaField("namespace", .string, "Its namespace."),
            SchemaField("kind", .string, "Its kind."), SchemaField("apiVersion", .string, "Its API version."),
            SchemaField("uid", .string, "Its UID."), SchemaField("fieldPath", .string, "A part of it."),
            SchemaField("resourceVersion", .string, "Its version."))
        var kind = APIKind(
            "ServiceAccount", "serviceaccounts", group: "", versions: "v1",
            description: "An identity for workloads: spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/NAME.",
            fields: SchemaField("secrets", .list(reference, .map(["name"])), "Not used here; kept as written."),
            SchemaField(
                "imagePullSecrets", .list(.object(SchemaField("name", .string, "Name of the secret."))),
                "Not used here; kept as written."),
            SchemaField("automountServiceAccountToken", .boolean, "Not used here; kept as written."))
        kind.shortNames = ["sa"]
        kind.returnsDeleted = true
        kind.hasStatus = false
        kind.hasStrategicMerge = true
        kind.columns = [
            APIColumn("Secrets", type: "integer", "The number of its secrets") {
                .integer($0["secrets"]?.sequenceValue?.count ?? 0)
            }
        ]
        return kind
    }()

    package static let service: APIKind = {
        var kind = APIKind(
            "Service", "services", group: "", versions: "v1",
            description: "A name and virtual addresses for the workloads that its selector finds in its own namespace.",
            fields: SchemaField("spec", serviceSpec, "What is wanted of the service."),
            SchemaField("status", serviceStatus, "What is known of the service."))
        kind.shortNames = ["svc"]
        kind.returnsDeleted = true
        kind.categories = ["all"]
        kind.hasStrategicMerge = true
        kind.nameRule = .service
        kind.columns = ServiceColumns.all
        kind.complete = ServiceRules.complete
        kind.carry = ServiceRules.keepingAddresses
        kind.check = ServiceRules.check
        return kind
    }()

    private static let servicePort = Schema.object(
        SchemaField("name", .string, "A DNS label; has to be there if the service has several ports."),
        SchemaField("protocol", .words("TCP", "UDP", "SCTP"), "Only TCP is carried.", default: "TCP"),
        SchemaField("appProtocol", .string, "What the application speaks: http, http2, grpc, tcp, tls."),
        SchemaField("port", .integer, "The port of the service.", required: true),
        SchemaField(
            "targetPort", .intOrString, "The port of the workloads, or the name that they give it. As `port` if not given."),
        SchemaField("nodePort", .integer, "Not used here: nothing listens on the hosts' own ports."))

    private static let serviceSpec = Schema.object(
        SchemaField(
            "type", .words("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"), "ClusterIP has addresses inside the mesh.",
            default: "ClusterIP"),
        SchemaField("selector", Schema.map(.string).atomic, "The labels that its workloads have."),
        SchemaField("ports", .list(servicePort, .map(["port", "protocol"])), "The ports that it has."),
        SchemaField(
            "clusterIP", .string, "Its first address: given by the server if not written; None for a service without one."),
        SchemaField("clusterIPs", .list(.string), "Its addresses, the first is clusterIP."),
        SchemaField("ipFamilies", .list(.words("IPv4", "IPv6")), "The families of its addresses, in their order."),
        SchemaField(
            "ipFamilyPolicy", .words("SingleStack", "PreferDualStack", "RequireDualStack"),
            "Whether it has addresses of one family or of both."),
        SchemaField(
            "internalTrafficPolicy", .words("Cluster", "Local"), "Local: only endpoints on the client's own host.",
            default: "Cluster"),
        SchemaField("externalTrafficPolicy", .words("Cluster", "Local"), "Not used here."),
        SchemaField(
            "trafficDistribution", .string, "Which endpoints are preferred: PreferClose, PreferSameZone, PreferSameNode."),
        SchemaField("publishNotReadyAddresses", .boolean, "Whether endpoints that aren't healthy are used too."),
        SchemaField("externalName", .string, "The DNS name that a service of type ExternalName stands for."),
        SchemaField("sessionAffinity", .words("None", "ClientIP"), "Each connection is balanced by itself.", default: "None"),
        SchemaField(
            "sessionAffinityConfig",
            .object(
                SchemaField(
                    "clientIP", .object(SchemaField("timeoutSeconds", .integer, "How long a client keeps its endpoint.")),
                    "Of ClientIP affinity.")),
            "Not used here."),
        SchemaField("externalIPs", .list(.string), "Not used here."),
        SchemaField("loadBalancerIP", .string, "Not used here."),
        SchemaField("loadBalancerSourceRanges", .list(.string), "Not used here."),
        SchemaField("loadBalancerClass", .string, "Not used here."),
        SchemaField("allocateLoadBalancerNodePorts", .boolean, "Not used here."),
        SchemaField("healthCheckNodePort", .integer, "Not used here."))

    private static let serviceStatus = Schema.object(
        SchemaField(
            "loadBalancer",
            .object(
                SchemaField(
                    "ingress",
                    .list(
                        .object(
                            SchemaField("ip", .string, "An address."), SchemaField("hostname", .string, "A name."),
                            SchemaField("ipMode", .string, "How the address is reached."),
                            SchemaField("ports", .list(.any), "Its ports."))),
                    "Where it is reached from outside.")), "Of a load balancer; empty here."),
        SchemaField(
            "conditions", SharedSchema.conditions, "What is known about it; Programmed counts the hosts that have taken it."))
}
