// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Mesh
internal import Telemetry

/// What metrics call the workloads and services of one snapshot, worked out when first needed. Owned by one worker.
final class LabelCache {
    private let snapshot: MeshSnapshot
    private var peers: [WorkloadID: PeerLabels] = [:]
    private var services: [ServiceID: ServiceLabels] = [:]

    init(_ snapshot: MeshSnapshot) { self.snapshot = snapshot }

    func peer(_ id: WorkloadID?) -> PeerLabels {
        guard let id else { return .unknown }
        if let labels = peers[id] { return labels }
        let workload = snapshot[id].workload
        let labels = PeerLabels(
            workload: workload.workloadName, canonicalService: workload.canonicalName,
            canonicalRevision: workload.canonicalRevision,
            namespace: workload.namespace, principal: snapshot[id].identity?.description, app: workload.canonicalName,
            version: workload.canonicalRevision, cluster: workload.clusterID, region: workload.locality?.region,
            zone: workload.locality?.zone)
        peers[id] = labels
        return labels
    }

    /// A peer of whom nothing is known but what its certificate says.
    func peer(_ identity: SPIFFEID?) -> PeerLabels {
        guard let identity else { return .unknown }
        return PeerLabels(namespace: identity.namespace, principal: identity.description)
    }

    func service(_ id: ServiceID?) -> ServiceLabels {
        guard let id else { return .unknown }
        if let labels = services[id] { return labels }
        let service = snapshot[id].service
        let labels = ServiceLabels(host: service.hostname, namespace: service.namespace, name: service.name)
        services[id] = labels
        return labels
    }
}
