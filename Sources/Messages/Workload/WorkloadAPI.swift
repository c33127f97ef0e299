// SPDX-License-Identifier: Apache-2.0

/// Package `istio.workload`: what hosts are told of workloads and services.
package enum WorkloadAPI {
    /// The name under which it is subscribed to.
    package static let addressTypeURL = "type.googleapis.com/istio.workload.Address"

    /// One of the two.
    package struct Address: Message {
        package var workload: Workload?
        package var service: Service?
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .message(1, "workload", \.workload) { $0.service = nil },
            .message(2, "service", \.service) { $0.workload = nil },
        ]
    }

    package struct Workload: Message {
        package var uid = ""
        package var name = ""
        package var namespace = ""
        /// Each 4 or 16 bytes.
        package var addresses: [[UInt8]] = []
        package var hostname = ""
        package var network = ""
        package var tunnelProtocol: Int32 = 0
        package var trustDomain = ""
        package var serviceAccount = ""
        package var waypoint: GatewayAddress?
        package var node = ""
        package var canonicalName = ""
        package var canonicalRevision = ""
        package var workloadType: Int32 = 0
        package var workloadName = ""
        package var nativeTunnel = false
        package var authorizationPolicies: [String] = []
        package var status: Int32 = 0
        package var clusterID = ""
        package var networkGateway: GatewayAddress?
        package var services: [String: PortList] = [:]
        package var applicationTunnel: ApplicationTunnel?
        package var locality: Locality?
        package var networkMode: Int32 = 0
        package var extensions: [Extension] = []
        package var capacity: UInt32?
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .string(1, "name", \.name),
            .string(2, "namespace", \.namespace),
            .byteStrings(3, "addresses", \.addresses),
            .string(4, "network", \.network),
            .enumeration(5, "tunnel_protocol", \.tunnelProtocol, ["NONE", "HBONE", "LEGACY_ISTIO_MTLS"]),
            .string(6, "trust_domain", \.trustDomain),
            .string(7, "service_account", \.serviceAccount),
            .message(8, "waypoint", \.waypoint),
            .string(9, "node", \.node),
            .string(10, "canonical_name", \.canonicalName),
            .string(11, "canonical_revision", \.canonicalRevision),
            .enumeration(12, "workload_type", \.workloadType, ["DEPLOYMENT", "CRONJOB", "POD", "JOB"]),
            .string(13, "workload_name", \.workloadName),
            .bool(14, "native_tunnel", \.nativeTunnel),
            .strings(16, "authorization_policies", \.authorizationPolicies),
            .enumeration(17, "status", \.status, ["HEALTHY", "UNHEALTHY"]),
            .string(18, "cluster_id", \.clusterID),
            .message(19, "network_gateway", \.networkGateway),
            .string(20, "uid", \.uid),
            .string(21, "hostname", \.hostname),
            .map(22, "services", \.services),
            .message(23, "application_tunnel", \.applicationTunnel),
            .message(24, "locality", \.locality),
            .enumeration(25, "network_mode", \.networkMode, ["STANDARD", "HOST_NETWORK"]),
            .messages(26, "extensions", \.extensions),
            .wrappedUInt32(27, "capacity", \.capacity),
        ]
    }

    package struct Service: Message {
        package var name = ""
        package var namespace = ""
        package var hostname = ""
        package var addresses: [NetworkAddress] = []
        package var ports: [Port] = []
        package var subjectAltNames: [String] = []
        package var waypoint: GatewayAddress?
        package var loadBalancing: LoadBalancing?
        package var ipFamilies: Int32 = 0
        package var extensions: [Extension] = []
        package var canonical = false
        package var ingressUseWaypoint = false
        package var weightedWaypoints: [WeightedWaypoint] = []
        package var visibility: Int32 = 0
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .string(1, "name", \.name),
            .string(2, "namespace", \.namespace),
            .string(3, "hostname", \.hostname),
            .messages(4, "addresses", \.addresses),
            .messages(5, "ports", \.ports),
            .strings(6, "subject_alt_names", \.subjectAltNames),
            .message(7, "waypoint", \.waypoint),
            .message(8, "load_balancing", \.loadBalancing),
            .enumeration(9, "ip_families", \.ipFamilies, ["AUTOMATIC", "IPV4_ONLY", "IPV6_ONLY", "DUAL"]),
            .messages(10, "extensions", \.extensions),
            .bool(11, "canonical", \.canonical),
            .bool(12, "ingress_use_waypoint", \.ingressUseWaypoint),
            .messages(13, "weighted_waypoints", \.weightedWaypoints),
            .enumeration(14, "visibility", \.visibility, ["PUBLIC", "NAMESPACE"]),
        ]
    }
}
