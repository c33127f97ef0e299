// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Mesh

/// What hosts make of an AuthorizationPolicy, as a condition by the name and with the reasons that istiod writes for its ztunnels: whether they judge
/// by it, and what in it only a waypoint could judge, of which there is none (I16). It follows from the policy alone. Pure.
enum PolicyAcceptance {
    static let resource = "authorizationpolicies.security.istio.io"
    private static let type = "ZtunnelAccepted"
    private static let accepted = "Accepted"
    private static let unsupported = "UnsupportedValue"

    /// Nil for what is no policy for hosts, or can't be read.
    static func condition(of object: Value) -> Condition? {
        loadResource(object, name: "").0.authorizationPolicies.first.flatMap { condition(of: $0) }
    }

    static func condition(of policy: Resource.AuthorizationPolicy) -> Condition? {
        guard !policy.hasTargetRefs else { return nil }
        if policy.isDryRun { return Condition(type, "False", unsupported, "a dry-run policy allows and denies nothing") }
        switch policy.action {
        case .audit, .custom:
            let action = policy.action.rawValue
            return Condition(
                type, "False", unsupported, "hosts don't support the action \(action): the policy allows and denies nothing")
        case .allow, .deny: break
        }
        let found = Set(policy.rules.flatMap(\.httpAttributes)).sorted()
        // Without what they can't judge it still holds: that it does otherwise than it says is the reason's to tell, as in Istio.
        guard !found.isEmpty else { return Condition(type, "True", accepted, "hosts judge by it") }
        let effect =
            policy.action == .allow
            ? "rules of an ALLOW policy that ask for them allow nothing" : "a DENY policy denies as if it didn't ask for them"
        return Condition(
            type, "True", unsupported,
            "hosts can't judge HTTP attributes (found: \(found.joined(separator: ", "))), and no waypoint does: \(effect),"
                + " which is more restrictive than requested")
    }
}
