// SPDX-License-Identifier: Apache-2.0

/// A WorkloadEntry as it is held between changes. Labels are shared with all others that have the same.
final class HeldEntry {
    let entry: Resource.WorkloadEntry
    let group: LabelGroup

    init(_ entry: Resource.WorkloadEntry, in group: LabelGroup) {
        self.entry = entry
        self.group = group
    }
}

/// The WorkloadEntries of a namespace that have the same labels: what selects one selects all.
final class LabelGroup {
    let labels: [String: String]
    var members: Set<String> = []
    var services: [ServiceTranslation.Selectable] = []
    /// AuthorizationPolicies, then what PeerAuthentications became.
    var policies: [String] = []

    init(_ labels: [String: String]) { self.labels = labels }
}

/// What of a namespace has to be looked at again.
struct NamespaceDirt {
    /// Whom something new or former selects.
    var services: [[String: String]] = []
    var policies: [[String: String]] = []
    /// Everybody's.
    var allServices = false
    var allPolicies = false
    var newGroups: [LabelGroup] = []
    /// Everybody: the namespace is enrolled, or no longer.
    var allEntries = false
    var entries: Set<String> = []
    var serviceEntries: Set<String> = []
    /// Indexes that no longer stand.
    var servicesChanged = false
    var policiesChanged = false
    var peersChanged = false
}

/// One namespace of the mesh between changes: its resources, and the indexes by which they find each other. Owned by an `IncrementalTranslation`.
final class NamespaceModel {
    let name: String
    var resource: Resource.Namespace?
    var services: [String: Resource.Service] = [:]
    var serviceEntries: [String: Resource.ServiceEntry] = [:]
    var authorizationPolicies: [String: Resource.AuthorizationPolicy] = [:]
    var peerAuthentications: [String: Resource.PeerAuthentication] = [:]
    var entries: [String: HeldEntry] = [:]
    private(set) var groups: [[String: String]: LabelGroup] = [:]
    /// The uids of what stands behind each ServiceEntry.
    var endpoints: [String: [String]] = [:]
    /// The policies that PeerAuthentications of this namespace became, by key.
    var converted: Set<String> = []
    private var selectable = SelectorIndex<ServiceTranslation.Selectable>()
    /// Of this namespace alone.
    private(set) var policies: PolicyTranslation
    private(set) var peers: PeerAuthenticationTranslation
    var dirt = NamespaceDirt()

    init(_ name: String, options: MeshOptions) {
        self.name = name
        policies = PolicyTranslation(ResourceSet(), options: options)
        peers = PeerAuthenticationTranslation(ResourceSet(), options: options)
    }

    var isEmpty: Bool {
        resource == nil && services.isEmpty && serviceEntries.isEmpty && authorizationPolicies.isEmpty
            && peerAuthentications.isEmpty && entries.isEmpty
    }

    // MARK: - Entries

    /// Its group gets it; a new group has to be filled.
    func put(_ entry: Resource.WorkloadEntry) {
        remove(entry: entry.metadata.name)
        let labels = entry.labels
        let group: LabelGroup
        if let known = groups[labels] {
            group = known
        } else {
            group = LabelGroup(labels)
            groups[labels] = group
            dirt.newGroups.append(group)
        }
        group.members.insert(entry.metadata.name)
        entries[entry.metadata.name] = HeldEntry(entry.compacted(labels: group.labels), in: group)
        dirt.entries.insert(entry.metadata.name)
    }

    func remove(entry name: String) {
        guard let held = entries.removeValue(forKey: name) else { return }
        held.group.members.remove(name)
        if held.group.members.isEmpty { groups[held.group.labels] = nil }
        dirt.entries.insert(name)
    }

    func isCaptured(_ entry: Resource.WorkloadEntry) -> Bool {
        guard entry.node != nil else { return false }
        switch entry.mode {
        case .ambient: return true
        case Resource.DataplaneMode.none?: return false
        case nil: return resource?.mode == .ambient
        }
    }

    // MARK: - Indexes

    func rebuildServices(options: MeshOptions) {
        selectable = SelectorIndex()
        for (_, service) in services.sorted(by: { $0.key < $1.key }) where service.type != .externalName {
            if let one = ServiceTranslation.selectable(service, options: options) { selectable.add(service.selector, one) }
        }
        for (_, entry) in serviceEntries.sorted(by: { $0.key < $1.key }) {
            guard let selector = entry.selector, !selector.isEmpty else { continue }
            for one in ServiceTranslation.selectables(entry) { selectable.add(selector, one) }
        }
    }

    func rebuildPolicies(options: MeshOptions) {
        var set = ResourceSet()
        set.authorizationPolicies = authorizationPolicies.sorted { $0.key < $1.key }.map(\.value)
        policies = PolicyTranslation(set, options: options)
    }

    /// - Parameter root: the namespace whose policies are the whole mesh's.
    func rebuildPeers(root: NamespaceModel?, options: MeshOptions) {
        var set = ResourceSet()
        if let root, root !== self { set.peerAuthentications = root.peerAuthentications.sorted { $0.key < $1.key }.map(\.value) }
        set.peerAuthentications += peerAuthentications.sorted { $0.key < $1.key }.map(\.value)
        peers = PeerAuthenticationTranslation(set, options: options)
    }

    /// Finds again what selects the groups that a change may concern. Whoever is selected by others than before is dirty.
    func refreshGroups(root: NamespaceModel?) {
        for group in dirt.newGroups { refresh(group, services: true, policies: true, root: root) }
        // Asking each group about each of many selectors would cost more than finding everything anew.
        let (allServices, allPolicies) = (
            dirt.allServices || dirt.services.count > Self.manySelectors,
            dirt.allPolicies || dirt.policies.count > Self.manySelectors
        )
        if allServices || allPolicies || !dirt.services.isEmpty || !dirt.policies.isEmpty {
            for group in groups.values {
                let services = allServices || dirt.services.contains { group.labels.contains($0) }
                let policies = allPolicies || dirt.policies.contains { group.labels.contains($0) }
                refresh(group, services: services, policies: policies, root: root)
            }
        }
        if dirt.allEntries { dirt.entries.formUnion(entries.keys) }
    }

    private static let manySelectors = 8

    private func refresh(_ group: LabelGroup, services: Bool, policies: Bool, root: NamespaceModel?) {
        if services {
            let found = selectable.matching(group.labels)
            if found != group.services {
                group.services = found
                dirt.entries.formUnion(group.members)
            }
        }
        if policies {
            let found = selecting(group.labels, root: root) + peers.applying(to: group.labels, namespace: name)
            if found != group.policies {
                group.policies = found
                dirt.entries.formUnion(group.members)
            }
        }
    }

    /// The names of the policies that select these labels: of this namespace and of the root.
    func selecting(_ labels: [String: String], root: NamespaceModel?) -> [String] {
        var keys = policies.own(labels, namespace: name)
        if let root, root !== self { keys += root.policies.own(labels, namespace: root.name) }
        return keys.sorted()
    }
}

extension [String: String] {
    /// Whether a selector fits these labels.
    fileprivate func contains(_ selector: [String: String]) -> Bool { selector.allSatisfy { self[$0.key] == $0.value } }
}

extension Resource.WorkloadEntry {
    /// What the translation reads of it and nothing else: fifty thousand of them are held.
    fileprivate func compacted(labels: [String: String]) -> Self {
        var metadata = metadata
        metadata.labels = labels
        metadata.annotations = metadata.annotations.filter {
            $0.key == WellKnown.autoRegistrationGroup || $0.key == WellKnown.redirection
        }
        (metadata.creationTimestamp, metadata.file) = ("", "")
        return Self(
            metadata: metadata, endpoint: endpoint.withoutLabels, mode: mode, node: node, networkNamespace: networkNamespace,
            additionalAddresses: additionalAddresses)
    }
}

extension Resource.EndpointSpec {
    /// They stand in the metadata.
    fileprivate var withoutLabels: Self {
        Self(
            address: address, ports: ports, labels: [:], network: network, locality: locality, weight: weight,
            serviceAccount: serviceAccount)
    }
}
