// SPDX-License-Identifier: Apache-2.0

/// AuthorizationPolicies as hosts judge by them. What isn't theirs to judge (a waypoint's policies, AUDIT, CUSTOM, dry-run) is left out.
struct PolicyTranslation {
    private(set) var authorizations: [Authorization] = []
    /// Policies with a selector, by the namespace in which they select; those of the root namespace select everywhere.
    private var selectors: [String: SelectorIndex<String>] = [:]
    private let rootNamespace: String

    init(_ set: ResourceSet, options: MeshOptions) {
        rootNamespace = options.rootNamespace
        for policy in set.authorizationPolicies {
            guard let authorization = Self.authorization(policy, options: options) else { continue }
            if authorization.scope == .workloadSelector, let labels = policy.selector {
                selectors[policy.metadata.namespace, default: SelectorIndex()].add(labels, authorization.key)
            }
            authorizations.append(authorization)
        }
    }

    /// Nil if hosts have nothing to judge by it.
    static func authorization(_ policy: Resource.AuthorizationPolicy, options: MeshOptions) -> Authorization? {
        guard !policy.hasTargetRefs, !policy.isDryRun, let action = policy.action.enforced else { return nil }
        var authorization = Authorization()
        authorization.name = policy.metadata.name
        authorization.namespace = policy.metadata.namespace
        authorization.action = action
        authorization.groups = policy.rules.enumerated().compactMap { index, rule in
            rule.group(action: action, origin: RuleOrigin(rule: index + 1, file: policy.metadata.file, line: rule.line))
        }
        if let labels = policy.selector, !labels.isEmpty {
            authorization.scope = .workloadSelector
        } else {
            authorization.scope = policy.metadata.namespace == options.rootNamespace ? .global : .namespace
        }
        return authorization
    }

    /// The names of the policies that select a workload of this namespace with these labels, sorted.
    func selecting(_ labels: [String: String], namespace: String) -> [String] {
        var keys = own(labels, namespace: namespace)
        if namespace != rootNamespace { keys += own(labels, namespace: rootNamespace) }
        return keys.sorted()
    }

    /// Those of one namespace alone.
    func own(_ labels: [String: String], namespace: String) -> [String] { selectors[namespace]?.matching(labels) ?? [] }
}

extension Resource.AuthorizationPolicy.Action {
    fileprivate var enforced: Authorization.Action? {
        switch self {
        case .allow: .allow
        case .deny: .deny
        case .audit, .custom: nil
        }
    }
}

extension Resource.AuthorizationPolicy.Rule {
    /// The rule without what only HTTP could tell: a DENY becomes wider by that, an ALLOW narrower, down to nothing (I16).
    fileprivate func group(action: Authorization.Action, origin: RuleOrigin) -> Authorization.Group? {
        if action == .allow, !httpAttributes.isEmpty { return nil }
        var rules: [Authorization.Rules] = []
        if !to.isEmpty { rules.append(.init(matches: to)) }
        if !from.isEmpty { rules.append(.init(matches: from)) }
        rules += when.map { .init(matches: [$0]) }
        return Authorization.Group(rules: rules, origin: origin)
    }
}
