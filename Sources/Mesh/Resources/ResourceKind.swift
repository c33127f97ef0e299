// SPDX-License-Identifier: Apache-2.0

import Documents

/// A kind that is known: which group and versions it comes in, whether it belongs to a namespace, what we make of it.
struct ResourceKind {
    enum Use {
        case namespace
        case service
        case workloadEntry
        case serviceEntry
        case authorizationPolicy
        case peerAuthentication
        /// The design names it, nothing uses it yet: taken with a finding (I18).
        case none
    }

    let name: String
    let group: String
    let versions: [String]
    let isNamespaced: Bool
    let use: Use

    private init(_ name: String, _ group: String, _ versions: String..., namespaced: Bool = true, use: Use = .none) {
        self.name = name
        self.group = group
        self.versions = versions
        isNamespaced = namespaced
        self.use = use
    }

    private static let gateway = "gateway.networking.k8s.io"
    private static let networking = "networking.istio.io"
    private static let security = "security.istio.io"

    private static let all: [String: ResourceKind] = Dictionary(
        [
            ResourceKind("Namespace", "", "v1", namespaced: false, use: .namespace),
            ResourceKind("Service", "", "v1", use: .service),
            ResourceKind("ServiceAccount", "", "v1"),
            ResourceKind("WorkloadEntry", networking, "v1", "v1beta1", "v1alpha3", use: .workloadEntry),
            ResourceKind("ServiceEntry", networking, "v1", "v1beta1", "v1alpha3", use: .serviceEntry),
            ResourceKind("WorkloadGroup", networking, "v1", "v1beta1", "v1alpha3"),
            ResourceKind("DestinationRule", networking, "v1", "v1beta1", "v1alpha3"),
            ResourceKind("AuthorizationPolicy", security, "v1", "v1beta1", use: .authorizationPolicy),
            ResourceKind("PeerAuthentication", security, "v1", "v1beta1", use: .peerAuthentication),
            ResourceKind("RequestAuthentication", security, "v1", "v1beta1"),
            ResourceKind("GatewayClass", gateway, "v1", "v1beta1", namespaced: false),
            ResourceKind("Gateway", gateway, "v1", "v1beta1"),
            ResourceKind("HTTPRoute", gateway, "v1", "v1beta1"),
            ResourceKind("GRPCRoute", gateway, "v1", "v1alpha2"),
            ResourceKind("TCPRoute", gateway, "v1", "v1alpha2"),
            ResourceKind("TLSRoute", gateway, "v1", "v1alpha3", "v1alpha2"),
        ].map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })

    /// The kind, if it is known in this version; otherwise a finding says what is.
    static func named(_ kind: String, apiVersion: String, _ root: Fields) -> ResourceKind? {
        guard let known = all[kind] else {
            let near = suggestion(for: kind, among: all.keys.sorted()).map { "Did you mean `\($0)`?" }
            root.report(
                "kind", "the kind \(kind) is not known here", remedy: near ?? "Remove it: it would have no effect.",
                code: MeshCode.unknownKind)
            return nil
        }
        let allowed = known.versions.map { known.group.isEmpty ? $0 : "\(known.group)/\($0)" }
        guard allowed.contains(apiVersion) else {
            root.report(
                "apiVersion", "\(kind) is not known in apiVersion \(apiVersion)",
                remedy: "Write \(allowed.joined(separator: " or ")).",
                code: MeshCode.unknownKind)
            return nil
        }
        return known
    }
}
