// SPDX-License-Identifier: Apache-2.0

/// The small messages of `istio.workload`.
extension WorkloadAPI {
    package struct Port: Message {
        package var servicePort: UInt32 = 0
        package var targetPort: UInt32 = 0
        package var appProtocol: Int32 = 0
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .uint32(1, "service_port", \.servicePort),
            .uint32(2, "target_port", \.targetPort),
            .enumeration(3, "app_protocol", \.appProtocol, ["UNKNOWN", "HTTP11", "HTTP2", "GRPC", "TCP", "TLS"]),
        ]
    }

    package struct PortList: Message {
        package var ports: [Port] = []
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [.messages(1, "ports", \.ports)]
    }

    package struct NetworkAddress: Message {
        package var network = ""
        package var address: [UInt8] = []
        package var length: UInt32?
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .string(1, "network", \.network),
            .bytes(2, "address", \.address),
            .optionalUInt32(3, "length", \.length),
        ]
    }

    package struct NamespacedHostname: Message {
        package var namespace = ""
        package var hostname = ""
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .string(1, "namespace", \.namespace),
            .string(2, "hostname", \.hostname),
        ]
    }

    /// Either a hostname or an address.
    package struct GatewayAddress: Message {
        package var hostname: NamespacedHostname?
        package var address: NetworkAddress?
        package var hboneMTLSPort: UInt32 = 0
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .message(1, "hostname", \.hostname) { $0.address = nil },
            .message(2, "address", \.address) { $0.hostname = nil },
            .uint32(3, "hbone_mtls_port", \.hboneMTLSPort),
        ]
    }

    package struct WeightedWaypoint: Message {
        package var destination: GatewayAddress?
        package var weight: UInt32 = 0
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .message(1, "destination", \.destination),
            .uint32(2, "weight", \.weight),
        ]
    }

    package struct LoadBalancing: Message {
        package var routingPreference: [Int32] = []
        package var mode: Int32 = 0
        package var healthPolicy: Int32 = 0
        package var unknownFields: [UInt8] = []

        package init() {}

        private static let scopes = ["UNSPECIFIED_SCOPE", "REGION", "ZONE", "SUBZONE", "NODE", "CLUSTER", "NETWORK"]

        package static let fields: [MessageField<Self>] = [
            .enumerations(1, "routing_preference", \.routingPreference, scopes),
            .enumeration(2, "mode", \.mode, ["UNSPECIFIED_MODE", "STRICT", "FAILOVER", "PASSTHROUGH"]),
            .enumeration(3, "health_policy", \.healthPolicy, ["ONLY_HEALTHY", "ALLOW_ALL"]),
        ]
    }

    package struct Locality: Message {
        package var region = ""
        package var zone = ""
        package var subzone = ""
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .string(1, "region", \.region),
            .string(2, "zone", \.zone),
            .string(3, "subzone", \.subzone),
        ]
    }

    package struct ApplicationTunnel: Message {
        package var header: Int32 = 0
        package var port: UInt32 = 0
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .enumeration(1, "protocol", \.header, ["NONE", "PROXY"]),
            .uint32(2, "port", \.port),
        ]
    }

    package struct Extension: Message {
        package var name = ""
        package var config: AnyMessage?
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .string(1, "name", \.name),
            .message(2, "config", \.config),
        ]
    }
}

/// `google.protobuf.Any`: a message of a type that is named beside it. Its JSON here is the two fields, since not every type is known.
package struct AnyMessage: Message {
    package var typeURL = ""
    package var value: [UInt8] = []
    package var unknownFields: [UInt8] = []

    package init() {}

    package static let fields: [MessageField<Self>] = [
        .string(1, "type_url", \.typeURL),
        .bytes(2, "value", \.value),
    ]
}
