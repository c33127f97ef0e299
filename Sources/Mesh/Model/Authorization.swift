// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// A policy as hosts judge by it. The fields are those of `istio.security.Authorization`.
///
/// Groups are alternatives; within a group all rules must hold; within a rule one match is enough; within a match every field that
/// isn't empty must hold; within a field one value is enough, and of a `not…` field none may.
package struct Authorization: Hashable, Sendable {
    package enum Scope: Int32, Hashable, Sendable, CaseIterable {
        /// Every workload.
        case global = 0
        /// Every workload of the policy's namespace.
        case namespace = 1
        /// The workloads that list it.
        case workloadSelector = 2
    }

    package enum Action: Int32, Hashable, Sendable, CaseIterable {
        case allow = 0
        case deny = 1
    }

    package var name = ""
    package var namespace = ""
    package var scope = Scope.global
    package var action = Action.allow
    package var groups: [Group] = []
    /// Judged and reported, never enforced.
    package var dryRun = false

    package init() {}

    /// The name by which workloads and refusals call it: `shop/p`.
    package var key: String { "\(namespace)/\(name)" }

    /// One rule of the resource. No clauses: it holds for everything.
    package struct Group: Hashable, Sendable {
        package var rules: [Rules]
        /// Which rule of the resource this is, for those who read refusals; nil if nobody knows (it came over the wire).
        package var origin: RuleOrigin?

        package init(rules: [Rules], origin: RuleOrigin? = nil) {
            self.rules = rules
            self.origin = origin
        }
    }

    /// The `from`, the `to` or one `when` of a rule. No matches: it holds for everything.
    package struct Rules: Hashable, Sendable {
        package var matches: [Match]

        package init(matches: [Match]) { self.matches = matches }
    }

    package struct Match: Hashable, Sendable {
        package var namespaces: [StringMatch] = []
        package var notNamespaces: [StringMatch] = []
        /// Identities without `spiffe://`.
        package var principals: [StringMatch] = []
        package var notPrincipals: [StringMatch] = []
        package var sourceIPs: [IPPrefix] = []
        package var notSourceIPs: [IPPrefix] = []
        package var destinationIPs: [IPPrefix] = []
        package var notDestinationIPs: [IPPrefix] = []
        /// The port that the application serves, after the service's mapping; never 15008.
        package var destinationPorts: [UInt16] = []
        package var notDestinationPorts: [UInt16] = []
        package var serviceAccounts: [ServiceAccountMatch] = []
        package var notServiceAccounts: [ServiceAccountMatch] = []
        /// It also asks for something that isn't understood here: in a DENY it holds as far as the rest does, in an ALLOW never (I16).
        package var isPartlyUnknown = false

        package init() {}

        /// Nothing is asked: in a DENY this holds for everything, in an ALLOW for nothing (I16).
        package var isEmpty: Bool { self == Match() }
    }

    package enum StringMatch: Hashable, Sendable {
        case exact(String)
        case prefix(String)
        case suffix(String)
        /// Any, as long as there is one.
        case presence
    }

    /// A service account of any trust domain.
    package struct ServiceAccountMatch: Hashable, Sendable {
        package let namespace: String
        package let serviceAccount: String

        package init(namespace: String, serviceAccount: String) {
            self.namespace = namespace
            self.serviceAccount = serviceAccount
        }
    }
}

/// Where a rule was written: the number of the rule in its resource, from 1, and the place in the file.
package struct RuleOrigin: Hashable, Sendable {
    package let rule: Int
    package let file: String
    package let line: Int

    package init(rule: Int, file: String, line: Int) {
        self.rule = rule
        self.file = file
        self.line = line
    }
}
