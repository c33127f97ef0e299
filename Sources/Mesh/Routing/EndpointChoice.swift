// SPDX-License-Identifier: Apache-2.0

import Bytes

/// One question to a service: who asks, for which address and port, and what was tried.
struct EndpointQuery {
    let destination: SocketAddress
    let source: WorkloadID?
    let network: String
    let tried: [EndpointKey]

    init(_ destination: SocketAddress, from source: WorkloadID?, network: String, excluding tried: [EndpointKey]) {
        self.destination = destination
        self.source = source
        self.network = network
        self.tried = tried
    }
}

enum EndpointChoice {
    case chosen(WorkloadID, SocketAddress)
    case none(RouteRefusal)
}

/// Why endpoints were passed over, for the refusal.
private struct PassedOver {
    var unhealthy = 0
    var unreachable = 0
    var outOfScope = 0
    var tried = 0
}

extension MeshSnapshot {
    /// Draws an endpoint: of those that are healthy, serve the port, and aren't excluded, the group that is nearest to the caller, by
    /// weight. Walks the endpoints twice instead of making a list.
    func choose(
        from service: MeshService, _ query: EndpointQuery, random: inout some RandomNumberGenerator
    ) -> EndpointChoice {
        guard let port = service.port(query.destination.port) else {
            return .none(.unknownServicePort(service: service.service.key, port: query.destination.port))
        }
        var (bestRank, total) = (-1, UInt64(0))
        var passed = PassedOver()
        for endpoint in service.endpoints {
            guard let candidate = candidate(endpoint, port, of: service, query, &passed) else { continue }
            if candidate.rank > bestRank { (bestRank, total) = (candidate.rank, 0) }
            if candidate.rank == bestRank { total += UInt64(candidate.weight) }
        }
        guard total > 0 else { return .none(refusal(service, port, passed)) }
        var ticket = UInt64.random(in: 0..<total, using: &random)
        for endpoint in service.endpoints {
            guard let candidate = candidate(endpoint, port, of: service, query, &passed), candidate.rank == bestRank else {
                continue
            }
            if ticket < UInt64(candidate.weight) { return .chosen(endpoint.workload, candidate.address) }
            ticket -= UInt64(candidate.weight)
        }
        return .none(refusal(service, port, passed))
    }

    private struct Candidate {
        let address: SocketAddress
        let rank: Int
        let weight: UInt32
    }

    private func candidate(
        _ endpoint: MeshService.Endpoint, _ port: Port, of service: MeshService, _ query: EndpointQuery,
        _ passed: inout PassedOver
    ) -> Candidate? {
        let workload = self[endpoint.workload]
        let weight = workload.workload.capacity ?? 1
        // Another network's endpoints are reached through a gateway, by a tunnel in a tunnel, which this proxy doesn't speak.
        guard weight > 0, workload.workload.network == query.network,
            let target = endpoint.targetPort(of: port),
            let address = workload.address(preferring: query.destination.ip.family, families: service.service.ipFamilies)
        else {
            passed.unreachable += 1
            return nil
        }
        guard workload.workload.status == .healthy || service.service.loadBalancing?.healthPolicy == .allowAll else {
            passed.unhealthy += 1
            return nil
        }
        guard let rank = rank(workload, service.service.loadBalancing, query.source) else {
            passed.outOfScope += 1
            return nil
        }
        let exact = workload.workload.addresses.contains(query.destination.ip) ? query.destination.ip : address
        let socketAddress = SocketAddress(exact, target)
        guard !query.tried.contains(socketAddress) else {
            passed.tried += 1
            return nil
        }
        return Candidate(address: socketAddress, rank: rank, weight: weight)
    }

    private func refusal(_ service: MeshService, _ port: Port, _ passed: PassedOver) -> RouteRefusal {
        let key = service.service.key
        if passed.tried > 0 { return .allEndpointsTried(service: key) }
        if passed.outOfScope > 0 { return .noEndpointInScope(service: key) }
        if passed.unhealthy > 0 { return .noHealthyEndpoint(service: key, unhealthy: passed.unhealthy) }
        if passed.unreachable > 0 { return .noEndpointForPort(service: key, port: port.servicePort) }
        return .noEndpoint(service: key)
    }

    /// How near an endpoint is: how many of the preferred scopes, from the first, it shares with the caller. A shared network, asked for
    /// first, outweighs all others, and a different one doesn't end the count. Nil: the service insists on more.
    private func rank(_ workload: MeshWorkload, _ balancing: LoadBalancing?, _ source: WorkloadID?) -> Int? {
        guard let balancing, balancing.mode == .strict || balancing.mode == .failover else { return 0 }
        guard let source else { return balancing.mode == .strict ? nil : 0 }
        let caller = self[source].workload
        var (rank, matched) = (0, 0)
        for (index, scope) in balancing.routingPreference.enumerated() {
            let shared = workload.workload.shares(scope, with: caller)
            if shared { matched += 1 }
            if index == 0, scope == .network {
                rank += shared ? balancing.routingPreference.count : 0
            } else if shared {
                rank += 1
            } else {
                break
            }
        }
        return balancing.mode == .strict && matched < balancing.routingPreference.count ? nil : rank
    }
}

extension Workload {
    fileprivate func shares(_ scope: LoadBalancing.Scope, with other: Workload) -> Bool {
        switch scope {
        case .unspecified: true
        case .region: locality?.region == other.locality?.region
        case .zone: locality?.zone == other.locality?.zone
        case .subzone: locality?.subzone == other.locality?.subzone
        case .node: node == other.node
        case .cluster: clusterID == other.clusterID
        case .network: network == other.network
        }
    }
}
