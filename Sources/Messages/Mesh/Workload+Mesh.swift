// SPDX-License-Identifier: Apache-2.0

import Bytes
package import Mesh

extension WorkloadAPI.Workload {
    package init(_ workload: Workload) {
        self.init()
        uid = workload.uid
        name = workload.name
        namespace = workload.namespace
        addresses = workload.addresses.map(\.bytes)
        hostname = workload.hostname
        network = workload.network
        tunnelProtocol = workload.tunnelProtocol.rawValue
        trustDomain = workload.trustDomain
        serviceAccount = workload.serviceAccount
        waypoint = workload.waypoint.map(WorkloadAPI.GatewayAddress.init)
        node = workload.node
        canonicalName = workload.canonicalName
        canonicalRevision = workload.canonicalRevision
        workloadType = workload.kind.rawValue
        workloadName = workload.workloadName
        nativeTunnel = workload.nativeTunnel
        authorizationPolicies = workload.authorizationPolicies
        status = workload.status.rawValue
        clusterID = workload.clusterID
        networkGateway = workload.networkGateway.map(WorkloadAPI.GatewayAddress.init)
        services = Dictionary(
            workload.services.map { membership in
                var list = WorkloadAPI.PortList()
                list.ports = membership.ports.map(WorkloadAPI.Port.init)
                return (membership.service, list)
            }, uniquingKeysWith: { first, _ in first })
        applicationTunnel = workload.applicationTunnel.map(WorkloadAPI.ApplicationTunnel.init)
        locality = workload.locality.map(WorkloadAPI.Locality.init)
        networkMode = workload.networkMode.rawValue
        capacity = workload.capacity
    }

    /// The workload as the mesh model has it. Fields that aren't declared here don't matter; values that mean nothing do.
    package func model() throws(ConversionFailure) -> Workload {
        guard !uid.isEmpty else { throw ConversionFailure("uid", "a workload without a uid") }
        var workload = Workload()
        workload.uid = uid
        workload.name = name
        workload.namespace = namespace
        workload.addresses = try Convert.map(addresses) { (bytes) throws(ConversionFailure) in
            try Convert.address(bytes, "addresses")
        }
        workload.hostname = hostname
        workload.network = network
        workload.tunnelProtocol = try Convert.choice(tunnelProtocol, "tunnel_protocol")
        workload.trustDomain = trustDomain
        workload.serviceAccount = serviceAccount
        workload.waypoint = try Self.gateway(waypoint)
        workload.node = node
        workload.canonicalName = canonicalName
        workload.canonicalRevision = canonicalRevision
        workload.kind = Workload.Kind(rawValue: workloadType) ?? .pod
        workload.workloadName = workloadName
        workload.nativeTunnel = nativeTunnel
        workload.authorizationPolicies = authorizationPolicies
        workload.status = try Convert.choice(status, "status")
        workload.clusterID = clusterID
        workload.networkGateway = try Self.gateway(networkGateway)
        workload.services = try Convert.map(services.sorted { $0.key < $1.key }) { (entry) throws(ConversionFailure) in
            ServiceMembership(
                service: entry.key,
                ports: try Convert.map(entry.value.ports) { (port) throws(ConversionFailure) in try port.model() })
        }
        workload.applicationTunnel = try applicationTunnel?.model()
        workload.locality = locality?.model()
        workload.networkMode = try Convert.choice(networkMode, "network_mode")
        workload.capacity = capacity
        return workload
    }

    private static func gateway(_ message: WorkloadAPI.GatewayAddress?) throws(ConversionFailure) -> GatewayAddress? {
        guard let message else { return nil }
        return try message.model()
    }
}

extension WorkloadAPI.Service {
    package init(_ service: Service) {
        self.init()
        name = service.name
        namespace = service.namespace
        hostname = service.hostname
        addresses = service.addresses.map(WorkloadAPI.NetworkAddress.init)
        ports = service.ports.map(WorkloadAPI.Port.init)
        subjectAltNames = service.subjectAltNames
        waypoint = service.waypoint.map(WorkloadAPI.GatewayAddress.init)
        loadBalancing = service.loadBalancing.map(WorkloadAPI.LoadBalancing.init)
        ipFamilies = service.ipFamilies.rawValue
        canonical = service.canonical
        ingressUseWaypoint = service.ingressUseWaypoint
        weightedWaypoints = service.weightedWaypoints.map(WorkloadAPI.WeightedWaypoint.init)
        visibility = service.visibility.rawValue
    }

    package func model() throws(ConversionFailure) -> Service {
        guard !hostname.isEmpty else { throw ConversionFailure("hostname", "a service without a hostname") }
        var service = Service()
        service.name = name
        service.namespace = namespace
        service.hostname = hostname
        service.addresses = try Convert.map(addresses) { (address) throws(ConversionFailure) in try address.model() }
        service.ports = try Convert.map(ports) { (port) throws(ConversionFailure) in try port.model() }
        service.subjectAltNames = subjectAltNames
        if let waypoint { service.waypoint = try waypoint.model() }
        service.weightedWaypoints = try Convert.map(weightedWaypoints) { (waypoint) throws(ConversionFailure) in
            try waypoint.model()
        }
        if let loadBalancing { service.loadBalancing = try loadBalancing.model() }
        service.ipFamilies = try Convert.choice(ipFamilies, "ip_families")
        service.canonical = canonical
        service.ingressUseWaypoint = ingressUseWaypoint
        service.visibility = try Convert.choice(visibility, "visibility")
        return service
    }
}
