// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import Documents
package import Store

/// Why a host may not have or register something: for counters and audit lines by its reason, for people by its sentence.
package struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Reason: String, Hashable, Sendable, CaseIterable {
        case foreignTrustDomain
        case notRegistered
        case notGranted
        case otherNode
        case notANode
        case badRequest
        case mismatch
        case evicted
        /// Wrong, expired, revoked or used.
        case token
        case nameTaken
        case busy
        case authority
        case store
    }

    package let reason: Reason
    package let description: String

    package init(_ reason: Reason, _ description: String) {
        self.reason = reason
        self.description = description
    }
}

/// The grants and the workloads that are registered on hosts, and what follows from them (I19). A value; on one thread.
package struct Grants {
    private var grants: [String: NodeGrant] = [:]
    private var registered = RegistrationTable()

    package init() {}

    package mutating func set(_ grant: NodeGrant?, named name: String) { grants[name] = grant }

    /// A WorkloadEntry as it is stored; nil if it is gone. One that names no host isn't kept.
    package mutating func set(_ text: [UInt8]?, at key: StoreKey) { registered.set(text, at: key) }

    /// What is registered on a host.
    package func registrations(on node: String) -> [Registration] { Array(registered.registrations(on: node)) }

    /// Whether a host may hold this workload; nil if it may.
    package func mayRegister(_ registration: Registration, on node: String) -> Refusal? {
        let workload = "\(registration.namespace)/\(registration.name)"
        guard !registration.hasOddAddress, !registration.addresses.isEmpty else {
            return Refusal(
                .notGranted, "workload \(workload) on host \(node) needs addresses that are IP addresses: no grant covers names")
        }
        let account = registration.serviceAccount
        let ofNode = grants.values.filter { $0.covers(node: node) }
        let ofAccount = ofNode.filter { $0.covers(namespace: registration.namespace, account: account) }
        if ofAccount.contains(where: { grant in registration.addresses.allSatisfy { grant.covers($0) } }) { return nil }
        let identity = "service account \(registration.namespace)/\(account)"
        let what =
            ofAccount.isEmpty
            ? "has no grant for \(identity)"
            : "has no grant for \(identity) at \(registration.addresses.map(\.description).joined(separator: ", "))"
        return Refusal(
            .notGranted,
            "host \(node) \(what): an admin gives one with a NodeGrant (nodes: [\(node)], namespaces: [\(registration.namespace)], addresses: [...])"
        )
    }

    /// Whether a host may have a certificate of this identity: a workload of it is registered there, and still granted. Nil if it may.
    package func mayIssue(_ identity: SPIFFEID, to node: String) -> Refusal? {
        var refusal = Refusal(
            .notRegistered,
            "no workload of service account \(identity.namespace)/\(identity.serviceAccount) is registered on host \(node)")
        for registration in registered.registrations(on: node, namespace: identity.namespace)
        where registration.serviceAccount == identity.serviceAccount {
            guard let reason = mayRegister(registration, on: node) else { return nil }
            refusal = reason
        }
        return refusal
    }

    /// Whether somebody may turn one WorkloadEntry into another; nil before is its creation, nil after its deletion. An admin may, though no
    /// certificate is issued without a grant; a host changes what it holds, within its grants; an editor needs the host's grant for what is said of
    /// it.
    package func mayChange(_ before: Registration?, to after: Registration?, by principal: Principal) -> Refusal? {
        switch principal.role {
        case .admin: return nil
        case .viewer: return Refusal(.otherNode, "\(principal.name) may only read")
        case .editor:
            guard let after, let node = after.node, before?.claimsTheSame(as: after) != true else { return nil }
            return mayRegister(after, on: node)
        case .node(let node):
            for registration in [before, after].compactMap({ $0 }) where registration.node != node {
                let owner = registration.node.map { "host \($0)" } ?? "no host"
                return Refusal(
                    .otherNode,
                    "workload \(registration.namespace)/\(registration.name) is of \(owner): \(node) may change its own alone")
            }
            return after.flatMap { mayRegister($0, on: node) }
        }
    }

    /// The accounts whose certificates a host may have.
    package func accounts(of node: String) -> Set<String> {
        Set(
            registrations(on: node).filter { mayRegister($0, on: node) == nil }
                .map { "\($0.namespace)/\($0.serviceAccount)" })
    }
}
