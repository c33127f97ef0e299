// SPDX-License-Identifier: Apache-2.0

/// How resources come and go.
extension IncrementalTranslation {
    /// Takes resources that are new or changed.
    package func put(_ set: ResourceSet) {
        for namespace in set.namespaces { put(namespace, namespace.metadata.name) }
        for service in set.services { put(service, service.metadata.namespace, service.metadata.name) }
        for entry in set.serviceEntries { put(entry, entry.metadata.namespace, entry.metadata.name) }
        for policy in set.authorizationPolicies { put(policy, policy.metadata.namespace, policy.metadata.name) }
        for policy in set.peerAuthentications { put(policy, policy.metadata.namespace, policy.metadata.name) }
        for entry in set.workloadEntries { put(entry, entry.metadata.namespace, entry.metadata.name) }
    }

    /// Forgets a resource. One that isn't there is no change.
    package func remove(_ name: TranslatedName) {
        switch name.kind {
        case .namespace: put(nil as Resource.Namespace?, name.name)
        case .service: put(nil as Resource.Service?, name.namespace, name.name)
        case .workloadEntry: put(nil as Resource.WorkloadEntry?, name.namespace, name.name)
        case .serviceEntry: put(nil as Resource.ServiceEntry?, name.namespace, name.name)
        case .authorizationPolicy: put(nil as Resource.AuthorizationPolicy?, name.namespace, name.name)
        case .peerAuthentication: put(nil as Resource.PeerAuthentication?, name.namespace, name.name)
        }
    }

    private func put(_ new: Resource.Namespace?, _ name: String) {
        let model = touch(name)
        let old = model.resource
        model.resource = new
        if old?.mode != new?.mode || old?.nonTCP != new?.nonTCP { model.dirt.allEntries = true }
    }

    private func put(_ new: Resource.WorkloadEntry?, _ namespace: String, _ name: String) {
        let model = touch(namespace)
        let old = model.entries[name]?.entry
        guard old != nil || new != nil else { return }
        if let new { model.put(new) } else { model.remove(entry: name) }
        noteEntry(old, new)
    }

    private func put(_ new: Resource.Service?, _ namespace: String, _ name: String) {
        let model = touch(namespace)
        let old = model.services[name]
        guard old != nil || new != nil else { return }
        model.services[name] = new
        model.dirt.servicesChanged = true
        let claim = ServiceClaims.Claim(isEntry: false, name: name)
        let place = ServiceClaims.Place(namespace: namespace, hostname: "\(name).\(namespace).svc.\(options.clusterDomain)")
        if let old, old.type != .externalName { claims.remove(claim, place, holder: nil) }
        if let new, new.type != .externalName { claims.add(claim, place, holder: nil) }
        for selector in [old?.selector, new?.selector].compactMap({ $0 }) where !selector.isEmpty {
            model.dirt.services.append(selector)
        }
    }

    private func put(_ new: Resource.ServiceEntry?, _ namespace: String, _ name: String) {
        let model = touch(namespace)
        let old = model.serviceEntries[name]
        guard old != nil || new != nil else { return }
        model.serviceEntries[name] = new
        model.dirt.servicesChanged = true
        model.dirt.serviceEntries.insert(name)
        let claim = ServiceClaims.Claim(isEntry: true, name: name)
        if let old { for (place, holder) in places(old) { claims.remove(claim, place, holder: holder) } }
        if let new { for (place, holder) in places(new) { claims.add(claim, place, holder: holder) } }
        for selector in [old?.selector, new?.selector].compactMap({ $0 }) where !selector.isEmpty {
            model.dirt.services.append(selector)
        }
    }

    private func places(_ entry: Resource.ServiceEntry) -> [(ServiceClaims.Place, ServiceClaims.Holder)] {
        let metadata = entry.metadata
        let holder = ServiceClaims.Holder(
            namespace: metadata.namespace, name: metadata.name, creationTimestamp: metadata.creationTimestamp)
        // A host that stands there twice is one.
        return Set(entry.hosts).map { (ServiceClaims.Place(namespace: metadata.namespace, hostname: $0), holder) }
    }

    private func put(_ new: Resource.AuthorizationPolicy?, _ namespace: String, _ name: String) {
        let model = touch(namespace)
        let old = model.authorizationPolicies[name]
        guard old != nil || new != nil else { return }
        model.authorizationPolicies[name] = new
        model.dirt.policiesChanged = true
        notePolicy(namespace, name)
        let selectors = [old?.selector, new?.selector].compactMap { $0 }.filter { !$0.isEmpty }
        guard !selectors.isEmpty else { return }
        // Those of the root select everywhere.
        let names = namespace == options.rootNamespace ? Array(namespaces.keys) : [namespace]
        for name in names {
            let model = touch(name)
            model.dirt.policies += selectors
            model.dirt.serviceEntries.formUnion(model.serviceEntries.keys)
        }
    }

    private func put(_ new: Resource.PeerAuthentication?, _ namespace: String, _ name: String) {
        let model = touch(namespace)
        let old = model.peerAuthentications[name]
        guard old != nil || new != nil else { return }
        model.peerAuthentications[name] = new
        peerCount += (new == nil ? 0 : 1) - (old == nil ? 0 : 1)
        let names = namespace == options.rootNamespace ? Array(namespaces.keys) : [namespace]
        for name in names {
            let model = touch(name)
            model.dirt.peersChanged = true
            model.dirt.serviceEntries.formUnion(model.serviceEntries.keys)
            for policy in [old, new].compactMap({ $0 }) {
                if let selector = policy.selects { model.dirt.policies.append(selector) } else { model.dirt.allPolicies = true }
            }
        }
    }
}

extension IncrementalTranslation {
    /// All resources that it holds.
    package var names: [TranslatedName] {
        namespaces.values.flatMap { model in
            var names = model.resource == nil ? [] : [TranslatedName(.namespace, model.name)]
            names += model.services.keys.map { TranslatedName(.service, namespace: model.name, $0) }
            names += model.serviceEntries.keys.map { TranslatedName(.serviceEntry, namespace: model.name, $0) }
            names += model.authorizationPolicies.keys.map { TranslatedName(.authorizationPolicy, namespace: model.name, $0) }
            names += model.peerAuthentications.keys.map { TranslatedName(.peerAuthentication, namespace: model.name, $0) }
            names += model.entries.keys.map { TranslatedName(.workloadEntry, namespace: model.name, $0) }
            return names
        }
    }
}
