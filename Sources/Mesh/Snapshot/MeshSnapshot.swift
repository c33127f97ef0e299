// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// The mesh at one moment, indexed for decisions. Made off the loops, handed to every loop as it is, never changed; it shares with the one before
/// what is alike. Whoever drops the last reference pays for freeing it, so loops hand theirs back.
package final class MeshSnapshot: Sendable {
    /// Counts upwards with each snapshot of a process.
    package let revision: UInt64
    package let options: MeshOptions
    package let workloadCount: Int
    package let serviceCount: Int
    /// Sorted by key.
    package let policies: ContiguousArray<CompiledPolicy>
    /// The workloads that some host captures or could, of all hosts; sorted by uid.
    package let local: [LocalWorkload]
    /// Names of the hosts that were turned out, by what their certificates carry.
    package let evicted: [HostTag: String]
    private let sets: ContiguousArray<PolicySet>
    private let table: ShardedArray<MeshWorkload?>
    private let uids: SlotIndex
    private let addresses: WorkloadAddresses
    private let serviceTable: ContiguousArray<MeshService?>
    private let keys: SlotIndex
    private let serviceAddresses: ServiceAddresses

    init(_ tables: MeshTables, revision: UInt64) {
        self.revision = revision
        options = tables.options
        workloadCount = tables.workloadCount
        serviceCount = tables.serviceCount
        policies = tables.policies.policies
        sets = tables.policies.sets
        local = tables.local
        evicted = tables.evicted
        table = tables.workloads
        uids = tables.uids
        addresses = tables.addresses
        serviceTable = tables.services
        keys = tables.keys
        serviceAddresses = tables.serviceAddresses
    }

    /// Of a whole state. A uid or key that occurs twice counts once, the first time.
    package convenience init(state: MeshState, options: MeshOptions, revision: UInt64) {
        var tables = MeshTables(options: options)
        for authorization in state.authorizations { tables.put(authorization) }
        for service in state.services.sorted(by: { $0.key < $1.key }) where tables.service(key: service.key) == nil {
            tables.put(service)
        }
        for workload in state.workloads.sorted(by: { $0.uid < $1.uid }) where tables.workload(uid: workload.uid) == nil {
            tables.put(workload)
        }
        for workload in state.local { tables.put(workload) }
        for eviction in state.evictions { tables.put(eviction) }
        self.init(tables.settled, revision: revision)
    }

    /// Before anything is known.
    package static let empty = MeshSnapshot(state: MeshState(), options: MeshOptions(), revision: 0)

    /// All of them, sorted by uid: for people. Decisions look up.
    package var workloads: ContiguousArray<MeshWorkload> {
        ContiguousArray(table.indices.compactMap { table[$0] }.sorted { $0.workload.uid < $1.workload.uid })
    }

    /// All of them, sorted by key: for people.
    package var services: ContiguousArray<MeshService> {
        ContiguousArray(serviceTable.compactMap { $0 }.sorted { $0.service.key < $1.service.key })
    }
}

// MARK: - Lookups

extension MeshSnapshot {
    package subscript(id: WorkloadID) -> MeshWorkload {
        guard let workload = table[Int(id.index)] else { preconditionFailure("a workload's place of another snapshot") }
        return workload
    }

    package subscript(id: ServiceID) -> MeshService {
        guard let service = serviceTable[Int(id.index)] else { preconditionFailure("a service's place of another snapshot") }
        return service
    }

    package func workload(uid: String) -> WorkloadID? { MeshTables.find(uid, NameHash(uid), uids, table) }

    /// The policies that apply to a workload.
    func policySet(of id: WorkloadID) -> PolicySet { sets[Int(self[id].policySet)] }

    /// The services that a workload serves, as far as they are there.
    package func memberships(of workload: MeshWorkload) -> [MeshWorkload.Membership] {
        workload.workload.services.compactMap { membership in
            service(key: membership.service).map { MeshWorkload.Membership(service: $0, ports: membership.ports) }
        }
    }

    /// By `NAMESPACE/HOSTNAME`.
    package func service(key: String) -> ServiceID? { MeshTables.find(service: key, NameHash(key), keys, serviceTable) }

    /// The workload that an address means; `network` is where the asking side is, nil for the mesh's own.
    package func workload(at address: IPAddress, network: String? = nil) -> WorkloadID? {
        addresses.workload(at: address, network: network ?? options.network, among: table)
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
        for candidate in serviceAddresses.services(at: address, network: network) where isSeen(candidate, from: namespace) {
            if let found = best, !isBetter(candidate, than: found, from: namespace) { continue }
            best = candidate
        }
        return best
            ?? serviceAddresses.firstBlock(
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
        if near != otherNear { return near }
        // Of equals it is the same one on every host.
        return a.canonical != b.canonical ? a.canonical : a.key < b.key
    }

    /// Which service a connection that arrived at a workload was probably meant for: what the caller says, if it is true, or the
    /// first service whose target is this port. For labels only; nothing is decided by it.
    package func serviceHint(forInbound destination: WorkloadID, port: UInt16, forwardedHost: String? = nil) -> ServiceID? {
        var guess: ServiceID?
        for membership in memberships(of: self[destination]) {
            let service = self[membership.service]
            let endpoint = MeshService.Endpoint(workload: destination, ports: membership.ports)
            guard service.service.ports.contains(where: { endpoint.targetPort(of: $0) == port }) else { continue }
            if let forwardedHost, service.service.hostname == forwardedHost { return membership.service }
            guess = guess ?? membership.service
        }
        return guess
    }
}
