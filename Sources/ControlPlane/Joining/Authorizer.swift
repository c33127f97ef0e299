// SPDX-License-Identifier: Apache-2.0

package import Documents
package import ResourceAPI

/// What roles may do. Pure.
package enum Authorizer {
    /// The verbs of Kubernetes.
    package enum Verb: String, Hashable, Sendable, CaseIterable {
        case get
        case list
        case watch
        case create
        case update
        case patch
        case delete

        package var isReading: Bool { self == .get || self == .list || self == .watch }
    }

    /// Whether somebody may do this at all. For WorkloadEntries `checkChange` decides besides, once the objects are known.
    /// - Parameters:
    ///   - resource: the plural, with its group behind a dot if it has one.
    ///   - namespace: empty for what belongs to none, and for lists of all.
    /// - Throws: `Forbidden`, in the words of Kubernetes.
    package static func check(
        _ principal: Principal, _ verb: Verb, _ resource: String, namespace: String, name: String = ""
    ) throws(APIStatus) {
        guard !isAllowed(principal.role, verb, resource, namespace, name) else { return }
        let parts = resource.split(separator: ".", maxSplits: 1).map(String.init)
        let group = parts.count > 1 ? parts[1] : ""
        let place = namespace.isEmpty ? "at the cluster scope" : "in the namespace \"\(namespace)\""
        let what = name.isEmpty ? resource : "\(resource) \"\(name)\""
        var status = APIStatus(
            .forbidden,
            "\(what) is forbidden: User \"\(principal.name)\" cannot \(verb.rawValue) resource \"\(parts.first ?? resource)\" in API group "
                + "\"\(group)\" \(place)")
        (status.group, status.kind, status.name) = (group, parts.first ?? resource, name)
        throw status
    }

    private static func isAllowed(
        _ role: Principal.Role, _ verb: Verb, _ resource: String, _ namespace: String, _ name: String
    ) -> Bool {
        // What the control plane keeps for itself.
        if resource.hasPrefix("_") { return false }
        switch role {
        case .admin: return true
        case .viewer: return verb.isReading
        case .editor(let namespaces):
            if verb.isReading { return true }
            // Labels of its own namespace enrol it; making and deleting namespaces is for admins.
            if resource == "namespaces" { return namespaces.contains(name) && (verb == .update || verb == .patch) }
            return !namespace.isEmpty && namespaces.contains(namespace)
        case .node(let node):
            if resource == NodeRecord.resource { return (verb == .get || verb == .delete) && name == node }
            return resource == Registration.resource && verb != .list && verb != .watch && !namespace.isEmpty
        }
    }

    /// Whether somebody may see or change this WorkloadEntry: for every access to one, with the object as it stands and as it will be.
    package static func checkChange(
        _ principal: Principal, _ verb: Verb, before: Value?, after: Value?, grants: Grants
    ) throws(APIStatus) {
        let (before, after) = (before.map { Registration($0) }, after.map { Registration($0) })
        let refusal: Refusal?
        if verb.isReading {
            guard case .node(let node) = principal.role, let before, before.node != node else { return }
            refusal = Refusal(.otherNode, "workload \(before.namespace)/\(before.name) is none of host \(node)")
        } else {
            refusal = grants.mayChange(before, to: after, by: principal)
        }
        guard let refusal else { return }
        var status = APIStatus(.forbidden, "workloadentries.networking.istio.io is forbidden: \(refusal)")
        (status.group, status.kind, status.name) = ("networking.istio.io", "workloadentries", (after ?? before)?.name ?? "")
        throw status
    }
}
