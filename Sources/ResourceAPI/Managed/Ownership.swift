// SPDX-License-Identifier: Apache-2.0

import Documents

/// Keeps account of who owns which fields while an object is updated or applied to (the algorithm of Kubernetes' structured-merge-diff).
struct Ownership {
    let kind: APIKind
    let apiVersion: String
    let manager: FieldManager
    let now: Timestamp

    /// What nobody owns: what names the object, and what the server keeps.
    private static let unowned = [
        "name", "namespace", "uid", "creationTimestamp", "generation", "resourceVersion", "managedFields", "selfLink",
        "deletionTimestamp", "deletionGracePeriodSeconds",
    ]

    /// The fields that can be owned through this subresource ("" is the object itself).
    func owned(_ object: Value) -> Value {
        if manager.subresource == APIRequest.Subresource.status.rawValue {
            return .object(present: [("status", object["status"])])
        }
        let metadata = Value(.mapping((object["metadata"]?.mappingValue ?? []).filter { !Self.unowned.contains($0.key) }))
        let rest = (object.mappingValue ?? []).filter { entry in
            !["apiVersion", "kind", "metadata"].contains(entry.key) && !(entry.key == "status" && kind.hasStatus)
        }
        let head = metadata.isEmptyContainer ? [] : [Value.Entry("metadata", metadata)]
        return Value(.mapping(head + rest))
    }

    // MARK: - Updates

    /// After an update: what it added and changed is its manager's alone, what it removed is nobody's.
    /// - Parameter old: nil if the object is new.
    func updated(_ fields: ManagedFields, from old: Value?, to new: Value) -> ManagedFields {
        let difference = FieldDifference(from: owned(old ?? .object([])), to: owned(new), kind.schema)
        var fields = fields
        fields.take(difference.written.union(difference.removed), except: manager)
        let own = fields[manager]?.set ?? .empty
        fields.set(manager, own.subtracting(difference.removed).union(difference.written), apiVersion: apiVersion, at: now)
        fields.fold()
        return fields
    }

    // MARK: - Applying

    /// The live object with what a configuration says, without what the same manager said before and nobody says now.
    /// - Throws: 409 with what belongs to others and would change, unless forced.
    func applied(
        _ config: Value, to live: Value?, _ known: ManagedFields, force: Bool
    ) throws(APIStatus) -> (object: Value, fields: ManagedFields) {
        var fields = known
        if let live, fields.entries.isEmpty { fields = claimedBefore(live) }
        let claim = FieldSet(applied: owned(config), kind.schema)
        let last = fields[manager]?.set ?? .empty
        let base = live ?? .object([])
        let merged = TypedMerge.merge(base, config, kind.schema)
        let kept = fields.others(than: manager).union(claim)
        let object = TypedMerge.prune(merged, kind.schema, last: last, kept: kept)
        let difference = FieldDifference(from: owned(base), to: owned(object), kind.schema)
        if !force { try checkConflicts(fields, difference.written.intersection(claim)) }
        fields.take(difference.written.union(difference.removed), except: manager)
        fields.set(manager, claim, apiVersion: apiVersion, at: now)
        return (object, fields)
    }

    /// What stood before anybody kept account belongs to a manager of its own, so that the first to apply learns what it overwrites.
    private func claimedBefore(_ live: Value) -> ManagedFields {
        var fields = ManagedFields()
        let before = FieldManager("before-first-apply", .update, apiVersion: kind.storageAPIVersion)
        fields.set(before, FieldSet(all: owned(live), kind.schema), apiVersion: kind.storageAPIVersion, at: now)
        return fields
    }

    private func checkConflicts(_ fields: ManagedFields, _ written: FieldSet) throws(APIStatus) {
        var conflicts: [(manager: String, path: String)] = []
        for (other, entry) in fields.entries where other != manager {
            for path in entry.set.intersection(written).paths { conflicts.append((Self.shown(other, entry), path)) }
        }
        guard !conflicts.isEmpty else { return }
        conflicts.sort { ($0.manager, $0.path) < ($1.manager, $1.path) }
        throw Self.status(conflicts)
    }

    private static func shown(_ manager: FieldManager, _ entry: ManagedEntry) -> String {
        let name = Value.string(manager.name).json
        let part = manager.subresource.isEmpty ? "" : " with subresource \"\(manager.subresource)\""
        guard manager.operation == .update else { return name + part }
        return "\(name)\(part) using \(entry.apiVersion)" + (entry.time.map { " at \($0)" } ?? "")
    }

    private static func status(_ conflicts: [(manager: String, path: String)]) -> APIStatus {
        var message: String
        if conflicts.count == 1 {
            message = "Apply failed with 1 conflict: conflict with \(conflicts[0].manager): \(conflicts[0].path)"
        } else {
            var lines: [String] = []
            var last: String?
            for conflict in conflicts {
                if conflict.manager != last { lines.append("conflicts with \(conflict.manager):") }
                last = conflict.manager
                lines.append("- \(conflict.path)")
            }
            message = "Apply failed with \(conflicts.count) conflicts: " + lines.joined(separator: "\n")
        }
        var status = APIStatus(.conflict, message)
        status.causes = conflicts.prefix(64).map {
            APIStatus.Cause(reason: "FieldManagerConflict", message: "conflict with \($0.manager)", field: $0.path)
        }
        return status
    }
}
