// SPDX-License-Identifier: Apache-2.0

/// The translation as it goes on: told which resources changed, it says what is different for hosts, and the sum of that is always what `translate`
/// says of all of them. A change costs what it concerns, not what there is.
///
/// Beyond `translate` it knows what hosts report: a workload's tunnel is told of only when its host captures it, and the workloads of a host that
/// is gone are unhealthy (I21). Owned by one thread.
package final class IncrementalTranslation {
    let options: MeshOptions
    /// Workloads speak HBONE only after `setCaptured`.
    private let waitsForCapture: Bool
    var namespaces: [String: NamespaceModel] = [:]
    var dirtyNamespaces: Set<String> = []
    var claims = ServiceClaims()
    private var dirtyPolicies: Set<TranslatedName> = []
    var peerCount = 0
    private var tellsStaticStrict = false
    /// The WorkloadEntries on each host.
    private var byNode: [String: Set<TranslatedName>] = [:]
    private var captures: [String: Set<String>] = [:]
    private var unhealthy: Set<String> = []
    private var leftNodes: Set<TranslationChange.Local> = []

    package init(options: MeshOptions, waitsForCapture: Bool) {
        self.options = options
        self.waitsForCapture = waitsForCapture
    }

    func model(_ name: String) -> NamespaceModel {
        if let known = namespaces[name] { return known }
        let made = NamespaceModel(name, options: options)
        namespaces[name] = made
        // Policies of the whole mesh count in a new namespace too.
        made.dirt.peersChanged = true
        dirtyNamespaces.insert(name)
        return made
    }

    func touch(_ name: String) -> NamespaceModel {
        dirtyNamespaces.insert(name)
        return model(name)
    }

    private var root: NamespaceModel? { namespaces[options.rootNamespace] }

    // MARK: - What hosts report

    /// The workloads that a host captures, by uid. It counts for those that run there alone.
    package func setCaptured(node: String, _ uids: Set<String>) {
        let before = captures[node] ?? []
        guard uids != before else { return }
        captures[node] = uids.isEmpty ? nil : uids
        let changed = uids.symmetricDifference(before)
        for place in byNode[node] ?? [] where changed.contains(uid(place)) {
            touch(place.namespace).dirt.entries.insert(place.name)
        }
    }

    package func setHealthy(_ isHealthy: Bool, node: String) {
        guard isHealthy ? unhealthy.remove(node) != nil : unhealthy.insert(node).inserted else { return }
        for place in byNode[node] ?? [] { touch(place.namespace).dirt.entries.insert(place.name) }
    }

    private func uid(_ place: TranslatedName) -> String {
        WorkloadTranslation.uid(entry: place.name, namespace: place.namespace, options)
    }

    // MARK: - Notes of what changed

    func notePolicy(_ namespace: String, _ name: String) {
        dirtyPolicies.insert(TranslatedName(.authorizationPolicy, namespace: namespace, name))
    }

    func noteEntry(_ old: Resource.WorkloadEntry?, _ new: Resource.WorkloadEntry?) {
        guard old?.node != new?.node, let metadata = (old ?? new)?.metadata else { return }
        let place = TranslatedName(.workloadEntry, namespace: metadata.namespace, metadata.name)
        if let node = old?.node {
            byNode[node]?.remove(place)
            if byNode[node]?.isEmpty == true { byNode[node] = nil }
            leftNodes.insert(.init(uid: uid(place), node: node))
        }
        if let node = new?.node { byNode[node, default: []].insert(place) }
    }

    // MARK: - What is different

    /// What is different since the last call.
    package func flush() -> TranslationChange {
        var change = TranslationChange()
        rebuild(&change)
        flushPolicies(&change)
        flushServices(&change)
        for name in dirtyNamespaces { flushWorkloads(model(name), &change) }
        let told = Set(change.local.map { TranslationChange.Local(uid: $0.uid, node: $0.node) })
        change.removedLocal = leftNodes.subtracting(told).sorted { ($0.uid, $0.node) < ($1.uid, $1.node) }
        leftNodes = []
        for name in dirtyNamespaces where namespaces[name]?.isEmpty == true { namespaces[name] = nil }
        dirtyNamespaces = []
        return change
    }

    /// The indexes of what changed; those of the root first, since others read them.
    private func rebuild(_ change: inout TranslationChange) {
        let models = dirtyNamespaces.compactMap { namespaces[$0] }.sorted { $0 === root && $1 !== root }
        for model in models where model.dirt.policiesChanged { model.rebuildPolicies(options: options) }
        for model in models {
            if model.dirt.servicesChanged { model.rebuildServices(options: options) }
            if model.dirt.peersChanged {
                model.rebuildPeers(root: root, options: options)
                flushConverted(model, &change)
            }
            model.refreshGroups(root: root)
        }
    }

    private func flushConverted(_ model: NamespaceModel, _ change: inout TranslationChange) {
        let converted = model.peers.authorizations.filter {
            $0.namespace == model.name && $0.name != PeerAuthenticationTranslation.staticStrictName
        }
        let keys = Set(converted.map(\.key))
        change.authorizations += converted
        change.removedAuthorizations += model.converted.subtracting(keys)
        model.converted = keys
    }

    private func flushPolicies(_ change: inout TranslationChange) {
        for place in dirtyPolicies {
            let policy = namespaces[place.namespace]?.authorizationPolicies[place.name]
            if let authorization = policy.flatMap({ PolicyTranslation.authorization($0, options: options) }) {
                change.authorizations.append(authorization)
            } else {
                change.removedAuthorizations.append("\(place.namespace)/\(place.name)")
            }
        }
        dirtyPolicies = []
        guard tellsStaticStrict != (peerCount > 0) else { return }
        tellsStaticStrict = peerCount > 0
        let policy = PeerAuthenticationTranslation.staticStrict(options)
        if tellsStaticStrict { change.authorizations.append(policy) } else { change.removedAuthorizations.append(policy.key) }
    }

    private func flushServices(_ change: inout TranslationChange) {
        for place in claims.takeDirty() {
            guard let claim = claims.claim(place), var service = service(claim, place) else {
                change.removedServices.append(place.key)
                continue
            }
            service.canonical = claims.isCanonical(claim, place)
            change.services.append(service)
        }
    }

    private func service(_ claim: ServiceClaims.Claim, _ place: ServiceClaims.Place) -> Service? {
        guard let model = namespaces[place.namespace] else { return nil }
        guard claim.isEntry else { return model.services[claim.name].map { ServiceTranslation.service($0, options: options) } }
        return model.serviceEntries[claim.name].flatMap { entry in
            ServiceTranslation.services(entry, options: options).first { $0.hostname == place.hostname }
        }
    }

    private func flushWorkloads(_ model: NamespaceModel, _ change: inout TranslationChange) {
        for name in model.dirt.entries {
            let place = TranslatedName(.workloadEntry, namespace: model.name, name)
            guard let held = model.entries[name] else {
                change.removedWorkloads.append(uid(place))
                continue
            }
            add(held, model, place, &change)
        }
        for name in model.dirt.serviceEntries { flushEndpoints(name, model, &change) }
        model.dirt = NamespaceDirt()
    }

    private func add(
        _ held: HeldEntry, _ model: NamespaceModel, _ place: TranslatedName, _ change: inout TranslationChange
    ) {
        let entry = held.entry
        let isCaptured = model.isCaptured(entry)
        let node = entry.node ?? ""
        let speaks = isCaptured && (!waitsForCapture || captures[node]?.contains(uid(place)) == true)
        var workload = WorkloadTranslation.workload(
            entry, options: options, services: held.group.services, policies: held.group.policies, isCaptured: speaks)
        if unhealthy.contains(node) { workload.status = .unhealthy }
        change.workloads.append(workload)
        if let local = WorkloadTranslation.local(
            entry, uid: workload.uid, isCaptured: isCaptured, nonTCP: model.resource?.nonTCP)
        {
            change.local.append(local)
        }
    }

    private func flushEndpoints(_ name: String, _ model: NamespaceModel, _ change: inout TranslationChange) {
        var workloads: [Workload] = []
        if let entry = model.serviceEntries[name] {
            // A host that stands there twice is one.
            var seen: Set<String> = []
            workloads = WorkloadTranslation.workloads(
                entry, options: options, policies: model.selecting(entry.metadata.labels, root: root), peers: model.peers
            ).filter { seen.insert($0.uid).inserted }
        }
        let uids = Set(workloads.map(\.uid))
        change.removedWorkloads += (model.endpoints[name] ?? []).filter { !uids.contains($0) }
        model.endpoints[name] = workloads.isEmpty ? nil : workloads.map(\.uid)
        change.workloads += workloads
    }
}
