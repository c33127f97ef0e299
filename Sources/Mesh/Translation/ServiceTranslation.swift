// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Services of both kinds as hosts know them, and how each finds its endpoints.
struct ServiceTranslation {
    /// A service as workloads are matched against it.
    struct Selectable: Hashable {
        let key: String
        let ports: [TargetPort]
    }

    /// Where a port of a service leads, before an endpoint has its say.
    struct TargetPort: Hashable {
        let servicePort: UInt16
        /// 0: the endpoint says.
        let targetPort: UInt16
        /// The name of the port, by which an endpoint may say otherwise.
        let name: String
        /// The name of the target, which an endpoint must know; "" if the target is no name.
        let targetName: String
    }

    private let options: MeshOptions
    private(set) var all: [Service] = []
    /// Services with a selector, by the namespace in which they select.
    private var selectable: [String: SelectorIndex<Selectable>] = [:]

    init(_ set: ResourceSet, options: MeshOptions) {
        self.options = options
        for service in set.services where service.type != .externalName { add(service) }
        for entry in set.serviceEntries { add(entry) }
        chooseCanonical(set)
    }

    private mutating func add(_ resource: Resource.Service) {
        all.append(Self.service(resource, options: options))
        guard let selectable = Self.selectable(resource, options: options) else { return }
        self.selectable[resource.metadata.namespace, default: SelectorIndex()].add(resource.selector, selectable)
    }

    private mutating func add(_ resource: Resource.ServiceEntry) {
        all += Self.services(resource, options: options)
        guard let selector = resource.selector, !selector.isEmpty else { return }
        for selectable in Self.selectables(resource) {
            self.selectable[resource.metadata.namespace, default: SelectorIndex()].add(selector, selectable)
        }
    }

    // MARK: - One resource

    static func service(_ resource: Resource.Service, options: MeshOptions) -> Service {
        var service = Service()
        service.name = resource.metadata.name
        service.namespace = resource.metadata.namespace
        service.hostname = "\(service.name).\(service.namespace).svc.\(options.clusterDomain)"
        service.addresses = resource.addresses.map { NetworkAddress(network: options.network, address: $0) }
        service.ports = resource.ports.map {
            Port(servicePort: $0.port, targetPort: $0.targetPort, appProtocol: $0.appProtocol)
        }
        service.loadBalancing = resource.loadBalancing
        service.ipFamilies = resource.ipFamilies
        return service
    }

    /// Nil if it selects nothing.
    static func selectable(_ resource: Resource.Service, options: MeshOptions) -> Selectable? {
        guard !resource.selector.isEmpty else { return nil }
        let ports = resource.ports.map {
            TargetPort(servicePort: $0.port, targetPort: $0.targetPort, name: $0.name, targetName: $0.targetName)
        }
        let (name, namespace) = (resource.metadata.name, resource.metadata.namespace)
        return Selectable(key: "\(namespace)/\(name).\(namespace).svc.\(options.clusterDomain)", ports: ports)
    }

    /// One for each of its hosts.
    static func services(_ resource: Resource.ServiceEntry, options: MeshOptions) -> [Service] {
        resource.hosts.map { host in
            var service = Service()
            service.name = resource.metadata.name
            service.namespace = resource.metadata.namespace
            service.hostname = host
            service.addresses = resource.addresses.map { prefix in
                let isWhole = prefix.length == prefix.address.bitCount
                return NetworkAddress(
                    network: options.network, address: prefix.address, length: isWhole ? nil : UInt8(clamping: prefix.length))
            }
            service.ports = resource.ports.map {
                Port(
                    servicePort: $0.number, targetPort: $0.targetPort == 0 ? $0.number : $0.targetPort,
                    appProtocol: $0.appProtocol)
            }
            service.subjectAltNames = resource.subjectAltNames
            if resource.resolution == .none { service.loadBalancing = LoadBalancing(mode: .passthrough, healthPolicy: .allowAll) }
            return service
        }
    }

    static func selectables(_ resource: Resource.ServiceEntry) -> [Selectable] {
        let ports = targetPorts(resource)
        return resource.hosts.map { Selectable(key: "\(resource.metadata.namespace)/\($0)", ports: ports) }
    }

    static func targetPorts(_ resource: Resource.ServiceEntry) -> [TargetPort] {
        resource.ports.map {
            TargetPort(
                servicePort: $0.number, targetPort: $0.targetPort == 0 ? $0.number : $0.targetPort, name: $0.name, targetName: "")
        }
    }

    /// Of several services with one hostname the canonical one is Kubernetes' own, then that of the oldest ServiceEntry.
    private mutating func chooseCanonical(_ set: ResourceSet) {
        // Kubernetes' services were added first.
        let own = set.services.count { $0.type != .externalName }
        for index in all.indices.prefix(own) { all[index].canonical = true }
        var chosen = Set(all.prefix(own).map(\.hostname))
        let places = Dictionary(all.enumerated().map { ($1.key, $0) }, uniquingKeysWith: { first, _ in first })
        for entry in set.serviceEntries.sorted(by: { $0.metadata.isOlder(than: $1.metadata) }) {
            for host in entry.hosts where chosen.insert(host).inserted {
                if let place = places["\(entry.metadata.namespace)/\(host)"] { all[place].canonical = true }
            }
        }
    }

    /// The services that select a workload of this namespace with these labels.
    func selecting(_ labels: [String: String], namespace: String) -> [Selectable] {
        selectable[namespace]?.matching(labels) ?? []
    }
}

extension ServiceTranslation.Selectable {
    /// The service as this endpoint serves it. A named target that the endpoint doesn't know is a port that it doesn't serve.
    func membership(of endpoint: Resource.EndpointSpec) -> ServiceMembership {
        ServiceMembership(
            service: key,
            ports: ports.compactMap { port in
                let own = endpoint.ports[port.targetName] ?? endpoint.ports[port.name]
                guard own != nil || port.targetName.isEmpty else { return nil }
                return Port(servicePort: port.servicePort, targetPort: own ?? port.targetPort)
            })
    }
}
