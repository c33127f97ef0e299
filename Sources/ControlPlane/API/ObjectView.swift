// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import ResourceAPI
internal import Store

/// Which objects of a resource a request is about, and how they are written to its answer.
struct ObjectView {
    let resource: String
    /// Nil: of all namespaces.
    let namespace: String?
    /// Nil: all of them.
    var name: String?
    /// Nil: whatever their labels are.
    var labels: LabelSelector?
    /// Whether what only the object's tree shows fits; nil: nothing of it is asked for.
    var fields: ((Value) -> Bool)?
    /// How an object is written; nil: as it is stored, with its revision.
    var write: ((Value) -> [UInt8])?

    init(resource: String, namespace: String?) {
        self.resource = resource
        self.namespace = namespace
    }

    /// Whether a key is one of these, whatever the object says.
    func covers(_ key: StoreKey) -> Bool {
        key.resource == resource && (namespace ?? key.namespace) == key.namespace && (name ?? key.name) == key.name
    }

    /// The object's text if it fits; nil if it doesn't. A text that can't be read is left out: the store's damage is one object's, not the list's.
    func shown(_ text: [UInt8], revision: UInt64) -> [UInt8]? {
        if labels == nil, fields == nil, write == nil { return ObjectText.shown(text, revision: revision) }
        guard let object = try? ObjectText.read(text, revision: revision), fits(object) else { return nil }
        return write?(object) ?? ObjectText.shown(text, revision: revision)
    }

    func fits(_ object: Value) -> Bool {
        if let labels, !labels.matches(Self.labels(of: object)) { return false }
        return fields?(object) ?? true
    }

    private static func labels(of object: Value) -> [String: String] {
        let entries = object["metadata"]?["labels"]?.mappingValue ?? []
        return Dictionary(
            entries.compactMap { entry in entry.value.stringValue.map { (entry.key, $0) } }, uniquingKeysWith: { $1 })
    }
}

/// What a watcher is told.
enum WatchEvent: String {
    case added = "ADDED"
    case modified = "MODIFIED"
    case deleted = "DELETED"
    case bookmark = "BOOKMARK"
    case error = "ERROR"

    func line(_ object: [UInt8]) -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(object.count + 40)
        line += #"{"type":""#.utf8
        line += rawValue.utf8
        line += #"","object":"#.utf8
        line += object
        line += "}\n".utf8
        return line
    }
}

extension ObjectView {
    /// What a change means to who sees only what fits: an object that begins to fit is new to him, one that ceases is gone.
    func event(of change: StoreChange) -> [UInt8]? {
        guard covers(change.key) else { return nil }
        let after = change.value.flatMap { shown($0, revision: change.revision) }
        if let after {
            let isNew = change.previous.flatMap { shown($0, revision: change.revision) } == nil
            return (isNew ? WatchEvent.added : .modified).line(after)
        }
        // The object as it was last, with the revision of its end.
        return change.previous.flatMap { shown($0, revision: change.revision) }.map { WatchEvent.deleted.line($0) }
    }
}
