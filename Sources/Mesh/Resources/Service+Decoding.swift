// SPDX-License-Identifier: Apache-2.0

package import Bytes
import Documents

extension Resource {
    /// `v1 Service`: a name and virtual addresses for the workloads that its selector finds in its own namespace.
    package struct Service: Hashable, Sendable {
        package enum ServiceType: String, Hashable, Sendable, CaseIterable {
            case clusterIP = "ClusterIP"
            case nodePort = "NodePort"
            case loadBalancer = "LoadBalancer"
            case externalName = "ExternalName"
        }

        package struct Port: Hashable, Sendable {
            package let name: String
            package let port: UInt16
            /// 0 if not given or a name.
            package let targetPort: UInt16
            /// The name under which endpoints know their port; "" if the target is a number or not given.
            package let targetName: String
            package let appProtocol: Mesh.Port.AppProtocol
        }

        package let metadata: Metadata
        package let type: ServiceType
        /// Without `None`.
        package let addresses: [IPAddress]
        package let selector: [String: String]
        package let ports: [Port]
        package let loadBalancing: LoadBalancing?
        package let ipFamilies: Mesh.Service.IPFamilies
    }
}

private enum TrafficPolicy: String, CaseIterable {
    case cluster = "Cluster"
    case local = "Local"
}

extension Resource.Service {
    init(_ root: Fields, _ metadata: Resource.Metadata, _ decoder: ResourceDecoder) {
        self.metadata = metadata
        decoder.checkWaypoint(root, metadata)
        let spec = root.fields("spec") ?? Fields(.object([]), path: "spec", findings: root.findings)
        type = spec.choice("type", ServiceType.self) ?? .clusterIP
        addresses = Self.addresses(spec)
        selector = spec.stringMap("selector")
        ports = spec.list("ports").map(Port.init)
        loadBalancing = Self.balancing(spec, metadata)
        ipFamilies = Self.families(spec)
        if type == .externalName { _ = spec.requiredString("externalName") } else { _ = spec.string("externalName") }
        spec.unused(
            "externalIPs", "externalTrafficPolicy", "healthCheckNodePort", "loadBalancerIP", "loadBalancerSourceRanges",
            "loadBalancerClass", "allocateLoadBalancerNodePorts", because: "only traffic inside the mesh is balanced here")
        // What an API server writes where nobody asked for it.
        if spec.string("sessionAffinity") == "None" {
            spec.accept("sessionAffinityConfig")
        } else {
            spec.unused(
                "sessionAffinity", "sessionAffinityConfig", severity: .warning, because: "each connection is balanced by itself")
        }
        spec.finish()
        Self.checkPorts(ports, spec)
    }

    private static func addresses(_ spec: Fields) -> [IPAddress] {
        let single = spec.string("clusterIP")
        let several = spec.strings("clusterIPs")
        let texts = several.isEmpty ? [single].compactMap { $0 } : several
        if let single, let first = several.first, single != first {
            spec.report(
                "clusterIP", "spec.clusterIP is \(single), but the first of spec.clusterIPs is \(first)",
                remedy: "Make them the same, or leave one of them out.")
        }
        return texts.enumerated().compactMap { index, text in
            guard !text.isEmpty, text != "None" else { return nil }
            if let address = IPAddress(text) { return address }
            spec.report(
                several.isEmpty ? "clusterIP" : "clusterIPs[\(index)]", "\"\(text)\" is not an IP address",
                remedy: "Write an address, or None for a service without one.")
            return nil
        }
    }

    private static func families(_ spec: Fields) -> Service.IPFamilies {
        let families = spec.strings("ipFamilies")
        _ = spec.string("ipFamilyPolicy")
        for (index, family) in families.enumerated() where family != "IPv4" && family != "IPv6" {
            spec.report("ipFamilies[\(index)]", "\"\(family)\" is not one of IPv4, IPv6", remedy: "Write IPv4 or IPv6.")
        }
        switch (families.contains("IPv4"), families.contains("IPv6")) {
        case (true, true): return .dual
        case (true, false): return .v4Only
        case (false, true): return .v6Only
        case (false, false): return .automatic
        }
    }

    /// Which endpoints are preferred: a local traffic policy before the field before the annotation, as Istio reads them.
    private static func balancing(_ spec: Fields, _ metadata: Resource.Metadata) -> LoadBalancing? {
        let policy = spec.choice("internalTrafficPolicy", TrafficPolicy.self)
        let wish = spec.string("trafficDistribution") ?? metadata.annotations[WellKnown.trafficDistribution]
        var balancing: LoadBalancing?
        switch wish?.lowercased() {
        case "preferclose", "prefersamezone":
            balancing = LoadBalancing(routingPreference: [.network, .region, .zone], mode: .failover)
        case "prefersamenode":
            balancing = LoadBalancing(routingPreference: [.network, .region, .zone, .subzone, .node], mode: .failover)
        case nil, "any", "prefersamenetwork": break
        case .some(let other):
            spec.report(
                "trafficDistribution", "the traffic distribution \(other) is not known and has no effect",
                remedy: "Known: PreferClose, PreferSameZone, PreferSameNode.", severity: .warning)
        }
        if policy == .local { balancing = LoadBalancing(routingPreference: [.node], mode: .strict) }
        if spec.bool("publishNotReadyAddresses") == true {
            balancing = balancing ?? LoadBalancing()
            balancing?.healthPolicy = .allowAll
        }
        return balancing
    }

    private static func checkPorts(_ ports: [Port], _ spec: Fields) {
        var seen: Set<UInt16> = []
        for (index, port) in ports.enumerated() where !seen.insert(port.port).inserted && port.port != 0 {
            spec.report(
                "ports[\(index)]", "the port \(port.port) is there twice", remedy: "Remove one of them.", severity: .warning)
        }
    }
}

extension Resource.Service.Port {
    init(_ fields: Fields) {
        name = fields.string("name") ?? ""
        if !fields.has("port") {
            fields.report("port", "`\(fields.path(of: "port"))` is missing", remedy: "Add it.", code: DocumentCode.missingField)
        }
        let number = fields.integer("port", in: UInt16(1)...UInt16.max) ?? 0
        port = number
        (targetPort, targetName) = Self.target(fields)
        let transport = fields.string("protocol") ?? "TCP"
        if !["TCP", "UDP", "SCTP"].contains(transport) {
            fields.report(
                "protocol", "\(fields.path(of: "protocol")) is \"\(transport)\", not one of TCP, UDP, SCTP",
                remedy: "Write TCP, or leave the field out.")
        } else if transport != "TCP" {
            fields.report(
                "protocol", "port \(number) is \(transport): only TCP is carried",
                remedy: "Nothing need be done: the port is passed over.", severity: .info, code: DocumentCode.unusedField
            )
        }
        let application = fields.string("appProtocol")
        appProtocol = transport == "UDP" ? .unknown : .named(application ?? name, port: number)
        fields.unused("nodePort", because: "nothing listens on the hosts' own ports")
        fields.finish()
    }

    /// A number, or the name of a port that each endpoint maps itself.
    private static func target(_ fields: Fields) -> (UInt16, String) {
        guard let value = fields.value("targetPort") else { return (0, "") }
        if let name = value.stringValue {
            if name.isEmpty {
                fields.report(
                    "targetPort", "\(fields.path(of: "targetPort")) is empty",
                    remedy: "Write a port number or the name of a port, or leave the field out.")
            }
            return (0, name)
        }
        return (fields.integer("targetPort", in: UInt16(1)...UInt16.max) ?? 0, "")
    }
}

extension Port.AppProtocol {
    /// Ports whose applications speak first, so that Istio takes them for TCP unless told otherwise: SMTP, DNS, MySQL, MongoDB.
    private static let serverFirstPorts: Set<UInt16> = [25, 53, 3306, 27017]

    /// The protocol that a port's name or `appProtocol` stands for: Istio's words, what follows a hyphen doesn't count.
    static func named(_ text: String, port: UInt16 = 0) -> Self {
        switch text {
        case "kubernetes.io/h2c": return .http2
        case "kubernetes.io/ws": return .http11
        default: break
        }
        let word = text.lowercased()
        // gRPC-Web is HTTP/1.1 on the wire, and a protocol of its own for Istio.
        if word.hasPrefix("grpc-web") { return .unknown }
        switch word.prefix(while: { $0 != "-" }) {
        case "http": return .http11
        case "http2": return .http2
        case "grpc": return .grpc
        case "tcp": return .tcp
        case "tls", "https": return .tls
        case "mongo", "mysql", "redis", "udp": return .unknown
        default: return serverFirstPorts.contains(port) ? .tcp : .unknown
        }
    }
}
