// SPDX-License-Identifier: Apache-2.0

/// What one mesh is called and where its own resources live. The defaults are those that an Istio installation has.
package struct MeshOptions: Hashable, Sendable {
    /// Part of every workload's uid and of metrics.
    package var clusterName = "Kubernetes"
    /// The suffix of service hostnames: `db.shop.svc.cluster.local`.
    package var clusterDomain = "cluster.local"
    /// The trust domain of identities that name none.
    package var trustDomain = "cluster.local"
    /// The namespace whose policies without a selector apply to the whole mesh.
    package var rootNamespace = "istio-system"
    /// The network of addresses that name none. Within a network every address is unique and reachable.
    package var network = ""

    package init() {}
}
