// SPDX-License-Identifier: Apache-2.0

package import Documents

/// A kind of objects that the API serves: one declaration, from which come its paths, its discovery, its schema, its table and what is checked.
package struct APIKind: Sendable {
    /// Empty for Kubernetes' own: `v1`.
    package let group: String
    /// The first is the one in which objects are stored; all have one schema.
    package let versions: [String]
    package let kind: String
    package let plural: String
    package var shortNames: [String] = []
    package var categories: [String] = []
    package var isNamespaced = true
    package var hasStatus = true
    /// Whether a patch may merge lists by keys, as Kubernetes' own kinds allow.
    package var hasStrategicMerge = false
    /// Whether DELETE answers with the object that went, as typed clients of some of Kubernetes' kinds expect, rather than with a Status.
    package var returnsDeleted = false
    /// What names must be.
    package var nameRule = NameRule.subdomain
    /// Between NAME and AGE.
    package var columns: [APIColumn] = []
    /// Of the whole object.
    package let schema: Schema
    package let description: String
    /// What Kubernetes fills in beyond the schema's own defaults.
    var complete: @Sendable (Value) -> Value = { $0 }
    /// What an update leaves as it was, though it doesn't say so.
    var carry: @Sendable (_ object: Value, _ old: Value) -> Value = { object, _ in object }
    /// What must not change, and other rules between an object and what it was; nil when it is new.
    var check: @Sendable (_ object: Value, _ old: Value?) -> [FieldError] = { _, _ in [] }

    init(_ kind: String, _ plural: String, group: String, versions: String..., description: String, fields: SchemaField...) {
        self.kind = kind
        self.plural = plural
        self.group = group
        self.versions = versions
        self.description = description
        schema = SharedSchema.object(fields)
    }

    /// What kubectl calls one: `service`.
    package var singular: String { kind.lowercased() }

    /// As in store keys and in error messages: `services`, `authorizationpolicies.security.istio.io`.
    package var resource: String { group.isEmpty ? plural : "\(plural).\(group)" }

    package var storageVersion: String { versions.first ?? "v1" }

    /// `v1`, `security.istio.io/v1beta1`.
    package func apiVersion(_ version: String) -> String { group.isEmpty ? version : "\(group)/\(version)" }

    package var storageAPIVersion: String { apiVersion(storageVersion) }

    /// The object as clients of another version see it.
    package func object(_ object: Value, as version: String) -> Value {
        object.setting("apiVersion", .string(apiVersion(version)))
    }

    /// Finds `kind` of an error or an audit line; equal if it is the same.
    package static func == (a: APIKind, b: APIKind) -> Bool { a.resource == b.resource }
}

/// What a name may be, by what it ends up in.
package enum NameRule: Hashable, Sendable {
    /// RFC 1123, with dots.
    case subdomain
    /// RFC 1123, one label.
    case label
    /// RFC 1035: begins with a letter. Services, since their names are DNS names.
    case service
}

/// A column of `kubectl get`.
package struct APIColumn: Sendable {
    package let name: String
    package let type: String
    package let description: String
    /// 0 is always shown, 1 with `-o wide`.
    package let priority: Int
    package let cell: @Sendable (Value) -> Value

    init(
        _ name: String, type: String = "string", _ description: String, priority: Int = 0,
        cell: @escaping @Sendable (Value) -> Value
    ) {
        self.name = name
        self.type = type
        self.description = description
        self.priority = priority
        self.cell = cell
    }

    /// Shows what stands at a place.
    init(_ name: String, type: String = "string", _ description: String, priority: Int = 0, at path: String...) {
        self.init(name, type: type, description, priority: priority) { $0.at(path) ?? .null }
    }
}
