// SPDX-License-Identifier: Apache-2.0

package import Documents

/// JSON Merge Patch (RFC 7386): a document that looks like the target, in which null removes. `kubectl patch --type merge`.
package enum MergePatch {
    /// The target as the patch wants it. Keys keep their order; new ones come last. As deep as the patch, which its reader has bounded.
    package static func apply(_ patch: Value, to target: Value) -> Value {
        guard case .mapping(let changes) = patch.content else { return patch }
        var entries = EntryList(target)
        for change in changes {
            if change.value.isNull {
                entries.remove(change.key)
            } else {
                entries.set(change.key, apply(change.value, to: entries[change.key] ?? .null))
            }
        }
        return entries.value
    }
}

/// The entries of a mapping while they are changed: found by key without a search, however many there are, since a client decides how many.
struct EntryList {
    private var entries: [Value.Entry?] = []
    private var places: [String: Int] = [:]
    private let position: Position

    /// Of a mapping; of anything else, none.
    init(_ value: Value) {
        position = value.position
        for entry in value.mappingValue ?? [] { append(entry) }
    }

    subscript(key: String) -> Value? { places[key].flatMap { entries[$0] }?.value }

    mutating func set(_ key: String, _ value: Value) {
        if let place = places[key] { entries[place] = Value.Entry(key, value) } else { append(Value.Entry(key, value)) }
    }

    /// False if there was none.
    @discardableResult
    mutating func remove(_ key: String) -> Bool {
        guard let place = places.removeValue(forKey: key) else { return false }
        entries[place] = nil
        return true
    }

    var value: Value { Value(.mapping(entries.compactMap { $0 }), at: position) }

    private mutating func append(_ entry: Value.Entry) {
        places[entry.key] = entries.count
        entries.append(entry)
    }
}
