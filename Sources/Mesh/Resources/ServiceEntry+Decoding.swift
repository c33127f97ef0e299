// SPDX-License-Identifier: Apache-2.0

package import Bytes
import Documents

extension Resource {
    /// `networking.istio.io ServiceEntry`: hostnames and addresses that no cluster gave out.
    package struct ServiceEntry: Hashable, Sendable {
        package enum Resolution: String, Hashable, Sendable, CaseIterable {
            case none = "NONE"
            case `static` = "STATIC"
            case dns = "DNS"
            case dnsRoundRobin = "DNS_ROUND_ROBIN"
            case dynamicDNS = "DYNAMIC_DNS"
        }

        package struct Port: Hashable, Sendable {
            package let name: String
            package let number: UInt16
            package let targetPort: UInt16
            package let appProtocol: Mesh.Port.AppProtocol
        }

        package let metadata: Metadata
        package let hosts: [String]
        package let addresses: [IPPrefix]
        package let ports: [Port]
        package let resolution: Resolution
        package let endpoints: [EndpointSpec]
        /// Nil without a selector.
        package let selector: [String: String]?
        package let subjectAltNames: [String]
    }
}

private enum Location: String, CaseIterable {
    case external = "MESH_EXTERNAL"
    case `internal` = "MESH_INTERNAL"
}

extension Resource.ServiceEntry {
    init(_ root: Fields, _ metadata: Resource.Metadata, _ decoder: ResourceDecoder) {
        self.metadata = metadata
        decoder.checkWaypoint(root, metadata)
        let spec = root.fields("spec") ?? Fields(.object([]), path: "spec", findings: root.findings)
        hosts = Self.hosts(spec)
        addresses = spec.strings("addresses").enumerated().compactMap { index, text in
            if let prefix = IPPrefix(text) { return prefix }
            spec.report(
                "addresses[\(index)]", "\"\(text)\" is neither an IP address nor a block",
                remedy: "Write it like 240.1.2.3 or 10.0.0.0/8.")
            return nil
        }
        ports = spec.list("ports").map(Port.init)
        resolution = spec.choice("resolution", Resolution.self) ?? .none
        endpoints = spec.list("endpoints").map { fields in
            let endpoint = Resource.EndpointSpec(fields)
            fields.finish()
            return endpoint
        }
        let selector = spec.fields("workloadSelector")
        self.selector = selector?.stringMap("labels")
        selector?.finish()
        subjectAltNames = spec.strings("subjectAltNames")
        _ = spec.choice("location", Location.self)
        spec.unused("location", because: "whether an endpoint is in the mesh is known from its own entry")
        spec.unused("exportTo", severity: .warning, because: "every service is seen from every namespace")
        spec.finish()
        check(spec)
    }

    /// The hosts that a host can serve: wildcards only make sense to a proxy that reads hostnames.
    private static func hosts(_ spec: Fields) -> [String] {
        let hosts = spec.strings("hosts")
        if hosts.isEmpty {
            spec.report(
                "hosts", "`spec.hosts` is missing", remedy: "Add a list with a hostname, like db.example.org.",
                code: DocumentCode.missingField)
        }
        return hosts.enumerated().compactMap { index, host in
            if host.hasPrefix("*") {
                spec.report(
                    "hosts[\(index)]", "the wildcard host \(host) has no effect: connections show addresses, not names",
                    remedy: "List the hosts one by one.",
                    severity: .warning,
                    code: DocumentCode.unusedField)
                return nil
            }
            if !ResourceName.isHostname(host) {
                spec.report("hosts[\(index)]", "\"\(host)\" is no hostname", remedy: "Write one like db.example.org.")
            }
            return host
        }
    }

    private func check(_ spec: Fields) {
        if selector != nil, !endpoints.isEmpty {
            spec.report(
                "endpoints", "a ServiceEntry has either endpoints or a workloadSelector, not both", remedy: "Remove one of them.")
        }
        if resolution == .dynamicDNS {
            spec.report(
                "resolution", "DYNAMIC_DNS needs a proxy that reads hostnames",
                remedy: "Write `resolution: STATIC` and endpoints with addresses.", code: MeshCode.needsWaypoint)
        }
        if resolution == .none, !endpoints.isEmpty {
            spec.report("endpoints", "with resolution NONE endpoints mean nothing", remedy: "Write `resolution: STATIC`.")
        }
        if resolution == .static, let name = endpoints.first(where: { $0.ip == nil })?.address, !name.isEmpty {
            spec.report(
                "endpoints", "with resolution STATIC the address \(name) must be an IP address", remedy: "Write its address.")
        }
        if resolution == .dns || resolution == .dnsRoundRobin {
            spec.report(
                "resolution", "names are not resolved here: connections to its addresses are refused",
                remedy: "Write `resolution: STATIC` and endpoints with addresses.", severity: .warning,
                code: MeshCode.notReachable)
        }
        var seen: Set<String> = []
        for (index, endpoint) in endpoints.enumerated() where !seen.insert(endpoint.address).inserted {
            spec.report(
                "endpoints[\(index)]", "the address \(endpoint.address) is there twice", remedy: "Remove one of them.",
                code: MeshCode.sharedAddress)
        }
    }
}

extension Resource.ServiceEntry.Port {
    init(_ fields: Fields) {
        name = fields.requiredString("name")
        if !fields.has("number") {
            fields.report(
                "number", "`\(fields.path(of: "number"))` is missing", remedy: "Add it.", code: DocumentCode.missingField)
        }
        number = fields.integer("number", in: UInt16(1)...UInt16.max) ?? 0
        targetPort = fields.integer("targetPort", in: UInt16(1)...UInt16.max) ?? 0
        let word = fields.string("protocol") ?? ""
        let known = ["", "HTTP", "HTTPS", "GRPC", "HTTP2", "MONGO", "TCP", "TLS", "GRPC-WEB"]
        if !known.contains(word.uppercased()) {
            fields.report(
                "protocol",
                "\(fields.path(of: "protocol")) is \"\(word)\", not one of \(known.dropFirst().joined(separator: ", "))",
                remedy: "Write one of these, or leave the field out for TCP.")
        }
        appProtocol = .named(word)
        fields.finish()
    }
}
