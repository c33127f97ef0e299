// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import HTTP
internal import Mesh
internal import Telemetry

/// What metrics and headers call workloads and services, worked out when first needed and dropped with the snapshot. Workloads are known by their
/// object: the places of a snapshot mean something else in the next. Owned by one worker.
final class LabelCache {
    private var peers: [ObjectIdentifier: (MeshWorkload, PeerLabels)] = [:]
    private var baggages: [ObjectIdentifier: (MeshWorkload, HTTPHeaders)] = [:]
    private var services: [ObjectIdentifier: (MeshService, ServiceLabels)] = [:]

    func peer(_ source: MeshWorkload?) -> PeerLabels {
        guard let source else { return .unknown }
        if let (_, labels) = peers[ObjectIdentifier(source)] { return labels }
        let workload = source.workload
        let labels = PeerLabels(
            workload: workload.workloadName, canonicalService: workload.canonicalName,
            canonicalRevision: workload.canonicalRevision,
            namespace: workload.namespace, principal: source.identity?.description, app: workload.canonicalName,
            version: workload.canonicalRevision, cluster: workload.clusterID, region: workload.locality?.region,
            zone: workload.locality?.zone)
        peers[ObjectIdentifier(source)] = (source, labels)
        return labels
    }

    /// A peer of whom nothing is known but what its certificate says.
    func peer(_ identity: SPIFFEID?) -> PeerLabels {
        guard let identity else { return .unknown }
        return PeerLabels(namespace: identity.namespace, principal: identity.description)
    }

    /// The `baggage` header that tells of the workload.
    func baggage(_ source: MeshWorkload) -> HTTPHeaders {
        if let (_, headers) = baggages[ObjectIdentifier(source)] { return headers }
        let headers: HTTPHeaders = ["baggage": Baggage(source.workload).description]
        baggages[ObjectIdentifier(source)] = (source, headers)
        return headers
    }

    func service(_ source: MeshService?) -> ServiceLabels {
        guard let source else { return .unknown }
        if let (_, labels) = services[ObjectIdentifier(source)] { return labels }
        let service = source.service
        let labels = ServiceLabels(host: service.hostname, namespace: service.namespace, name: service.name)
        services[ObjectIdentifier(source)] = (source, labels)
        return labels
    }
}
