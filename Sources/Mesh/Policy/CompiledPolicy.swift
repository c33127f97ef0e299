// SPDX-License-Identifier: Apache-2.0

import Bytes

/// A policy prepared for being asked at every connection: names as bytes, nothing to parse. Immutable, part of a snapshot.
package final class CompiledPolicy: Sendable {
    package let authorization: Authorization
    package let key: String
    let groups: [CompiledGroup]

    init(_ authorization: Authorization) {
        self.authorization = authorization
        key = authorization.key
        groups = authorization.groups.map { CompiledGroup($0, action: authorization.action) }
    }

    /// The first rule that holds, from 0; nil if none does.
    func firstMatch(_ request: AuthorizationRequest) -> Int? { groups.firstIndex { $0.holds(request) } }

    /// What a refusal says of one of its groups.
    func reference(_ group: Int) -> RuleReference {
        let origin = groups[group].origin
        return RuleReference(policy: key, rule: origin?.rule ?? group + 1, origin: origin)
    }
}

struct CompiledGroup: Sendable {
    let rules: [[CompiledMatch]]
    let origin: RuleOrigin?

    init(_ group: Authorization.Group, action: Authorization.Action) {
        rules = group.rules.map { rule in rule.matches.map { CompiledMatch($0, action: action) } }
        origin = group.origin
    }

    func holds(_ request: AuthorizationRequest) -> Bool {
        rules.allSatisfy { matches in matches.isEmpty || matches.contains { $0.holds(request) } }
    }
}

struct CompiledMatch: Sendable {
    private let source: Authorization.Match
    /// What a match means that asks for nothing, or for something unknown: it can't allow (I16).
    private let neverHolds: Bool
    private let namespaces: [TextPattern]
    private let notNamespaces: [TextPattern]
    private let principals: [TextPattern]
    private let notPrincipals: [TextPattern]

    init(_ match: Authorization.Match, action: Authorization.Action) {
        source = match
        neverHolds = action == .allow && (match.isEmpty || match.isPartlyUnknown)
        namespaces = match.namespaces.map(TextPattern.init)
        notNamespaces = match.notNamespaces.map(TextPattern.init)
        principals = match.principals.map(TextPattern.init)
        notPrincipals = match.notPrincipals.map(TextPattern.init)
    }

    func holds(_ request: AuthorizationRequest) -> Bool {
        !neverHolds && holdsForIdentity(request) && holdsForAddresses(request)
    }

    /// Without an identity nothing that asks for one holds, and everything that excludes one does.
    private func holdsForIdentity(_ request: AuthorizationRequest) -> Bool {
        guard let identity = request.source else {
            return namespaces.isEmpty && principals.isEmpty && source.serviceAccounts.isEmpty
        }
        let account = Authorization.ServiceAccountMatch(namespace: identity.namespace, serviceAccount: identity.serviceAccount)
        return any(of: namespaces, identity.namespace) && none(of: notNamespaces, identity.namespace)
            && any(of: principals, request.principal) && none(of: notPrincipals, request.principal)
            && (source.serviceAccounts.isEmpty || source.serviceAccounts.contains(account))
            && !source.notServiceAccounts.contains(account)
    }

    private func holdsForAddresses(_ request: AuthorizationRequest) -> Bool {
        let port = request.destinationPort
        return (source.destinationPorts.isEmpty || source.destinationPorts.contains(port))
            && !source.notDestinationPorts.contains(port)
            && any(of: source.sourceIPs, request.sourceAddress) && none(of: source.notSourceIPs, request.sourceAddress)
            && any(of: source.destinationIPs, request.destinationAddress)
            && none(of: source.notDestinationIPs, request.destinationAddress)
    }

    private func any(of patterns: [TextPattern], _ text: String) -> Bool {
        patterns.isEmpty || patterns.contains { $0.matches(text) }
    }

    private func none(of patterns: [TextPattern], _ text: String) -> Bool { !patterns.contains { $0.matches(text) } }

    private func any(of blocks: [IPPrefix], _ address: IPAddress) -> Bool {
        blocks.isEmpty || blocks.contains { $0.contains(address) }
    }

    private func none(of blocks: [IPPrefix], _ address: IPAddress) -> Bool { !blocks.contains { $0.contains(address) } }
}

/// A name or a part of one, compared byte by byte: `String` would compare by Unicode's canonical equivalence.
struct TextPattern: Sendable {
    private enum Kind: Sendable {
        case exact
        case prefix
        case suffix
        case presence
    }

    private let kind: Kind
    private let bytes: [UInt8]

    init(_ match: Authorization.StringMatch) {
        switch match {
        case .exact(let text): (kind, bytes) = (.exact, Array(text.utf8))
        case .prefix(let text): (kind, bytes) = (.prefix, Array(text.utf8))
        case .suffix(let text): (kind, bytes) = (.suffix, Array(text.utf8))
        case .presence: (kind, bytes) = (.presence, [])
        }
    }

    func matches(_ text: String) -> Bool {
        switch kind {
        case .exact: text.utf8.elementsEqual(bytes)
        case .prefix: text.utf8.starts(with: bytes)
        case .suffix: text.utf8.suffix(bytes.count).elementsEqual(bytes)
        case .presence: true
        }
    }
}
