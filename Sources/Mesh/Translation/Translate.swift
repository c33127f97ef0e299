// SPDX-License-Identifier: Apache-2.0

/// What hosts are told of a set of resources. Pure; the same for a file on one host and for a control plane. The set must be free of
/// errors: what names a resource twice, for example, comes out twice.
package func translate(_ resources: ResourceSet, options: MeshOptions = MeshOptions()) -> MeshState {
    let services = ServiceTranslation(resources, options: options)
    let peers = PeerAuthenticationTranslation(resources, options: options)
    let policies = PolicyTranslation(resources, options: options)
    var workloads = WorkloadTranslation(resources, options: options, services: services, peers: peers, policies: policies)
    workloads.run()
    return MeshState(
        workloads: workloads.workloads.sorted { $0.uid < $1.uid },
        services: services.all.sorted { $0.key < $1.key },
        authorizations: (policies.authorizations + peers.authorizations).sorted { $0.key < $1.key },
        local: workloads.local.sorted { $0.uid < $1.uid })
}
