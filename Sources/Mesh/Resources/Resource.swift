// SPDX-License-Identifier: Apache-2.0

package import Documents

/// The resources as people write them: Kubernetes' and Istio's, as far as they mean something below HTTP. Decoded and checked one by
/// one; what they mean together is the translation's matter.
package enum Resource {
    /// What every resource begins with.
    package struct Metadata: Hashable, Sendable {
        package var kind: String
        package var name: String
        /// "" for resources that belong to no namespace.
        package var namespace: String
        package var labels: [String: String] = [:]
        package var annotations: [String: String] = [:]
        /// As written by the API server, RFC 3339, so that text order is time order; "" if there is none.
        package var creationTimestamp = ""
        package var file: String
        package var position: Position

        /// `Service shop/db`.
        package var displayName: String { namespace.isEmpty ? "\(kind) \(name)" : "\(kind) \(namespace)/\(name)" }

        /// Older first, then by name: where two resources claim the same thing, the first wins.
        func isOlder(than other: Metadata) -> Bool {
            (creationTimestamp, namespace, name) < (other.creationTimestamp, other.namespace, other.name)
        }
    }

    package struct Namespace: Hashable, Sendable {
        package let metadata: Metadata
        package let mode: DataplaneMode?
        package let nonTCP: LocalWorkload.NonTCP?
    }

    /// The label `istio.io/dataplane-mode`.
    package enum DataplaneMode: String, Hashable, Sendable, CaseIterable {
        case ambient
        case none
    }
}

/// What to do with resources that ask for something only a waypoint could do (I16).
package enum ResourcePurpose: Sendable {
    /// They will decide about traffic: such a request is an error, since ignoring it would open what it closes.
    case apply
    /// They are only to be shown: a warning is enough.
    case translate

    var refusal: Severity {
        switch self {
        case .apply: .error
        case .translate: .warning
        }
    }
}

/// All resources of one mesh, by kind, in the order in which they were read.
package struct ResourceSet: Sendable {
    package var namespaces: [Resource.Namespace] = []
    package var services: [Resource.Service] = []
    package var workloadEntries: [Resource.WorkloadEntry] = []
    package var serviceEntries: [Resource.ServiceEntry] = []
    package var authorizationPolicies: [Resource.AuthorizationPolicy] = []
    package var peerAuthentications: [Resource.PeerAuthentication] = []

    package init() {}

    package var isEmpty: Bool { count == 0 }

    package var count: Int { allMetadata.count }

    var allMetadata: [Resource.Metadata] {
        var all = namespaces.map(\.metadata)
        all += services.map(\.metadata)
        all += workloadEntries.map(\.metadata)
        all += serviceEntries.map(\.metadata)
        all += authorizationPolicies.map(\.metadata)
        all += peerAuthentications.map(\.metadata)
        return all
    }
}
