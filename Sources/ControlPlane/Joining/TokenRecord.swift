// SPDX-License-Identifier: Apache-2.0

package import Documents
package import Store
internal import TLS

/// What the store holds of a token: everything but its secret. A value.
package struct TokenRecord: Hashable, Sendable {
    /// Who made use of a join token: the same host with the same key may ask again, since it may not have heard the answer.
    package struct Redemption: Hashable, Sendable {
        package let node: String
        /// The SHA-256 of the public key, in hexadecimal digits.
        package let key: String
        /// Unix seconds.
        package let time: Int64
    }

    /// The resource under which tokens lie in the store. The API doesn't serve it.
    package static let resource = "_tokens"

    package let id: String
    package let kind: TokenKind
    /// The SHA-256 of the secret.
    package let hash: [UInt8]
    /// What a bearer token entitles to; nil for a join token.
    package let role: Principal.Role?
    /// The only host that may join with it; nil: any whose name is free.
    package let node: String?
    /// Unix seconds.
    package let created: Int64
    package let expires: Int64
    package let createdBy: String
    /// What it is for, in the words of who made it.
    package let note: String
    package var redemption: Redemption?

    package var key: StoreKey { StoreKey(Self.resource, id) }

    /// Whether this is the secret, in a time that doesn't tell.
    package func matches(_ token: AccessToken) -> Bool { kind == token.kind && Secret.isEqual(hash, token.hash) }

    /// Who shows it.
    package var principal: Principal? {
        guard let role else { return nil }
        if case .node(let name) = role { return Principal(name: "node:\(name)", role: role, until: expires) }
        return Principal(name: "token:\(id)", role: role, until: expires)
    }
}

extension TokenRecord {
    /// As it is stored.
    package var json: Value {
        .object(present: [
            ("kind", .string(kind.rawValue)), ("hash", .string(hexadecimal(hash))), ("role", role?.json),
            ("node", node.map { .string($0) }), ("created", .integer(created)), ("expires", .integer(expires)),
            ("createdBy", .string(createdBy)), ("note", note.isEmpty ? nil : .string(note)),
            (
                "redemption",
                redemption.map { used in
                    .object([("node", .string(used.node)), ("key", .string(used.key)), ("time", .integer(used.time))])
                }
            ),
        ])
    }

    /// As it is shown: without the digest of the secret.
    package var shown: Value {
        .object(present: [
            ("id", .string(id)), ("kind", kind == .join ? "join" : "bearer"), ("role", role?.json),
            ("node", node.map { .string($0) }), ("created", .string(timestamp(created))),
            ("expires", .string(timestamp(expires))), ("createdBy", .string(createdBy)),
            ("note", note.isEmpty ? nil : .string(note)), ("usedBy", redemption.map { .string($0.node) }),
        ])
    }

    /// From the store; nil if it is damaged, and then good for nothing.
    package init?(id: String, stored text: [UInt8]) {
        guard let value = try? JSON.read(text), let kind = value["kind"]?.stringValue.flatMap(TokenKind.init(rawValue:)),
            let hash = value["hash"]?.stringValue.flatMap(bytes(hexadecimal:)), hash.count == SHA256.length,
            let created = value["created"]?.integerValue, let expires = value["expires"]?.integerValue
        else { return nil }
        let role = value["role"].flatMap(Principal.Role.init(json:))
        guard (kind == .bearer) == (role != nil) else { return nil }
        self.id = id
        self.kind = kind
        self.hash = hash
        self.role = role
        node = value["node"]?.stringValue
        self.created = created
        self.expires = expires
        createdBy = value["createdBy"]?.stringValue ?? ""
        note = value["note"]?.stringValue ?? ""
        if let used = value["redemption"], let node = used["node"]?.stringValue, let key = used["key"]?.stringValue {
            redemption = Redemption(node: node, key: key, time: used["time"]?.integerValue ?? 0)
        }
    }
}

extension Principal.Role {
    package var json: Value {
        switch self {
        case .admin: .object([("name", "admin")])
        case .editor(let namespaces): .object([("name", "editor"), ("namespaces", .array(namespaces.map { .string($0) }))])
        case .viewer: .object([("name", "viewer")])
        case .node(let node): .object([("name", "node"), ("node", .string(node))])
        }
    }

    package init?(json: Value) {
        switch json["name"]?.stringValue {
        case "admin": self = .admin
        case "viewer": self = .viewer
        case "editor":
            guard let names = json["namespaces"]?.sequenceValue?.compactMap(\.stringValue), !names.isEmpty else { return nil }
            self = .editor(namespaces: names)
        case "node":
            guard let node = json["node"]?.stringValue else { return nil }
            self = .node(node)
        default: return nil
        }
    }
}
