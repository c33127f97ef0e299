// SPDX-License-Identifier: Apache-2.0

package import Documents

/// How an object's life ends: at once, or when everybody who holds it has let go.
package enum ObjectDeletion {
    package enum Outcome: Equatable, Sendable {
        /// Nothing holds it.
        case remove
        /// It is marked, and goes when its finalizers are gone.
        case mark(Value)
        /// It was marked before.
        case waiting
    }

    /// These stay: objects whose manifests name no namespace go there.
    private static let kept: Set<String> = ["default"]

    /// - Throws: 409 if the object isn't the one that is meant, 403 for what may not go.
    package static func end(
        _ object: Value, _ kind: APIKind, _ options: DeleteOptions, now: Timestamp
    ) throws(APIStatus) -> Outcome {
        let name = object.at("metadata", "name")?.stringValue ?? ""
        try check(object, kind, name, options)
        if kind == .namespace, kept.contains(name) { throw .forbidden(kind, name, "this namespace may not be deleted") }
        guard ObjectWriter.isHeld(object, kind) else { return .remove }
        guard object.at("metadata", "deletionTimestamp") == nil else { return .waiting }
        var metadata = object["metadata"] ?? .object([])
        metadata = metadata.setting("deletionTimestamp", .string(now.description))
        metadata = metadata.setting("deletionGracePeriodSeconds", 0)
        metadata = metadata.setting("generation", .integer((metadata["generation"]?.integerValue ?? 1) &+ 1))
        return .mark(kind.complete(object.setting("metadata", metadata)))
    }

    private static func check(_ object: Value, _ kind: APIKind, _ name: String, _ options: DeleteOptions) throws(APIStatus) {
        if let uid = options.uid {
            let actual = object.at("metadata", "uid")?.stringValue ?? ""
            guard uid == actual else {
                throw .conflict(
                    kind, name, "Precondition failed: UID in precondition: \(uid.prefix(64)), UID in object meta: \(actual)")
            }
        }
        if let version = options.resourceVersion {
            let actual = object.at("metadata", "resourceVersion")?.stringValue ?? ""
            guard version == actual else {
                throw .conflict(
                    kind, name,
                    "Precondition failed: ResourceVersion in precondition: \(version.prefix(64)), ResourceVersion in object meta: \(actual)"
                )
            }
        }
    }

    /// What a client is told of an object that is gone.
    package static func document(_ object: Value, _ kind: APIKind) -> Value {
        if kind.returnsDeleted { return object }
        return .object([
            ("kind", "Status"), ("apiVersion", "v1"), ("metadata", .object([])), ("status", "Success"),
            (
                "details",
                .object(present: [
                    ("name", object.at("metadata", "name")), ("group", kind.group.isEmpty ? nil : .string(kind.group)),
                    ("kind", .string(kind.plural)), ("uid", object.at("metadata", "uid")),
                ])
            ),
        ])
    }
}
