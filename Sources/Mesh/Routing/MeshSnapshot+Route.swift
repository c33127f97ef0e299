// SPDX-License-Identifier: Apache-2.0

package import Bytes

extension MeshSnapshot {
    /// Decides where a connection to `destination` goes: a service before a workload before what nobody knows.
    ///
    /// `excluding` holds endpoints that failed already for this connection. A destination that speaks HBONE is never `.plain` nor
    /// `.passthrough` (I01). Allocates only for services with identities of their own.
    package func route(
        to destination: SocketAddress, from source: WorkloadID?, random: inout some RandomNumberGenerator,
        excluding tried: [EndpointKey] = []
    ) -> Route {
        let network = source.map { self[$0].workload.network } ?? options.network
        if let service = service(at: destination.ip, network: network, from: source) {
            return route(
                to: self[service], EndpointQuery(destination, from: source, network: network, excluding: tried),
                random: &random)
        }
        guard let id = workload(at: destination.ip, network: network) else { return .passthrough(destination) }
        let workload = self[id]
        if workload.workload.waypoint != nil {
            return .refused(.waypointRequired(destination: "workload \(workload.workload.displayName)"))
        }
        return route(to: workload, destination, service: nil)
    }

    private func route(
        to service: MeshService, _ query: EndpointQuery, random: inout some RandomNumberGenerator
    ) -> Route {
        if service.service.waypoint != nil || !service.service.weightedWaypoints.isEmpty {
            return .refused(.waypointRequired(destination: "service \(service.service.key)"))
        }
        switch choose(from: service, query, random: &random) {
        case .chosen(let workload, let address): return route(to: self[workload], address, service: service)
        case .none(let refusal):
            // A service that lets callers through says so; the address is still not one that speaks HBONE.
            guard service.service.loadBalancing?.mode == .passthrough else { return .refused(refusal) }
            guard let id = workload(at: query.destination.ip, network: query.network) else {
                return query.tried.contains(query.destination) ? .refused(refusal) : .passthrough(query.destination)
            }
            return route(to: self[id], query.destination, service: service)
        }
    }

    private func route(to chosen: MeshWorkload, _ address: SocketAddress, service: MeshService?) -> Route {
        // Who else has this address may speak HBONE: then the address does (I01).
        let other = workload(at: address.ip, network: chosen.workload.network).map { self[$0] }
        let workload =
            other?.workload.tunnelProtocol == .hbone && chosen.workload.tunnelProtocol != .hbone ? other ?? chosen : chosen
        switch workload.workload.tunnelProtocol {
        case .none: return .plain(address, workload: workload.id, service: service?.id)
        case .legacyIstioMTLS: return .refused(.unsupportedTunnel(workload: workload.workload.displayName))
        case .hbone:
            let own = workload.acceptedIdentities
            let identities = service.map { $0.identities.isEmpty ? own : own + $0.identities } ?? own
            guard !own.isEmpty else { return .refused(.noIdentity(workload: workload.workload.displayName)) }
            return .tunnel(
                workload: workload.id, destination: address, service: service?.id, acceptedIdentities: identities)
        }
    }
}
