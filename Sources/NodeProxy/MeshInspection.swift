// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Mesh

/// What the admin API shows of the mesh. A value: taken on the node's loop in a moment, worked out where it may take as long as a large mesh asks
/// for.
struct MeshInspection: Sendable {
    /// Of the mesh which workloads are wanted.
    struct Filter: Sendable {
        var isLocal = false
        /// Nil for all.
        var namespace: String?
    }

    let snapshot: MeshSnapshot?
    /// This host.
    let node: String
    /// By the uids of workloads that this host deals with.
    let captures: [String: CaptureState]
    let connections: [ConnectionInfo]

    /// Sorted by uid. What isn't wanted costs a look, not a description.
    func workloads(_ filter: Filter = Filter()) -> [WorkloadInfo] {
        guard let snapshot else { return [] }
        let places = Dictionary(snapshot.local.map { ($0.uid, $0) }, uniquingKeysWith: { first, _ in first })
        let open = Dictionary(grouping: connections, by: \.workload).mapValues(\.count)
        return wanted(filter, snapshot, places).map { workload in
            var info = WorkloadInfo(workload)
            let place = places[info.uid]
            info.isLocal = place?.node == node
            info.networkNamespace = place?.networkNamespace
            if let capture = captures[info.uid] { info.capture = capture }
            if info.isLocal { info.connections = open["\(info.namespace)/\(info.name)"] ?? 0 }
            return info
        }
    }

    private func wanted(
        _ filter: Filter, _ snapshot: MeshSnapshot, _ places: [String: LocalWorkload]
    ) -> [MeshWorkload] {
        let isInNamespace = { (workload: MeshWorkload) in
            filter.namespace.map { $0 == workload.workload.namespace } ?? true
        }
        guard filter.isLocal else { return snapshot.workloads.filter(isInNamespace) }
        let uids = places.values.filter { $0.node == node }.map(\.uid).sorted()
        return uids.compactMap { snapshot.workload(uid: $0) }.map { snapshot[$0] }.filter(isInNamespace)
    }

    /// Sorted by key.
    var services: [ServiceInfo] {
        guard let snapshot else { return [] }
        return snapshot.services.map { ServiceInfo($0, in: snapshot) }
    }

    var policies: [PolicyInfo] { snapshot?.policies.map { PolicyInfo($0.authorization) } ?? [] }
}
