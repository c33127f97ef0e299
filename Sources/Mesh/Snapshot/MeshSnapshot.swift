// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// The mesh at one moment, indexed for decisions. Made off the loops from a `MeshState`, handed to every loop as it is, never
/// changed; whoever drops the last reference pays for freeing it, so loops hand theirs back.
package final class MeshSnapshot: Sendable {
    /// Counts upwards with each snapshot of a process.
    package let revision: UInt64
    package let options: MeshOptions
    /// By `WorkloadID`, sorted by uid.
    package let workloads: ContiguousArray<MeshWorkload>
    /// By `ServiceID`, sorted by key.
    package let services: ContiguousArray<MeshService>
    package let policies: ContiguousArray<CompiledPolicy>
    /// The workloads that some host captures or could, of all hosts; sorted by uid.
    package let local: [LocalWorkload]
    /// Names of the hosts that were turned out, by what their certificates carry.
    package let evicted: [HostTag: String]
    private let addresses: AddressTable
    private let uids: [String: WorkloadID]
    private let keys: [String: ServiceID]

    package init(state: MeshState, options: MeshOptions, revision: UInt64) {
        var builder = SnapshotBuilder(state: state, options: options)
        builder.build()
        self.revision = revision
        self.options = options
        workloads = builder.workloads
        services = builder.services
        policies = builder.policies
        uids = builder.uids
        keys = builder.keys
        local = state.local.sorted { $0.uid < $1.uid }
        evicted = Dictionary(state.evictions.map { ($0.tag, $0.node) }, uniquingKeysWith: { first, _ in first })
        addresses = AddressTable(workloads: workloads, services: services)
    }

    /// Before anything is known.
    package static let empty = MeshSnapshot(state: MeshState(), options: MeshOptions(), revision: 0)
}

// MARK: - Lookups

extension MeshSnapshot {
    package subscript(id: WorkloadID) -> MeshWorkload { workloads[Int(id.index)] }
    package subscript(id: ServiceID) -> MeshService { services[Int(id.index)] }

    package func workload(uid: String) -> WorkloadID? { uids[uid] }

    /// By `NAMESPACE/HOSTNAME`.
    package func service(key: String) -> ServiceID? { keys[key] }

    /// The workload that an address means; `network` is where the asking side is, nil for the mesh's own.
    package func workload(at address: IPAddress, network: String? = nil) -> WorkloadID? {
        addresses.workload(at: address, network: network ?? options.network)
    }

    /// The service that an address means to a caller: exact addresses before blocks, the caller's namespace before others, then
    /// canonical ones. Services that the caller may not see are none. Virtual addresses are the mesh's own wherever the caller is.
    package func service(at address: IPAddress, network: String? = nil, from caller: WorkloadID? = nil) -> ServiceID? {
        let namespace = caller.map { self[$0].workload.namespace }
        let network = network ?? options.network
        if let found = service(at: address, in: network, from: namespace) { return found }
        return network == options.network ? nil : service(at: address, in: options.network, from: namespace)
    }

    private func service(at address: IPAddress, in network: String, from namespace: String?) -> ServiceID? {
        var best: ServiceID?
        for candidate in addresses.services(at: address, network: network) where isSeen(candidate, from: namespace) {
            if let found = best, !isBetter(candidate, than: found, from: namespace) { continue }
            best = candidate
        }
        return best
            ?? addresses.firstBlock(
                holding: address, network: network, where: { isSeen($0, from: namespace) },
                better: { isBetter($0, than: $1, from: namespace) })
    }

    private func isSeen(_ id: ServiceID, from namespace: String?) -> Bool {
        let service = self[id].service
        return service.visibility == .everywhere || service.namespace == namespace
    }

    private func isBetter(_ a: ServiceID, than b: ServiceID, from namespace: String?) -> Bool {
        let (a, b) = (self[a].service, self[b].service)
        let (near, otherNear) = (a.namespace == namespace, b.namespace == namespace)
        return near != otherNear ? near : a.canonical && !b.canonical
    }

    /// Which service a connection that arrived at a workload was probably meant for: what the caller says, if it is true, or the
    /// first service whose target is this port. For labels only; nothing is decided by it.
    package func serviceHint(forInbound destination: WorkloadID, port: UInt16, forwardedHost: String? = nil) -> ServiceID? {
        var guess: ServiceID?
        for membership in self[destination].services {
            let service = self[membership.service]
            let endpoint = MeshService.Endpoint(workload: destination, ports: membership.ports)
            guard service.service.ports.contains(where: { endpoint.targetPort(of: $0) == port }) else { continue }
            if let forwardedHost, service.service.hostname == forwardedHost { return membership.service }
            guess = guess ?? membership.service
        }
        return guess
    }
}
