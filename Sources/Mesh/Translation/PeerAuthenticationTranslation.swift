// SPDX-License-Identifier: Apache-2.0

import Documents

/// PeerAuthentications as DENY policies against callers without an identity, as istiod makes them.
///
/// STRICT for all ports is one policy for the whole mesh, which the workloads concerned name. A policy with ports of its own becomes one
/// of its own: any DENY that holds denies, so exceptions can't stand beside the general one and are merged with it.
struct PeerAuthenticationTranslation {
    private typealias Policy = Resource.PeerAuthentication

    /// `_` is in no Kubernetes name, so no resource can have these.
    static let staticStrictName = "istio_converted_static_strict"
    static let convertedPrefix = "converted_peer_authentication_"

    private let options: MeshOptions
    private var mesh: Policy?
    private var wide: [String: Policy] = [:]
    /// The oldest first.
    private var narrow: [String: SelectorIndex<Policy>] = [:]
    private(set) var authorizations: [Authorization] = []

    init(_ set: ResourceSet, options: MeshOptions) {
        self.options = options
        var selecting: [Policy] = []
        for policy in set.peerAuthentications.sorted(by: { $0.metadata.isOlder(than: $1.metadata) }) {
            let namespace = policy.metadata.namespace
            if let labels = policy.selects {
                guard namespace != options.rootNamespace else { continue }
                narrow[namespace, default: SelectorIndex()].add(labels, policy)
                selecting.append(policy)
            } else if namespace == options.rootNamespace {
                mesh = mesh ?? policy
            } else {
                wide[namespace] = wide[namespace] ?? policy
            }
        }
        guard !set.peerAuthentications.isEmpty else { return }
        authorizations = [Self.staticStrict(options)] + selecting.compactMap(convert)
    }

    /// Whether a workload without a policy of its own takes no plaintext.
    private func isStrict(_ namespace: String) -> Bool {
        let inherited = mesh?.mode == .strict
        guard let own = wide[namespace], own.mode != .unset else { return inherited }
        return own.mode == .strict
    }

    /// The policies that a workload must name.
    func applying(to labels: [String: String], namespace: String) -> [String] {
        let general = "\(options.rootNamespace)/\(Self.staticStrictName)"
        let inherited = isStrict(namespace)
        guard let own = narrow[namespace]?.matching(labels).first else { return inherited ? [general] : [] }
        let isStrict = own.mode == .strict || own.mode == .unset && inherited
        let exceptions = own.ports.values.contains { isStrict ? $0.isOpen : $0 == .strict }
        if exceptions { return ["\(namespace)/\(Self.convertedPrefix)\(own.metadata.name)"] }
        return isStrict ? [general] : []
    }

    // MARK: - Policies

    private static func denied(_ build: (inout Authorization.Match) -> Void) -> Authorization.Rules {
        var match = Authorization.Match()
        build(&match)
        return Authorization.Rules(matches: [match])
    }

    private static let withoutIdentity = denied { $0.notPrincipals = [.presence] }

    /// What all workloads name that take no plaintext at all.
    static func staticStrict(_ options: MeshOptions) -> Authorization {
        var policy = Authorization()
        policy.name = staticStrictName
        policy.namespace = options.rootNamespace
        policy.scope = .workloadSelector
        policy.action = .deny
        policy.groups = [.init(rules: [withoutIdentity])]
        return policy
    }

    /// The policy of its own for one with ports; nil if the general one says the same.
    private func convert(_ policy: Policy) -> Authorization? {
        let isStrict = policy.mode == .strict || policy.mode == .unset && isStrict(policy.metadata.namespace)
        let origin = RuleOrigin(rule: 1, file: policy.metadata.file, line: policy.metadata.position.line)
        let ports = policy.ports.sorted { $0.key < $1.key }
        var groups: [Authorization.Group] = []
        if isStrict {
            // One group: no identity, and none of the ports that are open.
            let open = ports.filter { $0.value.isOpen }.map(\.key)
            guard !open.isEmpty else { return nil }
            let rules = open.map { port in Self.denied { $0.notDestinationPorts = [port] } }
            groups = [.init(rules: [Self.withoutIdentity] + rules, origin: origin)]
        } else {
            // One group for each port that is closed.
            groups = ports.filter { $0.value == .strict }.map { port, _ in
                let rule = Self.denied {
                    $0.notPrincipals = [.presence]
                    $0.destinationPorts = [port]
                }
                return .init(rules: [rule], origin: origin)
            }
            guard !groups.isEmpty else { return nil }
        }
        var authorization = Authorization()
        authorization.name = Self.convertedPrefix + policy.metadata.name
        authorization.namespace = policy.metadata.namespace
        authorization.scope = .workloadSelector
        authorization.action = .deny
        authorization.groups = groups
        return authorization
    }
}
