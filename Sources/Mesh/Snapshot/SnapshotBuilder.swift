// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Works out the tables of one snapshot, in the order in which they need each other.
struct SnapshotBuilder {
    let state: MeshState
    let options: MeshOptions
    private(set) var workloads: ContiguousArray<MeshWorkload> = []
    private(set) var services: ContiguousArray<MeshService> = []
    private(set) var policies: ContiguousArray<CompiledPolicy> = []
    private(set) var uids: [String: WorkloadID] = [:]
    private(set) var keys: [String: ServiceID] = [:]
    private var accounts: [Account: [SPIFFEID]] = [:]

    init(state: MeshState, options: MeshOptions) {
        self.state = state
        self.options = options
    }

    mutating func build() {
        // A uid or key that occurs twice counts once, the first time: everything is sorted, so that is the same every time.
        let sortedServices = unique(state.services.sorted { $0.key < $1.key }, by: \.key)
        let sortedWorkloads = unique(state.workloads.sorted { $0.uid < $1.uid }, by: \.uid)
        keys.reserveCapacity(sortedServices.count)
        uids.reserveCapacity(sortedWorkloads.count)
        workloads.reserveCapacity(sortedWorkloads.count)
        for (index, service) in sortedServices.enumerated() { keys[service.key] = ServiceID(index) }
        for (index, workload) in sortedWorkloads.enumerated() { uids[workload.uid] = WorkloadID(index) }
        var index = PolicyIndex(state.authorizations, options: options)
        policies = index.policies
        var endpoints = ContiguousArray(repeating: ContiguousArray<MeshService.Endpoint>(), count: sortedServices.count)
        for (position, workload) in sortedWorkloads.enumerated() {
            let id = WorkloadID(position)
            let memberships = workload.services.compactMap { membership in
                keys[membership.service].map { MeshWorkload.Membership(service: $0, ports: membership.ports) }
            }
            for membership in memberships {
                endpoints[Int(membership.service.index)].append(.init(workload: id, ports: membership.ports))
            }
            workloads.append(
                MeshWorkload(
                    id: id, workload: workload, identities: identities(of: workload), services: memberships,
                    policies: index.set(for: workload)))
        }
        for (index, service) in sortedServices.enumerated() {
            services.append(MeshService(id: ServiceID(index), service: service, endpoints: endpoints[index]))
        }
    }

    /// Made once for all workloads of one account, which share it.
    private mutating func identities(of workload: Workload) -> [SPIFFEID] {
        let account = Account(
            trustDomain: workload.trustDomain, namespace: workload.namespace, serviceAccount: workload.serviceAccount)
        if let known = accounts[account] { return known }
        let made = workload.identity(options: options).map { [$0] } ?? []
        accounts[account] = made
        return made
    }

    private struct Account: Hashable {
        let trustDomain: String
        let namespace: String
        let serviceAccount: String
    }

    private func unique<Element>(_ sorted: [Element], by key: (Element) -> String) -> [Element] {
        var last: String?
        return sorted.filter { element in
            defer { last = key(element) }
            return key(element) != last
        }
    }
}
