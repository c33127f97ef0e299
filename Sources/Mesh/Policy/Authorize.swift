// SPDX-License-Identifier: Apache-2.0

extension MeshSnapshot {
    /// Judges a connection by the policies of its destination: DENY, then ALLOW, then what holds where no ALLOW policy applies.
    /// Pure; allocates only to name the policies of a refusal.
    package func authorize(_ request: AuthorizationRequest, destination: WorkloadID) -> Verdict {
        let applied = policySet(of: destination)
        for number in applied.deny {
            let policy = policies[Int(number)]
            if let group = policy.firstMatch(request) { return .denied(.byRule(policy.reference(group))) }
        }
        // After the DENY policies: a refusal that names a rule says more than one that names a gap.
        if let unknown = applied.unknown { return .denied(.byUnknownPolicy(unknown)) }
        for number in applied.allow {
            let policy = policies[Int(number)]
            if let group = policy.firstMatch(request) { return .allowed(by: policy.reference(group)) }
        }
        guard !applied.allow.isEmpty else { return .allowed(by: nil) }
        return .denied(.byNoAllow(policies: applied.allow.map { policies[Int($0)].key }))
    }

    /// The policies that decide about a destination, DENY before ALLOW, for those who want to see them.
    package func policies(applyingTo destination: WorkloadID) -> [CompiledPolicy] {
        let applied = policySet(of: destination)
        return (applied.deny + applied.allow).map { policies[Int($0)] }
    }
}
