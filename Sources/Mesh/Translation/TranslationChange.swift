// SPDX-License-Identifier: Apache-2.0

/// The place of a resource that means something to hosts.
package struct TranslatedName: Hashable, Sendable {
    package enum Kind: Hashable, Sendable, CaseIterable {
        case namespace
        case service
        case workloadEntry
        case serviceEntry
        case authorizationPolicy
        case peerAuthentication
    }

    package let kind: Kind
    /// Empty for a namespace.
    package let namespace: String
    package let name: String

    package init(_ kind: Kind, namespace: String = "", _ name: String) {
        self.kind = kind
        self.namespace = namespace
        self.name = name
    }
}

/// What is different for hosts after some resources changed. A name stands in it once, as changed or as removed.
package struct TranslationChange: Sendable {
    package struct Local: Hashable, Sendable {
        package let uid: String
        package let node: String

        package init(uid: String, node: String) {
            self.uid = uid
            self.node = node
        }
    }

    package var workloads: [Workload] = []
    package var services: [Service] = []
    package var authorizations: [Authorization] = []
    package var local: [LocalWorkload] = []
    /// By uid.
    package var removedWorkloads: [String] = []
    /// By key.
    package var removedServices: [String] = []
    package var removedAuthorizations: [String] = []
    package var removedLocal: [Local] = []

    package init() {}

    package var isEmpty: Bool {
        workloads.isEmpty && services.isEmpty && authorizations.isEmpty && local.isEmpty && removedWorkloads.isEmpty
            && removedServices.isEmpty && removedAuthorizations.isEmpty && removedLocal.isEmpty
    }
}
