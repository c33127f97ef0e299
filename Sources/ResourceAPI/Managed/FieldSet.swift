// SPDX-License-Identifier: Apache-2.0

import Documents

/// One step of the way to a field.
enum FieldElement: Hashable, Sendable {
    case field(String)
    /// An element of a list, by the fields that are its key, each with its value as JSON; sorted by name.
    case key([KeyField])
    /// An element of a set, as JSON.
    case value(String)
    case index(Int)

    struct KeyField: Hashable, Sendable {
        let name: String
        let json: String
    }
}

/// A set of fields of an object, as a tree: who owns what. A field may be in it without its parts, and parts without the whole.
struct FieldSet: Hashable, Sendable {
    private(set) var members: Set<FieldElement> = []
    private(set) var children: [FieldElement: FieldSet] = [:]

    static let empty = FieldSet()

    var isEmpty: Bool { members.isEmpty && children.isEmpty }

    mutating func insert(_ element: FieldElement) { members.insert(element) }

    /// Empty sets leave no trace.
    mutating func insert(_ set: FieldSet, under element: FieldElement) {
        guard !set.isEmpty else { return }
        children[element] = children[element].map { $0.union(set) } ?? set
    }

    func union(_ other: FieldSet) -> FieldSet {
        if isEmpty { return other }
        var result = self
        result.members.formUnion(other.members)
        for (element, set) in other.children { result.insert(set, under: element) }
        return result
    }

    func intersection(_ other: FieldSet) -> FieldSet {
        var result = FieldSet()
        result.members = members.intersection(other.members)
        for (element, set) in children {
            if let others = other.children[element] { result.insert(set.intersection(others), under: element) }
        }
        return result
    }

    func subtracting(_ other: FieldSet) -> FieldSet {
        var result = FieldSet()
        result.members = members.subtracting(other.members)
        for (element, set) in children {
            result.insert(other.children[element].map { set.subtracting($0) } ?? set, under: element)
        }
        return result
    }

    /// All members, as people read them, sorted: `.spec.ports[port=80,protocol="TCP"].name`.
    var paths: [String] {
        var paths: [String] = []
        collect("", &paths)
        return paths.sorted()
    }

    private func collect(_ prefix: String, _ paths: inout [String]) {
        for member in members { paths.append(prefix + member.description) }
        for (element, set) in children { set.collect(prefix + element.description, &paths) }
    }
}

extension FieldElement: CustomStringConvertible {
    var description: String {
        switch self {
        case .field(let name): ".\(name)"
        case .key(let fields): "[" + fields.map { "\($0.name)=\($0.json)" }.joined(separator: ",") + "]"
        case .value(let json): "[=\(json)]"
        case .index(let index): "[\(index)]"
        }
    }
}

// MARK: - FieldsV1

extension FieldSet {
    /// As `managedFields` holds it (meta/v1 FieldsV1).
    var document: Value { document(isMember: false) }

    private func document(isMember: Bool) -> Value {
        var entries: [(String, Value)] = []
        let elements = members.union(children.keys).map { ($0.text, $0) }.sorted { $0.0 < $1.0 }
        if isMember, !elements.isEmpty { entries.append((".", .object([]))) }
        for (text, element) in elements {
            let isMember = members.contains(element)
            entries.append((text, children[element]?.document(isMember: isMember) ?? .object([])))
        }
        return .object(entries)
    }

    /// Nil if it is none.
    init?(_ document: Value) {
        guard let entries = document.mappingValue else { return nil }
        for entry in entries where entry.key != "." {
            guard let element = FieldElement(entry.key), let inner = entry.value.mappingValue else { return nil }
            guard !inner.isEmpty else {
                insert(element)
                continue
            }
            guard let set = FieldSet(entry.value) else { return nil }
            if inner.contains(where: { $0.key == "." }) { insert(element) }
            insert(set, under: element)
        }
    }
}

extension FieldElement {
    /// `f:spec`, `k:{"port":80}`, `v:"x"`, `i:0`.
    var text: String {
        switch self {
        case .field(let name): "f:\(name)"
        case .key(let fields):
            "k:{" + fields.map { "\(Value.string($0.name).json):\($0.json)" }.joined(separator: ",") + "}"
        case .value(let json): "v:\(json)"
        case .index(let index): "i:\(index)"
        }
    }

    init?(_ text: String) {
        let rest = String(text.dropFirst(2))
        switch text.prefix(2) {
        case "f:": self = .field(rest)
        case "k:":
            guard let key = try? JSON.read(rest), let entries = key.mappingValue, !entries.isEmpty else { return nil }
            self = .key(entries.map { KeyField(name: $0.key, json: $0.value.json) }.sorted { $0.name < $1.name })
        case "v:":
            guard let value = try? JSON.read(rest) else { return nil }
            self = .value(value.json)
        case "i:":
            guard rest.utf8.count <= 9, let index = Int(rest), index >= 0 else { return nil }
            self = .index(index)
        default: return nil
        }
    }
}
