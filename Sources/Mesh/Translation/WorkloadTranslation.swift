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
        let (metadata, labels) = (entry.metadata, entry.labels)
        var workload = common(metadata, entry.endpoint)
        workload.uid = uid("WorkloadEntry", metadata, metadata.name)
        workload.addresses = entry.addresses
        if entry.addresses.isEmpty { workload.hostname = entry.endpoint.address }
        workload.network = entry.network(options)
        workload.node = entry.node ?? ""
        workload.workloadName =
            metadata.annotations[WellKnown.autoRegistrationGroup] ?? labels[WellKnown.workloadName] ?? metadata.name
        workload.name(by: labels)
        workload.setTunnel(labels: labels, annotations: metadata.annotations)
        let isCaptured = enrolment.isCaptured(entry)
        if isCaptured {
            workload.tunnelProtocol = .hbone
            workload.nativeTunnel = false
        }
        workload.services = services.selecting(labels, namespace: metadata.namespace).map { $0.membership(of: entry.endpoint) }
        workload.authorizationPolicies =
            policies.selecting(labels, namespace: metadata.namespace) + peers.applying(to: labels, namespace: metadata.namespace)
        append(workload)
        guard let node = entry.node else { return }
        local.append(
            LocalWorkload(
                uid: workload.uid, node: node, networkNamespace: entry.networkNamespace, captured: isCaptured,
                nonTCP: nonTCP[metadata.namespace]))
    }

    private mutating func add(_ entry: Resource.ServiceEntry) {
        let metadata = entry.metadata
        let ports = ServiceTranslation.targetPorts(entry)
        let all = entry.hosts.map { ServiceTranslation.Selectable(key: "\(metadata.namespace)/\($0)", ports: ports) }
        for endpoint in entry.endpoints { add(endpoint, of: entry, services: all) }
        // Without endpoints the names themselves are what stands behind the service.
        guard entry.endpoints.isEmpty, entry.selector == nil, entry.resolution == .dns || entry.resolution == .dnsRoundRobin
        else { return }
        for (host, service) in zip(entry.hosts, all) {
            add(Resource.EndpointSpec(hostname: host), of: entry, services: [service])
        }
    }

    private mutating func add(
        _ endpoint: Resource.EndpointSpec, of entry: Resource.ServiceEntry, services: [ServiceTranslation.Selectable]
    ) {
        let (metadata, labels) = (entry.metadata, entry.metadata.labels)
        var workload = common(metadata, endpoint)
        workload.uid = uid("ServiceEntry", metadata, "\(metadata.name)/\(endpoint.address)")
        if let ip = endpoint.ip { workload.addresses = [ip] } else { workload.hostname = endpoint.address }
        workload.network = endpoint.network(labels: endpoint.labels, options)
        workload.workloadName = metadata.name
        // Istio names, tunnels and selects these by the labels of the ServiceEntry; only PeerAuthentication looks at the endpoint's.
        workload.name(by: labels)
        workload.setTunnel(labels: labels, annotations: metadata.annotations)
        workload.services = services.map { $0.membership(of: endpoint) }
        workload.authorizationPolicies =
            policies.selecting(labels, namespace: metadata.namespace)
            + peers.applying(to: endpoint.labels, namespace: metadata.namespace)
        append(workload)
    }

    private func common(_ metadata: Resource.Metadata, _ endpoint: Resource.EndpointSpec) -> Workload {
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

    private mutating func append(_ workload: Workload) {
        var workload = workload
        workload.services.sort { $0.service < $1.service }
        workloads.append(workload)
    }

    private func uid(_ kind: String, _ metadata: Resource.Metadata, _ name: String) -> String {
        "\(options.clusterName)/networking.istio.io/\(kind)/\(metadata.namespace)/\(name)"
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
