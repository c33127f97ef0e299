// SPDX-License-Identifier: Apache-2.0

/// Everything a host is told, as values: what the translation of resources makes, or what arrives over discovery.
package struct MeshState: Hashable, Sendable {
    /// Sorted by uid.
    package var workloads: [Workload]
    /// Sorted by key.
    package var services: [Service]
    /// Sorted by key.
    package var authorizations: [Authorization]
    /// The workloads that some host is to capture, with what that host must know; sorted by uid. Each host takes its own.
    package var local: [LocalWorkload]
    /// Hosts that were turned out.
    package var evictions: [Eviction]

    package init(
        workloads: [Workload] = [], services: [Service] = [], authorizations: [Authorization] = [], local: [LocalWorkload] = [],
        evictions: [Eviction] = []
    ) {
        self.workloads = workloads
        self.services = services
        self.authorizations = authorizations
        self.local = local
        self.evictions = evictions
    }
}

/// A workload that names the host it runs on.
package struct LocalWorkload: Hashable, Sendable {
    /// Whether traffic that isn't TCP passes (I05).
    package enum NonTCP: String, Hashable, Sendable, CaseIterable {
        case allow
        case drop
    }

    /// The uid in `MeshState.workloads`.
    package let uid: String
    /// The host, from `warren.dev/node`.
    package let node: String
    /// A name under /run/netns, checked to be no path; nil if the resource names none.
    package let networkNamespace: String?
    /// Whether its Kubernetes namespace is enrolled and it hasn't opted out.
    package let captured: Bool
    /// Its Kubernetes namespace's `warren.dev/capture-non-tcp`; nil leaves it to the daemon's own setting.
    package let nonTCP: NonTCP?

    package init(uid: String, node: String, networkNamespace: String?, captured: Bool, nonTCP: NonTCP?) {
        self.uid = uid
        self.node = node
        self.networkNamespace = networkNamespace
        self.captured = captured
        self.nonTCP = nonTCP
    }
}
