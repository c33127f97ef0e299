// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Which workloads are captured: those on a host of the mesh whose namespace carries the label, and that haven't opted out.
struct Enrolment {
    private let enrolled: Set<String>

    init(_ set: ResourceSet) {
        enrolled = Set(set.namespaces.filter { $0.mode == .ambient }.map(\.metadata.name))
    }

    /// A workload's own label outranks that of its namespace, as Istio has it for pods.
    func isCaptured(_ entry: Resource.WorkloadEntry) -> Bool {
        guard entry.node != nil else { return false }
        switch entry.mode {
        case .ambient: return true
        case Resource.DataplaneMode.none?: return false
        case nil: return enrolled.contains(entry.metadata.namespace)
        }
    }
}

extension Resource.WorkloadEntry {
    /// All addresses, the one of the spec first.
    var addresses: [IPAddress] {
        var all = [endpoint.ip].compactMap { $0 }
        for address in additionalAddresses where !all.contains(address) { all.append(address) }
        return all
    }

    func network(_ options: MeshOptions) -> String { endpoint.network(labels: labels, options) }
}

extension Resource.EndpointSpec {
    /// The network in the spec before that in the label before that of the mesh.
    func network(labels: [String: String], _ options: MeshOptions) -> String {
        network.isEmpty ? labels[WellKnown.network] ?? options.network : network
    }
}
