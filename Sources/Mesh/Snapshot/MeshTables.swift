// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// The mesh as it goes on: takes what changes, one thing at a time, and makes snapshots that share everything else with those before. A change costs
/// what it concerns, not what there is. A value, of one thread; snapshots of it may be anywhere.
package struct MeshTables: Sendable {
    package let options: MeshOptions
    // What snapshots share. A workload keeps its place while it is there.
    private(set) var workloads = ShardedArray<MeshWorkload?>()
    private(set) var uids = SlotIndex()
    private(set) var addresses = WorkloadAddresses()
    private(set) var services: ContiguousArray<MeshService?> = []
    private(set) var keys = SlotIndex()
    private(set) var serviceAddresses = ServiceAddresses()
    private(set) var policies = PolicyTable()
    private(set) var local: [LocalWorkload] = []
    private(set) var evicted: [HostTag: String] = [:]
    package private(set) var workloadCount = 0
    private(set) var serviceCount = 0
    // What only changes need.
    private var freeWorkloads: [Int32] = []
    private var freeServices: [Int32] = []
    /// By the key of a service, whether it is there or not.
    private var endpoints: [String: Endpoints] = [:]
    private var localByUID: [String: LocalWorkload] = [:]
    /// Services whose endpoints are others than those in the table.
    private var staleServices: [String] = []
    private var staleAddresses = false
    private var staleLocal = false
    private var accounts: [Account: [SPIFFEID]] = [:]

    private struct Endpoints {
        var list: ContiguousArray<MeshService.Endpoint> = []
        /// It is among `staleServices`.
        var isStale = false

        /// - Returns: whether it was stale before.
        mutating func change(_ body: (inout ContiguousArray<MeshService.Endpoint>) -> Void) -> Bool {
            defer { isStale = true }
            body(&list)
            return isStale
        }
    }

    private struct Account: Hashable {
        let trustDomain: String
        let namespace: String
        let serviceAccount: String
    }

    /// Identities that are kept for workloads to share: above this, what shared them goes on and others begin anew.
    private static let maximumAccounts = 65_536

    package init(options: MeshOptions) { self.options = options }

    // MARK: - Workloads

    package func workload(uid: String) -> WorkloadID? { Self.find(uid, NameHash(uid), uids, workloads) }

    static func find(_ uid: String, _ hash: NameHash, _ uids: SlotIndex, _ workloads: ShardedArray<MeshWorkload?>) -> WorkloadID?
    {
        uids.find(hash.value) { workloads[Int($0)]?.workload.uid == uid }.map { WorkloadID(Int($0)) }
    }

    /// New, or another than before.
    package mutating func put(_ workload: Workload) { put(workload, NameHash(workload.uid)) }

    /// - Parameter hash: of its uid.
    package mutating func put(_ workload: Workload, _ hash: NameHash) {
        let known = Self.find(workload.uid, hash, uids, workloads)
        let id = known ?? newPlace(hash)
        let old = workloads[Int(id.index)]
        let entry = MeshWorkload(
            id: id, workload: workload, identities: identities(of: workload), policySet: policies.take(for: workload))
        let isMoved = old.map { !$0.workload.hasAddresses(like: workload) } ?? true
        if let old {
            policies.release(old.policySet)
            if isMoved { addresses.remove(old, among: workloads) }
        }
        workloads[Int(id.index)] = entry
        if isMoved { addresses.add(entry, among: workloads) }
        if old?.workload.common !== workload.common, old?.workload.services != workload.services {
            leave(old?.workload.services ?? [], id)
            join(workload.services, id)
        }
    }

    /// - Parameter hash: of its uid.
    private mutating func newPlace(_ hash: NameHash) -> WorkloadID {
        let slot: Int32
        if let freed = freeWorkloads.popLast() {
            slot = freed
        } else {
            slot = Int32(workloads.count)
            workloads.append(nil)
        }
        uids.insert(slot, hash.value)
        workloadCount += 1
        return WorkloadID(Int(slot))
    }

    package mutating func remove(workload uid: String) { remove(workload: uid, NameHash(uid)) }

    /// - Parameter hash: of its uid.
    package mutating func remove(workload uid: String, _ hash: NameHash) {
        guard let id = Self.find(uid, hash, uids, workloads), let old = workloads[Int(id.index)] else { return }
        addresses.remove(old, among: workloads)
        policies.release(old.policySet)
        leave(old.workload.services, id)
        uids.remove(id.index, hash.value)
        workloads[Int(id.index)] = nil
        freeWorkloads.append(id.index)
        workloadCount -= 1
    }

    private mutating func join(_ memberships: [ServiceMembership], _ id: WorkloadID) {
        for membership in memberships {
            change(membership.service) { $0.append(.init(workload: id, ports: membership.ports)) }
        }
    }

    private mutating func leave(_ memberships: [ServiceMembership], _ id: WorkloadID) {
        for membership in memberships { change(membership.service) { list in list.removeAll { $0.workload == id } } }
    }

    private mutating func change(_ service: String, _ body: (inout ContiguousArray<MeshService.Endpoint>) -> Void) {
        let wasStale = endpoints[service, default: Endpoints()].change(body)
        if !wasStale { staleServices.append(service) }
    }

    /// Made once for all workloads of one account, which share it.
    private mutating func identities(of workload: Workload) -> [SPIFFEID] {
        let account = Account(
            trustDomain: workload.trustDomain, namespace: workload.namespace, serviceAccount: workload.serviceAccount)
        if let known = accounts[account] { return known }
        if accounts.count >= Self.maximumAccounts { accounts = [:] }
        let made = workload.identity(options: options).map { [$0] } ?? []
        accounts[account] = made
        return made
    }

    // MARK: - Services, policies, what is captured

    package func service(key: String) -> Service? {
        Self.find(service: key, NameHash(key), keys, services).flatMap { services[Int($0.index)]?.service }
    }

    static func find(
        service key: String, _ hash: NameHash, _ keys: SlotIndex, _ services: ContiguousArray<MeshService?>
    ) -> ServiceID? {
        keys.find(hash.value) { services[Int($0)]?.service.isCalled(key) == true }.map { ServiceID(Int($0)) }
    }

    package mutating func put(_ service: Service) { put(service, NameHash(service.key)) }

    /// - Parameter hash: of its key.
    package mutating func put(_ service: Service, _ hash: NameHash) {
        let key = service.key
        let id = Self.find(service: key, hash, keys, services) ?? newService(hash)
        services[Int(id.index)] = MeshService(id: id, service: service, endpoints: endpoints[key]?.list ?? [])
        staleAddresses = true
    }

    /// - Parameter hash: of its key.
    private mutating func newService(_ hash: NameHash) -> ServiceID {
        let slot: Int32
        if let freed = freeServices.popLast() {
            slot = freed
        } else {
            slot = Int32(services.count)
            services.append(nil)
        }
        keys.insert(slot, hash.value)
        serviceCount += 1
        return ServiceID(Int(slot))
    }

    package mutating func remove(service key: String) { remove(service: key, NameHash(key)) }

    /// - Parameter hash: of its key.
    package mutating func remove(service key: String, _ hash: NameHash) {
        guard let id = Self.find(service: key, hash, keys, services) else { return }
        keys.remove(id.index, hash.value)
        services[Int(id.index)] = nil
        freeServices.append(id.index)
        serviceCount -= 1
        staleAddresses = true
    }

    package mutating func put(_ authorization: Authorization) { policies.put(authorization) }
    package mutating func remove(authorization key: String) { policies.remove(key) }

    package mutating func put(_ eviction: Eviction) { evicted[eviction.tag] = eviction.node }
    package mutating func remove(eviction tag: HostTag) { evicted[tag] = nil }

    package mutating func put(_ workload: LocalWorkload) {
        localByUID[workload.uid] = workload
        staleLocal = true
    }

    package mutating func remove(local uid: String) {
        if localByUID.removeValue(forKey: uid) != nil { staleLocal = true }
    }

    // MARK: - Snapshots

    /// The mesh as it stands now.
    package mutating func snapshot(revision: UInt64) -> MeshSnapshot {
        settle()
        return MeshSnapshot(self, revision: revision)
    }

    /// With everything worked out.
    var settled: MeshTables {
        var tables = self
        tables.settle()
        return tables
    }

    private mutating func settle() {
        policies.settle()
        for key in staleServices {
            let list = endpoints[key]?.list ?? []
            if list.isEmpty { endpoints[key] = nil } else { endpoints[key]?.isStale = false }
            guard let id = Self.find(service: key, NameHash(key), keys, services), let old = services[Int(id.index)] else {
                continue
            }
            services[Int(id.index)] = MeshService(id: id, service: old.service, endpoints: list)
        }
        staleServices = []
        if staleAddresses { serviceAddresses = ServiceAddresses(services) }
        staleAddresses = false
        if staleLocal { local = localByUID.values.sorted { $0.uid < $1.uid } }
        staleLocal = false
    }

    /// All that was taken, sorted.
    package var state: MeshState {
        MeshState(
            workloads: workloads.indices.compactMap { workloads[$0]?.workload }.sorted { $0.uid < $1.uid },
            services: services.compactMap { $0?.service }.sorted { $0.key < $1.key },
            authorizations: policies.authorizations.sorted { $0.key < $1.key },
            local: localByUID.values.sorted { $0.uid < $1.uid },
            evictions: evicted.map { Eviction(tag: $0.key, node: $0.value) }.sorted { $0.tag < $1.tag })
    }
}

extension Workload {
    /// Whether addresses mean it as they meant the other.
    fileprivate func hasAddresses(like other: Workload) -> Bool {
        addresses == other.addresses && network == other.network && networkMode == other.networkMode
            && tunnelProtocol == other.tunnelProtocol
    }
}
