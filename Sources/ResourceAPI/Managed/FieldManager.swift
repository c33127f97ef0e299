// SPDX-License-Identifier: Apache-2.0

import Documents

/// Who writes, and how: what tells one entry of `metadata.managedFields` from another.
struct FieldManager: Hashable, Sendable {
    enum Operation: String, Hashable, Sendable {
        case apply = "Apply"
        case update = "Update"
    }

    let name: String
    let operation: Operation
    /// Of an update; who applies is the same in every version.
    let apiVersion: String
    let subresource: String

    init(_ name: String, _ operation: Operation, apiVersion: String, subresource: String = "") {
        self.name = name
        self.operation = operation
        self.apiVersion = operation == .apply ? "" : apiVersion
        self.subresource = subresource
    }

    /// As given, or else the program of the user agent: `kubectl/v1.32.4 (linux/amd64)` is `kubectl`.
    static func name(_ options: RequestOptions, userAgent: String) -> String {
        if let manager = options.fieldManager { return manager }
        let program = userAgent.prefix { $0 != "/" }.unicodeScalars.filter { $0.properties.generalCategory != .control }
        let name = String(String.UnicodeScalarView(program)).prefix(RequestOptions.maximumManager / 4)
        return name.isEmpty ? "unknown" : String(name)
    }
}

/// One manager's fields.
struct ManagedEntry: Hashable, Sendable {
    var set: FieldSet
    /// The version in which it wrote last.
    var apiVersion: String
    var time: Timestamp?
}

/// Which writer owns which fields of an object: `metadata.managedFields`. A value; writes make a new one.
struct ManagedFields: Hashable, Sendable {
    /// Updates of so many managers are told apart; older ones become one (as in Kubernetes).
    static let maximumUpdates = 10
    static let ancient = "ancient-changes"
    /// Entries that are read of an object: a client may write as many as it likes, and each is compared with each write.
    static let maximumRead = 100

    private(set) var entries: [FieldManager: ManagedEntry] = [:]

    init() {}

    /// Of an object. What can't be read counts as nothing: the object is then everybody's.
    init(of object: Value) {
        for item in (object.at("metadata", "managedFields")?.sequenceValue ?? []).prefix(Self.maximumRead) {
            guard let operation = item["operation"]?.stringValue.flatMap(FieldManager.Operation.init),
                let set = item["fieldsV1"].flatMap({ FieldSet($0) }), !set.isEmpty
            else { continue }
            let apiVersion = item["apiVersion"]?.stringValue ?? ""
            let manager = FieldManager(
                item["manager"]?.stringValue ?? "", operation, apiVersion: apiVersion,
                subresource: item["subresource"]?.stringValue ?? "")
            let time = item["time"]?.stringValue.flatMap { Timestamp($0) }
            entries[manager] = ManagedEntry(set: set, apiVersion: apiVersion, time: time)
        }
    }

    subscript(manager: FieldManager) -> ManagedEntry? { entries[manager] }

    /// What everybody but one owns.
    func others(than manager: FieldManager) -> FieldSet {
        entries.reduce(FieldSet.empty) { $1.key == manager ? $0 : $0.union($1.value.set) }
    }

    /// Takes fields from everybody but one; who has none left is forgotten.
    mutating func take(_ fields: FieldSet, except manager: FieldManager) {
        guard !fields.isEmpty else { return }
        for (other, entry) in entries where other != manager { set(other, entry.set.subtracting(fields), entry) }
    }

    /// What a manager owns from now on. Its time changes if its fields do.
    mutating func set(_ manager: FieldManager, _ fields: FieldSet, apiVersion: String, at now: Timestamp) {
        guard let old = entries[manager] else {
            if !fields.isEmpty { entries[manager] = ManagedEntry(set: fields, apiVersion: apiVersion, time: now) }
            return
        }
        let isSame = old.set == fields && old.apiVersion == apiVersion
        set(manager, fields, ManagedEntry(set: fields, apiVersion: apiVersion, time: isSame ? old.time : now))
    }

    private mutating func set(_ manager: FieldManager, _ fields: FieldSet, _ entry: ManagedEntry) {
        var entry = entry
        entry.set = fields
        entries[manager] = fields.isEmpty ? nil : entry
    }

    /// Many updaters become one: the oldest first.
    mutating func fold() {
        let updates = entries.filter { $0.key.operation == .update && $0.key.subresource.isEmpty }
        guard updates.count > Self.maximumUpdates else { return }
        let oldest = updates.sorted { ($0.value.time?.seconds ?? 0, $0.key.name) < ($1.value.time?.seconds ?? 0, $1.key.name) }
            .prefix(updates.count - Self.maximumUpdates + 1)
        var set = FieldSet.empty
        for (manager, entry) in oldest {
            set = set.union(entry.set)
            entries[manager] = nil
        }
        guard let last = oldest.last else { return }
        let manager = FieldManager(Self.ancient, .update, apiVersion: last.value.apiVersion)
        let known = entries[manager]?.set ?? .empty
        entries[manager] = ManagedEntry(set: known.union(set), apiVersion: last.value.apiVersion, time: last.value.time)
    }

    /// Appliers first, then by time and name (as Kubernetes sorts them).
    var document: Value {
        let sorted = entries.sorted { a, b in
            let x = (a.key.operation.rawValue, a.value.time?.seconds ?? 0, a.key.name)
            let y = (b.key.operation.rawValue, b.value.time?.seconds ?? 0, b.key.name)
            return x == y ? (a.value.apiVersion, a.key.subresource) < (b.value.apiVersion, b.key.subresource) : x < y
        }
        return .array(
            sorted.map { manager, entry in
                .object(present: [
                    ("manager", .string(manager.name)), ("operation", .string(manager.operation.rawValue)),
                    ("apiVersion", .string(entry.apiVersion)), ("time", entry.time.map { .string($0.description) }),
                    ("fieldsType", "FieldsV1"), ("fieldsV1", entry.set.document),
                    ("subresource", manager.subresource.isEmpty ? nil : .string(manager.subresource)),
                ])
            })
    }

    /// The object with these.
    func written(to object: Value) -> Value {
        object.setting(["metadata", "managedFields"], entries.isEmpty ? nil : document)
    }
}
