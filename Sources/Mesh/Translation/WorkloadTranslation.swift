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
        workloads.append(
            Self.workload(
                entry, options: options, services: services.selecting(labels, namespace: namespace),
                policies: policies.selecting(labels, namespace: namespace) + peers.applying(to: labels, namespace: namespace),
                isCaptured: isCaptured))
        if let own = Self.local(entry, options: options, isCaptured: isCaptured, nonTCP: nonTCP[namespace]) { local.append(own) }
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
        var workload = common(metadata, entry.endpoint, options)
        workload.uid = uid(entry: metadata.name, namespace: metadata.namespace, options)
        workload.addresses = entry.addresses
        if entry.addresses.isEmpty { workload.hostname = entry.endpoint.address }
        workload.network = entry.network(options)
        workload.node = entry.node ?? ""
        workload.workloadName =
            metadata.annotations[WellKnown.autoRegistrationGroup] ?? labels[WellKnown.workloadName] ?? metadata.name
        workload.name(by: labels)
        workload.setTunnel(labels: labels, annotations: metadata.annotations)
        if isCaptured {
            workload.tunnelProtocol = .hbone
            workload.nativeTunnel = false
        }
        workload.services = memberships(services, of: entry.endpoint)
        workload.authorizationPolicies = policies
        return workload
    }

    /// Nil if it runs on no host of the mesh.
    static func local(
        _ entry: Resource.WorkloadEntry, options: MeshOptions, isCaptured: Bool, nonTCP: LocalWorkload.NonTCP?
    ) -> LocalWorkload? {
        entry.node.map { node in
            LocalWorkload(
                uid: uid(entry: entry.metadata.name, namespace: entry.metadata.namespace, options), node: node,
                networkNamespace: entry.networkNamespace, captured: isCaptured, nonTCP: nonTCP)
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
        var workload = common(metadata, endpoint, options)
        workload.uid = uid("ServiceEntry", metadata.namespace, "\(metadata.name)/\(endpoint.address)", options)
        if let ip = endpoint.ip { workload.addresses = [ip] } else { workload.hostname = endpoint.address }
        workload.network = endpoint.network(labels: endpoint.labels, options)
        workload.workloadName = metadata.name
        // Istio names, tunnels and selects these by the labels of the ServiceEntry; only PeerAuthentication looks at the endpoint's.
        workload.name(by: labels)
        workload.setTunnel(labels: labels, annotations: metadata.annotations)
        workload.services = memberships(services, of: endpoint)
        workload.authorizationPolicies = policies
        return workload
    }

    private static func memberships(
        _ services: [ServiceTranslation.Selectable], of endpoint: Resource.EndpointSpec
    ) -> [ServiceMembership] {
        services.map { $0.membership(of: endpoint) }.sorted { $0.service < $1.service }
    }

    private static func common(
        _ metadata: Resource.Metadata, _ endpoint: Resource.EndpointSpec, _ options: MeshOptions
    ) -> Workload {
        var workload = Workload()
        workload.name = metadata.name
        workload.namespace = metadata.namespace
        workload.trustDomain = options.trustDomain == MeshOptions().trustDomain ? "" : options.trustDomain
        workload.serviceAccount = endpoint.serviceAccount
        workload.clusterID = options.clusterName
        workload.locality = endpoint.locality
        workload.capacity = endpoint.weight > 0 ? endpoint.weight : nil
        workload.kind = .pod
        return workload
    }

    static func uid(entry name: String, namespace: String, _ options: MeshOptions) -> String {
        uid("WorkloadEntry", namespace, name, options)
    }

    private static func uid(_ kind: String, _ namespace: String, _ name: String, _ options: MeshOptions) -> String {
        "\(options.clusterName)/networking.istio.io/\(kind)/\(namespace)/\(name)"
    }
}

extension Workload {
    /// What metrics call the application, from the labels that the field has agreed on.
    fileprivate mutating func name(by labels: [String: String]) {
        canonicalName = WellKnown.canonicalNames.lazy.compactMap { labels[$0] }.first ?? workloadName
        canonicalRevision = WellKnown.canonicalRevisions.lazy.compactMap { labels[$0] }.first ?? "latest"
    }

    fileprivate mutating func setTunnel(labels: [String: String], annotations: [String: String]) {
        if annotations[WellKnown.redirection] == "enabled" { tunnelProtocol = .hbone }
        if labels[WellKnown.tunnel] == "http" {
            tunnelProtocol = .hbone
            nativeTunnel = true
        }
    }
}

extension Resource.EndpointSpec {
    fileprivate init(hostname: String) {
        address = hostname
        (ports, labels, network, locality, weight, serviceAccount) = ([:], [:], "", nil, 0, "")
    }
}
