// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Documents
package import ResourceAPI

/// What a token is to be, as who asks for one writes it:
///
///     {"kind": "join", "node": "host2", "ttl": "1h"}
///     {"kind": "bearer", "role": "editor", "namespaces": ["shop"], "ttl": "24h", "note": "deployments"}
///     {"kind": "bearer", "role": "node", "node": "host3", "ttl": "2160h"}
package struct TokenWish: Hashable, Sendable {
    package let kind: TokenKind
    /// Nil for a join token.
    package let role: Principal.Role?
    /// The only host that may join with it.
    package let node: String?
    /// Seconds.
    package let lifetime: Int64
    package let note: String

    /// A join token is pasted once, soon; a bearer token is renewed each year.
    private static let defaultLifetime: [TokenKind: Int64] = [.join: 3600, .bearer: 24 * 3600]
    private static let maximumLifetime: [TokenKind: Int64] = [.join: 30 * 86_400, .bearer: 366 * 86_400]
    private static let longestNote = 256
    private static let maximumNamespaces = 256

    private enum Kind: String, CaseIterable { case join, bearer }
    private enum Role: String, CaseIterable { case admin, editor, viewer, node }

    /// - Throws: `Invalid`, with a cause for each field that is wrong.
    package init(_ document: Value) throws(APIStatus) {
        let findings = FindingList(limit: 20)
        let fields = Fields(document, findings: findings)
        let kind: TokenKind = fields.choice("kind", Kind.self) == .bearer ? .bearer : .join
        node = fields.string("node")
        note = fields.string("note") ?? ""
        let word = fields.choice("role", Role.self)
        let namespaces = fields.strings("namespaces")
        let most = Self.maximumLifetime[kind] ?? 0
        let lifetime = fields.duration("ttl").map { $0.components.seconds } ?? Self.defaultLifetime[kind] ?? 0
        self.kind = kind
        self.lifetime = lifetime
        if !(1...most).contains(lifetime) {
            fields.report("ttl", "a token of this kind lasts 1 s to \(most / 86_400) days", remedy: "Write a time within these.")
        }
        if note.utf8.count > Self.longestNote {
            fields.report("note", "a note of more than \(Self.longestNote) bytes", remedy: "Shorten it.")
        }
        if let node, !NodeIdentity.isName(node) {
            fields.report("node", "this is no name of a host", remedy: "Write lower-case letters, digits, `-` and `.`.")
        }
        if kind == .join {
            fields.unused("role", "namespaces", severity: .error, because: "a join token makes a host a member and nothing else")
        }
        role = kind == .join ? nil : Self.role(word, node, namespaces, fields)
        fields.finish()
        guard findings.hasErrors else { return }
        var status = APIStatus(
            .invalid,
            "the token can't be made: "
                + findings.findings.map { "\($0.field): \($0.message). \($0.remedy)" }.joined(separator: "; "))
        status.causes = findings.findings.map {
            APIStatus.Cause(reason: "FieldValueInvalid", message: "\($0.message). \($0.remedy)", field: $0.field)
        }
        throw status
    }

    private static func role(
        _ word: Role?, _ node: String?, _ namespaces: [String], _ fields: Fields
    ) -> Principal.Role? {
        if word == .node, node == nil {
            fields.report("node", "a token of a host needs its name", remedy: "Write `node`.")
        } else if word != .node, node != nil {
            fields.report("node", "only a token with the role node is a host's", remedy: "Remove it, or write `role: node`.")
        }
        if word == .editor, namespaces.isEmpty || namespaces.count > maximumNamespaces {
            fields.report(
                "namespaces", "an editor needs 1 to \(maximumNamespaces) namespaces", remedy: "Name those that may be changed.")
        } else if word != .editor, !namespaces.isEmpty {
            fields.report("namespaces", "only an editor has namespaces", remedy: "Remove them, or write `role: editor`.")
        }
        switch word {
        case .admin: return .admin
        case .viewer: return .viewer
        case .editor: return .editor(namespaces: namespaces)
        case .node: return .node(node ?? "")
        case nil:
            if fields.value("role") == nil {
                fields.report("role", "a bearer token needs a role", remedy: "Write admin, editor, viewer or node.")
            }
            return nil
        }
    }
}
