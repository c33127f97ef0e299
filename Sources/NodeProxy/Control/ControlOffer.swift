// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Discovery
internal import Mesh

/// What a control plane has to tell, and what it leaves to this host. A value, the same as long as the daemon runs.
struct ControlOffer: Sendable {
    /// What is asked of it. Resources of other types are refused.
    let types: [ResourceType]
    /// Its answers name a store and how many changes that has seen (I21).
    let namesStore: Bool
    /// Workloads of this host that it doesn't tell of as such.
    let declared: [DeclaredWorkload]
    /// Where the last mesh lies in `control.directory`: what one kind of control plane said is nothing to another.
    let lastMesh: String

    static let warren = ControlOffer(types: ResourceType.allCases, namesStore: true, declared: [], lastMesh: "last-mesh")

    /// istiod: the two types of a ztunnel. Its answers begin with the time of a push and a counter, which look like a store and a revision, and are
    /// others with every push.
    static func istiod(_ workloads: [IstiodSettings.Workload], on node: String, in cluster: String) -> ControlOffer {
        ControlOffer(
            types: [.address, .authorization], namesStore: false,
            declared: workloads.map { DeclaredWorkload($0, node: node, cluster: cluster) }, lastMesh: "last-mesh-of-istiod")
    }
}

/// A workload that this host's own configuration says is here.
struct DeclaredWorkload: Sendable {
    /// One that isn't captured, or not as it should be.
    struct Misfit: Hashable {
        /// `NAMESPACE/NAME`.
        let name: String
        let reason: String
    }

    /// `NAMESPACE/NAME`.
    let name: String
    /// What istiod may call it, the first that it has.
    let uids: [String]
    private let node: String
    private let networkNamespace: String

    init(_ workload: IstiodSettings.Workload, node: String, cluster: String) {
        name = "\(workload.namespace)/\(workload.name)"
        uids = [
            "\(cluster)/networking.istio.io/WorkloadEntry/\(workload.namespace)/\(workload.name)",
            "\(cluster)//Pod/\(workload.namespace)/\(workload.name)",
        ]
        self.node = node
        networkNamespace = workload.networkNamespace
    }

    func local(_ uid: String) -> LocalWorkload {
        LocalWorkload(uid: uid, node: node, networkNamespace: networkNamespace, captured: true, nonTCP: nil)
    }

    /// Why it isn't captured here, or not as it should be; nil if all is well.
    func problem(in mesh: MeshSnapshot) -> String? {
        guard let id = uids.lazy.compactMap({ mesh.workload(uid: $0) }).first else {
            return "istiod knows no WorkloadEntry and no Pod of this name"
        }
        guard mesh[id].workload.tunnelProtocol == .hbone else {
            return "istiod has others dial it in plain: its WorkloadEntry needs the label networking.istio.io/tunnel=http"
        }
        return nil
    }
}
