// SPDX-License-Identifier: Apache-2.0

package import Documents

/// Objects as `kubectl get` shows them: rows of cells, made here so that kubectl need know nothing of the kind (meta/v1 Table).
package struct APITable: Sendable {
    private let kind: APIKind
    private let version: String
    private let include: RequestOptions.IncludeObject
    private let now: Timestamp

    /// - Parameter version: of `meta.k8s.io`.
    package init(_ kind: APIKind, version: String, include: RequestOptions.IncludeObject, now: Timestamp) {
        self.kind = kind
        self.version = version
        self.include = include
        self.now = now
    }

    /// A table of these; objects as the client's version has them.
    package func document(_ objects: [Value], metadata: ListMetadata) -> Value {
        [
            "kind": "Table", "apiVersion": .string("meta.k8s.io/\(version)"), "metadata": metadata.document,
            "columnDefinitions": .array(definitions), "rows": .array(objects.map(row)),
        ]
    }

    /// A table of one, as an answer to GET and in watch events.
    package func document(_ object: Value) -> Value {
        document([object], metadata: ListMetadata(resourceVersion: object.at("metadata", "resourceVersion")?.stringValue ?? ""))
    }

    private var definitions: [Value] {
        let name = definition("Name", "string", "name", "The name, unique in its namespace", 0)
        let age = definition("Age", "string", "", "Time since it was made", 0)
        let shown = kind.columns.filter { $0.priority == 0 }.map(definition)
        let wide = kind.columns.filter { $0.priority > 0 }.map(definition)
        return [name] + shown + [age] + wide
    }

    private func definition(_ column: APIColumn) -> Value {
        definition(column.name, column.type, "", column.description, column.priority)
    }

    private func definition(_ name: String, _ type: String, _ format: String, _ description: String, _ priority: Int) -> Value {
        [
            "name": .string(name), "type": .string(type), "format": .string(format), "description": .string(description),
            "priority": .integer(priority),
        ]
    }

    private func row(_ object: Value) -> Value {
        let name = object.at("metadata", "name") ?? ""
        let created = object.at("metadata", "creationTimestamp")?.stringValue.flatMap { Timestamp($0) }
        let age = Value.string(created?.age(at: now) ?? "<unknown>")
        let shown = kind.columns.filter { $0.priority == 0 }.map { $0.cell(object) }
        let wide = kind.columns.filter { $0.priority > 0 }.map { $0.cell(object) }
        let included: Value? =
            switch include {
            case .none: nil
            case .metadata: PartialMetadata.document(object, version: version)
            case .object: object
            }
        return .object(present: [("cells", .array([name] + shown + [age] + wide)), ("object", included)])
    }
}

/// An object's metadata alone (meta/v1 PartialObjectMetadata).
package enum PartialMetadata {
    package static func document(_ object: Value, version: String) -> Value {
        [
            "kind": "PartialObjectMetadata", "apiVersion": .string("meta.k8s.io/\(version)"),
            "metadata": object["metadata"] ?? .object([]),
        ]
    }

    package static func list(_ objects: [Value], metadata: ListMetadata, version: String) -> Value {
        [
            "kind": "PartialObjectMetadataList", "apiVersion": .string("meta.k8s.io/\(version)"), "metadata": metadata.document,
            "items": .array(objects.map { document($0, version: version) }),
        ]
    }
}

/// What a list says of itself (meta/v1 ListMeta).
package struct ListMetadata: Hashable, Sendable {
    package let resourceVersion: String
    /// Where the next part begins; nil if this is the last.
    package var continuation: ContinueToken?
    /// How many come after this part, if that is known.
    package var remaining: Int?

    package init(resourceVersion: String, continuation: ContinueToken? = nil, remaining: Int? = nil) {
        self.resourceVersion = resourceVersion
        self.continuation = continuation
        self.remaining = remaining
    }

    package var document: Value {
        .object(present: [
            ("resourceVersion", .string(resourceVersion)), ("continue", continuation.map { .string($0.text) }),
            ("remainingItemCount", remaining.map { .integer($0) }),
        ])
    }
}

/// What lists and watches are made of besides objects.
package enum APIList {
    /// What stands before the objects of a list, as text; they follow with commas between, and `tail`. So a list needn't be read to be written.
    package static func head(_ kind: APIKind, version: String, metadata: ListMetadata) -> [UInt8] {
        let head: Value = [
            "kind": .string("\(kind.kind)List"), "apiVersion": .string(kind.apiVersion(version)), "metadata": metadata.document,
        ]
        return Array(head.jsonBytes.dropLast()) + #","items":["#.utf8
    }

    package static let tail = Array("]}\n".utf8)

    /// The object of a BOOKMARK: how far a watch has come, and whether what stood at its beginning has been told (KEP-3157).
    package static func bookmark(
        _ kind: APIKind, version: String, representation: Representation, revision: UInt64, endsInitialEvents: Bool
    ) -> Value {
        let annotations: Value? = endsInitialEvents ? ["k8s.io/initial-events-end": "true"] : nil
        let metadata = Value.object(present: [("resourceVersion", .string(String(revision))), ("annotations", annotations)])
        switch representation {
        case .object: return ["kind": .string(kind.kind), "apiVersion": .string(kind.apiVersion(version)), "metadata": metadata]
        case .metadata(let version):
            return ["kind": "PartialObjectMetadata", "apiVersion": .string("meta.k8s.io/\(version)"), "metadata": metadata]
        case .table(let version):
            return [
                "kind": "Table", "apiVersion": .string("meta.k8s.io/\(version)"),
                "metadata": ["resourceVersion": .string(String(revision))], "columnDefinitions": [], "rows": [],
            ]
        }
    }
}
