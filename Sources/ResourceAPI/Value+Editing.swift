// SPDX-License-Identifier: Apache-2.0

package import Documents

/// Looking into and changing trees: each change is a new tree that shares what stayed.
extension Value {
    /// What stands at a place; nil if nothing does.
    package func at(_ path: [String]) -> Value? {
        var value = self
        for key in path {
            guard let next = value[key], !next.isNull else { return nil }
            value = next
        }
        return value
    }

    package func at(_ path: String...) -> Value? { at(path) }

    /// The mapping with another value under a key; nil removes it. A key that was there keeps its place.
    package func setting(_ key: String, _ value: Value?) -> Value {
        var entries = EntryList(self)
        if let value { entries.set(key, value) } else { entries.remove(key) }
        return entries.value
    }

    /// The same further down; mappings that lack on the way are made, unless there is nothing to put into them.
    package func setting(_ path: [String], _ value: Value?) -> Value {
        guard let key = path.first else { return value ?? self }
        guard path.count > 1 else { return setting(key, value) }
        if value == nil, self[key]?.mappingValue == nil { return self }
        let inner = self[key].flatMap { $0.mappingValue == nil ? nil : $0 } ?? .object([])
        return setting(key, inner.setting(Array(path.dropFirst()), value))
    }

    /// A mapping of strings; what is none is left out.
    package var stringMap: [String: String] {
        Dictionary(
            (mappingValue ?? []).compactMap { entry in entry.value.stringValue.map { (entry.key, $0) } }, uniquingKeysWith: { $1 }
        )
    }

    /// The strings of a sequence.
    package var strings: [String] { (sequenceValue ?? []).compactMap(\.stringValue) }

    /// Whether there is nothing in it.
    var isEmptyContainer: Bool {
        switch content {
        case .mapping(let entries): entries.isEmpty
        case .sequence(let values): values.isEmpty
        case .null, .bool, .integer, .number, .string: false
        }
    }
}
