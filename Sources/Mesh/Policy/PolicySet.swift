// SPDX-License-Identifier: Apache-2.0

/// The policies that apply to a workload, by their place in the snapshot. Shared between workloads to which the same apply.
final class PolicySet: Sendable {
    let deny: [Int32]
    let allow: [Int32]
    /// A policy that the workload names and the snapshot doesn't have: everything is denied until it is there (I16).
    let unknown: String?

    init(deny: [Int32], allow: [Int32], unknown: String?) {
        self.deny = deny
        self.allow = allow
        self.unknown = unknown
    }
}

/// Finds the policies of each workload while a snapshot is built.
struct PolicyIndex {
    let policies: ContiguousArray<CompiledPolicy>
    private var byKey: [String: Int32] = [:]
    private var global: [Int32] = []
    private var byNamespace: [String: [Int32]] = [:]
    private var shared: [String: PolicySet] = [:]

    init(_ authorizations: [Authorization], options: MeshOptions) {
        policies = ContiguousArray(authorizations.sorted { $0.key < $1.key }.map(CompiledPolicy.init))
        for (index, policy) in policies.enumerated() {
            let authorization = policy.authorization
            let number = Int32(index)
            byKey[policy.key] = number
            switch authorization.scope {
            case .global: global.append(number)
            case .namespace: byNamespace[authorization.namespace, default: []].append(number)
            case .workloadSelector: break
            }
        }
    }

    mutating func set(for workload: Workload) -> PolicySet {
        let own = workload.authorizationPolicies
        if own.isEmpty, let known = shared[workload.namespace] { return known }
        var numbers = global + byNamespace[workload.namespace, default: []]
        var unknown: String?
        for name in own {
            if let number = byKey[name] {
                if !numbers.contains(number) { numbers.append(number) }
            } else {
                unknown = unknown ?? name
            }
        }
        // Dry-run policies decide nothing.
        let enforced = numbers.filter { !policies[Int($0)].authorization.dryRun }
        let set = PolicySet(
            deny: enforced.filter { policies[Int($0)].authorization.action == .deny },
            allow: enforced.filter { policies[Int($0)].authorization.action == .allow }, unknown: unknown)
        if own.isEmpty { shared[workload.namespace] = set }
        return set
    }
}
