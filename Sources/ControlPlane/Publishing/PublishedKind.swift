// SPDX-License-Identifier: Apache-2.0

internal import Discovery
internal import Mesh
internal import Store

/// Which resources of the store mean something to hosts, and by which names hosts are told of them.
enum PublishedKind {
    /// What a host reported captured: our own, one object per host, in no API.
    static let captures = "_captures"
    /// Hosts that were evicted, by what their certificates carry: our own, in no API.
    static let evictions = "_evictions"

    private static let kinds: [String: TranslatedName.Kind] = [
        "namespaces": .namespace, "services": .service, "workloadentries.networking.istio.io": .workloadEntry,
        "serviceentries.networking.istio.io": .serviceEntry, "authorizationpolicies.security.istio.io": .authorizationPolicy,
        "peerauthentications.security.istio.io": .peerAuthentication,
    ]

    /// In the order in which they are read at the beginning: a workload last, since all others decide what is told of it.
    static let resources = [
        captures, evictions, "namespaces", "services", "serviceentries.networking.istio.io",
        "authorizationpolicies.security.istio.io",
        "peerauthentications.security.istio.io", "workloadentries.networking.istio.io",
    ]

    /// Nil for what means nothing to hosts.
    static func name(of key: StoreKey) -> TranslatedName? {
        kinds[key.resource].map { TranslatedName($0, namespace: key.namespace, key.name) }
    }

    /// Whether its objects say how far hosts have come with them. What a namespace says is seen in its workloads.
    static func hasCondition(_ resource: String) -> Bool { kinds[resource].map { $0 != .namespace } ?? false }

    static func isPublished(_ key: StoreKey) -> Bool {
        kinds[key.resource] != nil || key.resource == captures || key.resource == evictions
    }

    /// Under which name hosts are told of an object; nil if it is part of others, as a namespace is.
    static func published(_ key: StoreKey, options: MeshOptions) -> (ResourceType, String)? {
        switch kinds[key.resource] {
        case .workloadEntry:
            (.address, "\(options.clusterName)/networking.istio.io/WorkloadEntry/\(key.namespace)/\(key.name)")
        case .service: (.address, "\(key.namespace)/\(key.name).\(key.namespace).svc.\(options.clusterDomain)")
        case .authorizationPolicy: (.authorization, "\(key.namespace)/\(key.name)")
        case .namespace, .serviceEntry, .peerAuthentication, nil: nil
        }
    }
}
