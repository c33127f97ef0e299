// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Workloads from WorkloadEntries and from the endpoints of ServiceEntries.
struct WorkloadTranslation {
    private let set: ResourceSet
    private let options: MeshOptions
    private let services: ServiceTranslation
    private let peers: PeerAuthenticationTranslation
    private let policies: PolicyTranslation
    private let enrolment: Enrolment
    private let nonTCP: [String: LocalWorkload.NonTCP]
    private(set) var workloads: [Workload] = []
    private(set) var local: [LocalWorkload] = []

    init(
        _ set: ResourceSet, options: MeshOptions, services: ServiceTranslation, peers: PeerAuthenticationTranslation,
        policies: PolicyTranslation
    ) {
        self.set = set
        self.options = options
        self.services = services
        self.peers = peers
        self.policies = policies
        enrolment = Enrolment(set)
        nonTCP = Dictionary(
            set.namespaces.compactMap { namespace in namespace.nonTCP.map { (namespace.metadata.name, $0) } },
            uniquingKeysWith: { first, _ in first })
    }

    mutating func run() {
        for entry in set.workloadEntries { add(entry) }
        for entry in set.serviceEntries { add(entry) }
    }

    private mutating func add(_ entry: Resource.WorkloadEntry) {
        let (labels, namespace) = (entry.labels, entry.metadata.namespace)
        let isCaptured = enrolment.isCaptured(entry)
        let workload = Self.workload(
            entry, options: options, services: services.selecting(labels, namespace: namespace),
            policies: policies.selecting(labels, namespace: namespace) + peers.applying(to: labels, namespace: namespace),
            isCaptured: isCaptured)
        workloads.append(workload)
        if let own = Self.local(entry, uid: workload.uid, isCaptured: isCaptured, nonTCP: nonTCP[namespace]) { local.append(own) }
    }

    private mutating func add(_ entry: Resource.ServiceEntry) {
        let named = policies.selecting(entry.metadata.labels, namespace: entry.metadata.namespace)
        workloads += Self.workloads(entry, options: options, policies: named, peers: peers)
    }

    // MARK: - One resource

    /// - Parameters:
    ///   - services: those that select it.
    ///   - policies: the names of those that select it, in their order.
    static func workload(
        _ entry: Resource.WorkloadEntry, options: MeshOptions, services: [ServiceTranslation.Selectable], policies: [String],
        isCaptured: Bool
    ) -> Workload {
        let (metadata, labels) = (entry.metadata, entry.labels)
        var draft = common(metadata, entry.endpoint, options)
        draft.own.uid = uid(entry: metadata.name, namespace: metadata.namespace, options)
        draft.own.addresses = entry.addresses
        if entry.addresses.isEmpty { draft.common.hostname = entry.endpoint.address }
        draft.common.network = entry.network(options)
        draft.own.node = entry.node ?? ""
        draft.own.workloadName =
            metadata.annotations[WellKnown.autoRegistrationGroup] ?? labels[WellKnown.workloadName] ?? metadata.name
        draft.name(by: labels)
        draft.setTunnel(labels: labels, annotations: metadata.annotations)
        if isCaptured {
            draft.own.tunnelProtocol = .hbone
            draft.own.nativeTunnel = false
        }
        draft.common.services = memberships(services, of: entry.endpoint)
        draft.common.authorizationPolicies = policies
        return draft.workload
    }

    /// Nil if it runs on no host of the mesh.
    /// - Parameter uid: as the workload has it: the two share its text.
    static func local(
        _ entry: Resource.WorkloadEntry, uid: String, isCaptured: Bool, nonTCP: LocalWorkload.NonTCP?
    ) -> LocalWorkload? {
        entry.node.map { node in
            LocalWorkload(
                uid: uid, node: node, networkNamespace: entry.networkNamespace, captured: isCaptured, nonTCP: nonTCP)
        }
    }

    /// What stands behind a ServiceEntry: its endpoints.
    static func workloads(
        _ entry: Resource.ServiceEntry, options: MeshOptions, policies named: [String], peers: PeerAuthenticationTranslation
    ) -> [Workload] {
        let services = ServiceTranslation.selectables(entry)
        let translated = { (endpoint: Resource.EndpointSpec, services: [ServiceTranslation.Selectable]) in
            let strict = peers.applying(to: endpoint.labels, namespace: entry.metadata.namespace)
            return workload(endpoint, of: entry, options: options, services: services, policies: named + strict)
        }
        if !entry.endpoints.isEmpty { return entry.endpoints.map { translated($0, services) } }
        // Without endpoints the names themselves are what stands behind the service.
        guard entry.selector == nil, entry.resolution == .dns || entry.resolution == .dnsRoundRobin else { return [] }
        return zip(entry.hosts, services).map { translated(Resource.EndpointSpec(hostname: $0), [$1]) }
    }

    private static func workload(
        _ endpoint: Resource.EndpointSpec, of entry: Resource.ServiceEntry, options: MeshOptions,
        services: [ServiceTranslation.Selectable], policies: [String]
    ) -> Workload {
        let (metadata, labels) = (entry.metadata, entry.metadata.labels)
        var draft = common(metadata, endpoint, options)
        draft.own.uid = uid("ServiceEntry", metadata.namespace, "\(metadata.name)/\(endpoint.address)", options)
        if let ip = endpoint.ip { draft.own.addresses = [ip] } else { draft.common.hostname = endpoint.address }
        draft.common.network = endpoint.network(labels: endpoint.labels, options)
        draft.own.workloadName = metadata.name
        // Istio names, tunnels and selects these by the labels of the ServiceEntry; only PeerAuthentication looks at the endpoint's.
        draft.name(by: labels)
        draft.setTunnel(labels: labels, annotations: metadata.annotations)
        draft.common.services = memberships(services, of: endpoint)
        draft.common.authorizationPolicies = policies
        return draft.workload
    }

    private static func memberships(
        _ services: [ServiceTranslation.Selectable], of endpoint: Resource.EndpointSpec
    ) -> [ServiceMembership] {
        services.map { $0.membership(of: endpoint) }.sorted { $0.service < $1.service }
    }

    private static func common(
        _ metadata: Resource.Metadata, _ endpoint: Resource.EndpointSpec, _ options: MeshOptions
    ) -> WorkloadDraft {
        var draft = WorkloadDraft()
        draft.own.name = metadata.name
        draft.common.namespace = metadata.namespace
        draft.common.trustDomain = options.trustDomain == MeshOptions().trustDomain ? "" : options.trustDomain
        draft.common.serviceAccount = endpoint.serviceAccount
        draft.common.clusterID = options.clusterName
        draft.common.locality = endpoint.locality
        draft.own.capacity = endpoint.weight > 0 ? endpoint.weight : nil
        draft.common.kind = .pod
        return draft
    }

    static func uid(entry name: String, namespace: String, _ options: MeshOptions) -> String {
        uid("WorkloadEntry", namespace, name, options)
    }

    private static func uid(_ kind: String, _ namespace: String, _ name: String, _ options: MeshOptions) -> String {
        "\(options.clusterName)/networking.istio.io/\(kind)/\(namespace)/\(name)"
    }
}

/// A workload that is being made.
private struct WorkloadDraft {
    var own = WorkloadFields()
    var common = WorkloadCommon()

    var workload: Workload {
        var fields = own
        fields.common = Shared(common)
        return Workload(fields)
    }

    /// What metrics call the application, from the labels that the field has agreed on.
    mutating func name(by labels: [String: String]) {
        common.canonicalName = WellKnown.canonicalNames.lazy.compactMap { labels[$0] }.first ?? own.workloadName
        common.canonicalRevision = WellKnown.canonicalRevisions.lazy.compactMap { labels[$0] }.first ?? "latest"
    }

    mutating func setTunnel(labels: [String: String], annotations: [String: String]) {
        if annotations[WellKnown.redirection] == "enabled" { own.tunnelProtocol = .hbone }
        if labels[WellKnown.tunnel] == "http" {
            own.tunnelProtocol = .hbone
            own.nativeTunnel = true
        }
    }
}

extension Resource.EndpointSpec {
    fileprivate init(hostname: String) {
        address = hostname
        (ports, labels, network, locality, weight, serviceAccount) = ([:], [:], "", nil, 0, "")
    }
}
