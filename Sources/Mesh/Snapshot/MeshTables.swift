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
    private(set) var keys: [String: ServiceID] = [:]
    private(set) var serviceAddresses = ServiceAddresses()
    private(set) var policies = PolicyTable()
    private(set) var local: [LocalWorkload] = []
    private(set) var evicted: [HostTag: String] = [:]
    package private(set) var workloadCount = 0
    // What only changes need.
    private var freeWorkloads: [Int32] = []
    private var freeServices: [Int32] = []
    /// By the key of a service, whether it is there or not.
    private var endpoints: [String: ContiguousArray<MeshService.Endpoint>] = [:]
    private var localByUID: [String: LocalWorkload] = [:]
    /// Services whose endpoints are others than those in the table.
    private var staleServices: Set<String> = []
    private var staleAddresses = false
    private var staleLocal = false
    private var accounts: [Account: [SPIFFEID]] = [:]

    private struct Account: Hashable {
        let trustDomain: String
        let namespace: String
        let serviceAccount: String
    }

    /// Identities that are kept for workloads to share: above this, what shared them goes on and others begin anew.
    private static let maximumAccounts = 65_536

    package init(options: MeshOptions) { self.options = options }

    // MARK: - Workloads

    package func workload(uid: String) -> WorkloadID? { Self.find(uid, uids, workloads) }

    static func find(_ uid: String, _ uids: SlotIndex, _ workloads: ShardedArray<MeshWorkload?>) -> WorkloadID? {
        uids.find(uid.hashValue) { workloads[Int($0)]?.workload.uid == uid }.map { WorkloadID(Int($0)) }
    }

    /// New, or another than before.
    package mutating func put(_ workload: Workload) {
        let hash = workload.uid.hashValue
        let known = uids.find(hash) { workloads[Int($0)]?.workload.uid == workload.uid }
        let id = known.map { WorkloadID(Int($0)) } ?? newPlace(hash)
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
    private mutating func newPlace(_ hash: Int) -> WorkloadID {
        let slot: Int32
        if let freed = freeWorkloads.popLast() {
            slot = freed
        } else {
            slot = Int32(workloads.count)
            workloads.append(nil)
        }
        uids.insert(slot, hash)
        workloadCount += 1
        return WorkloadID(Int(slot))
    }

    package mutating func remove(workload uid: String) {
        guard let id = workload(uid: uid), let old = workloads[Int(id.index)] else { return }
        addresses.remove(old, among: workloads)
        policies.release(old.policySet)
        leave(old.workload.services, id)
        uids.remove(id.index, uid.hashValue)
        workloads[Int(id.index)] = nil
        freeWorkloads.append(id.index)
        workloadCount -= 1
    }

    private mutating func join(_ memberships: [ServiceMembership], _ id: WorkloadID) {
        for membership in memberships {
            endpoints[membership.service, default: []].append(.init(workload: id, ports: membership.ports))
            staleServices.insert(membership.service)
        }
    }

    private mutating func leave(_ memberships: [ServiceMembership], _ id: WorkloadID) {
        for membership in memberships {
            endpoints[membership.service]?.removeAll { $0.workload == id }
            if endpoints[membership.service]?.isEmpty == true { endpoints[membership.service] = nil }
            staleServices.insert(membership.service)
        }
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

    package func service(key: String) -> Service? { keys[key].flatMap { services[Int($0.index)]?.service } }

    package mutating func put(_ service: Service) {
        let key = service.key
        let id: ServiceID
        if let known = keys[key] {
            id = known
        } else if let freed = freeServices.popLast() {
            id = ServiceID(Int(freed))
        } else {
            id = ServiceID(services.count)
            services.append(nil)
        }
        keys[key] = id
        services[Int(id.index)] = MeshService(id: id, service: service, endpoints: endpoints[key] ?? [])
        staleAddresses = true
    }

    package mutating func remove(service key: String) {
        guard let id = keys.removeValue(forKey: key) else { return }
        services[Int(id.index)] = nil
        freeServices.append(id.index)
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
            guard let id = keys[key], let old = services[Int(id.index)] else { continue }
            services[Int(id.index)] = MeshService(id: id, service: old.service, endpoints: endpoints[key] ?? [])
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
