// SPDX-License-Identifier: Apache-2.0

/// The policies that apply to a workload, by their place in the snapshot. Shared between workloads to which the same apply.
struct PolicySet: Sendable {
    let deny: [Int32]
    let allow: [Int32]
    /// A policy that the workload names and the snapshot doesn't have: everything is denied until it is there (I16).
    let unknown: String?

    static let none = PolicySet(deny: [], allow: [], unknown: nil)
}

/// All policies, and the sets of them that apply to workloads: one for each namespace and list of names. A workload holds the number of its set, so
/// that a policy that changes changes the sets and no workload. A value.
struct PolicyTable: Sendable {
    /// What decides which policies apply.
    private struct Selection: Hashable, Sendable {
        let namespace: String
        /// `NAMESPACE/NAME`, as the workload lists them.
        let names: [String]
    }

    private var byKey: [String: CompiledPolicy] = [:]
    /// Sorted by key.
    private(set) var policies: ContiguousArray<CompiledPolicy> = []
    private(set) var sets: ContiguousArray<PolicySet> = []
    private var selections: ContiguousArray<Selection> = []
    /// How many workloads have each set.
    private var uses: ContiguousArray<Int32> = []
    private var numbers: [Selection: Int32] = [:]
    private var free: [Int32] = []
    private var isStale = false
    private var unmade: [Int32] = []

    // MARK: - Policies

    mutating func put(_ authorization: Authorization) {
        byKey[authorization.key] = CompiledPolicy(authorization)
        isStale = true
    }

    mutating func remove(_ key: String) { if byKey.removeValue(forKey: key) != nil { isStale = true } }

    var authorizations: [Authorization] { byKey.values.map(\.authorization) }

    // MARK: - Sets

    /// The number of the set that applies to a workload, which holds it until `release`.
    mutating func take(for workload: Workload) -> Int32 {
        let selection = Selection(namespace: workload.namespace, names: workload.authorizationPolicies)
        if let known = numbers[selection] {
            uses[Int(known)] += 1
            return known
        }
        let number: Int32
        if let freed = free.popLast() {
            number = freed
            selections[Int(number)] = selection
            uses[Int(number)] = 1
        } else {
            number = Int32(selections.count)
            selections.append(selection)
            uses.append(1)
            sets.append(.none)
        }
        numbers[selection] = number
        unmade.append(number)
        return number
    }

    mutating func release(_ number: Int32) {
        uses[Int(number)] -= 1
        guard uses[Int(number)] == 0 else { return }
        numbers[selections[Int(number)]] = nil
        selections[Int(number)] = Selection(namespace: "", names: [])
        sets[Int(number)] = .none
        free.append(number)
    }

    /// Works out what has changed: before that sets are of what was.
    mutating func settle() {
        guard isStale || !unmade.isEmpty else { return }
        if isStale { policies = ContiguousArray(byKey.values.sorted { $0.key < $1.key }) }
        let index = PolicyIndex(policies)
        let numbers = isStale ? selections.indices.map { Int32($0) } : unmade
        for number in numbers where uses[Int(number)] > 0 {
            let selection = selections[Int(number)]
            sets[Int(number)] = index.set(namespace: selection.namespace, names: selection.names)
        }
        (isStale, unmade) = (false, [])
    }
}

/// Finds policies by what they are for.
private struct PolicyIndex {
    private let policies: ContiguousArray<CompiledPolicy>
    private var byKey: [String: Int32] = [:]
    private var global: [Int32] = []
    private var byNamespace: [String: [Int32]] = [:]

    init(_ policies: ContiguousArray<CompiledPolicy>) {
        self.policies = policies
        for (index, policy) in policies.enumerated() {
            let number = Int32(index)
            byKey[policy.key] = number
            switch policy.authorization.scope {
            case .global: global.append(number)
            case .namespace: byNamespace[policy.authorization.namespace, default: []].append(number)
            case .workloadSelector: break
            }
        }
    }

    func set(namespace: String, names: [String]) -> PolicySet {
        var numbers = global + (byNamespace[namespace] ?? [])
        var unknown: String?
        for name in names {
            if let number = byKey[name] {
                if !numbers.contains(number) { numbers.append(number) }
            } else {
                unknown = unknown ?? name
            }
        }
        // Dry-run policies decide nothing.
        let enforced = numbers.filter { !policies[Int($0)].authorization.dryRun }
        return PolicySet(
            deny: enforced.filter { policies[Int($0)].authorization.action == .deny },
            allow: enforced.filter { policies[Int($0)].authorization.action == .allow }, unknown: unknown)
    }
}
