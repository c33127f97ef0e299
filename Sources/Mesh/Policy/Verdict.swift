// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// What a connection is judged by, at its destination.
package struct AuthorizationRequest: Sendable {
    /// From the peer's certificate, or from what the kernel attests on the same host; nil for plaintext.
    package let source: SPIFFEID?
    /// The TCP peer. Never what a header says.
    package let sourceAddress: IPAddress
    package let destinationAddress: IPAddress
    /// The application's own port, never 15008.
    package let destinationPort: UInt16
    /// The identity as policies compare it; made once for all policies.
    let principal: String

    package init(
        source: SPIFFEID?, sourceAddress: IPAddress, destinationAddress: IPAddress, destinationPort: UInt16
    ) {
        self.source = source
        self.sourceAddress = sourceAddress
        self.destinationAddress = destinationAddress
        self.destinationPort = destinationPort
        principal = source?.principal ?? ""
    }
}

/// One rule of one policy, as refusals name it.
package struct RuleReference: Hashable, Sendable {
    /// `NAMESPACE/NAME`.
    package let policy: String
    /// Which rule of the resource, from 1; for policies that came over the wire, which group.
    package let rule: Int
    /// Where it was written, if it was read from a file here.
    package let origin: RuleOrigin?

    package init(policy: String, rule: Int, origin: RuleOrigin? = nil) {
        self.policy = policy
        self.rule = rule
        self.origin = origin
    }
}

extension RuleReference {
    /// Made from a PeerAuthentication, which the name alone doesn't tell everyone.
    fileprivate var isConverted: Bool {
        let name = policy.split(separator: "/").last ?? ""
        return name == PeerAuthenticationTranslation.staticStrictName
            || name.hasPrefix(PeerAuthenticationTranslation.convertedPrefix)
    }
}

/// Whether a connection may be made, and by what.
package enum Verdict: Hashable, Sendable {
    /// By the rule that allowed it; nil if no ALLOW policy applies to the destination.
    case allowed(by: RuleReference?)
    case denied(Denial)

    package var isAllowed: Bool { if case .allowed = self { true } else { false } }

    /// The policy that decided, `NAMESPACE/NAME`, if one did.
    package var policy: String? {
        switch self {
        case .allowed(let rule): rule?.policy
        case .denied(.byRule(let rule)): rule.policy
        case .denied(.byUnknownPolicy(let name)): name
        case .denied(.byNoAllow): nil
        }
    }

    /// For the log, metrics and the CLI: one clause without a full stop.
    package var reason: String {
        switch self {
        case .allowed(nil): "no ALLOW policy applies"
        case .allowed(let rule?): "allowed by: \(rule.policy) rule \(rule.rule)"
        case .denied(let denial): denial.reason
        }
    }
}

package enum Denial: Hashable, Sendable {
    /// A DENY policy's rule holds.
    case byRule(RuleReference)
    /// ALLOW policies apply and none of their rules holds; the policies are named.
    case byNoAllow(policies: [String])
    /// The destination names a policy that isn't known here: what can't be judged isn't allowed (I16).
    case byUnknownPolicy(String)

    package var reason: String {
        switch self {
        case .byRule(let rule):
            "explicitly denied by: \(rule.policy) rule \(rule.rule)"
                + (rule.isConverted ? " (a PeerAuthentication refuses plaintext)" : "")
        case .byNoAllow(let policies): "allow policies exist, but none allowed: \(policies.joined(separator: ", "))"
        case .byUnknownPolicy(let name): "policy \(name) is not known here, so nothing is allowed"
        }
    }
}
