// SPDX-License-Identifier: Apache-2.0

import Documents

/// The parts of a value that can have owners of their own: fields of an object, entries of a map, elements of a keyed list or a set.
struct TypedElements {
    struct Part {
        let element: FieldElement
        let value: Value
        let schema: Schema
    }

    /// In their order.
    let parts: [Part]
    private let places: [FieldElement: Int]

    /// Nil if the value is one piece: a scalar, something atomic, or a list whose elements can't be told apart.
    init?(_ value: Value, _ schema: Schema) {
        guard schema.isGranular, let parts = Self.parts(value, schema) else { return nil }
        self.parts = parts
        var places: [FieldElement: Int] = [:]
        for (index, part) in parts.enumerated() where places.updateValue(index, forKey: part.element) != nil { return nil }
        self.places = places
    }

    subscript(element: FieldElement) -> Part? { places[element].map { parts[$0] } }

    private static func parts(_ value: Value, _ schema: Schema) -> [Part]? {
        switch (schema.form, value.content) {
        case (.object, .mapping(let entries)), (.map, .mapping(let entries)):
            return entries.compactMap { entry in
                schema.child(entry.key).map { Part(element: .field(entry.key), value: entry.value, schema: $0) }
            }
        case (.list(let inner, .set), .sequence(let values)):
            return values.map { Part(element: .value($0.json), value: $0, schema: inner) }
        case (.list(let inner, .map(let keys)), .sequence(let values)):
            var parts: [Part] = []
            for value in values {
                guard let key = key(value, keys, inner) else { return nil }
                parts.append(Part(element: key, value: value, schema: inner))
            }
            return parts
        default: return nil
        }
    }

    /// The key of an element; a field that isn't written counts as its default.
    static func key(_ value: Value, _ keys: [String], _ schema: Schema) -> FieldElement? {
        var fields: [FieldElement.KeyField] = []
        for name in keys {
            guard let field = value[name] ?? schema.fields?[name]?.defaultValue else { return nil }
            fields.append(FieldElement.KeyField(name: name, json: field.json))
        }
        return .key(fields.sorted { $0.name < $1.name })
    }

    /// The container with other parts.
    static func rebuilt(_ parts: [(FieldElement, Value)], like value: Value) -> Value {
        if value.sequenceValue != nil { return .array(parts.map(\.1)) }
        return .object(
            parts.compactMap { element, value in
                guard case .field(let name) = element else { return nil }
                return (name, value)
            })
    }
}

// MARK: - Sets

extension FieldSet {
    /// What an applied configuration claims: its leaves, and the elements of its keyed lists.
    init(applied value: Value, _ schema: Schema) {
        guard let elements = TypedElements(value, schema) else { return }
        let isObject = schema.fields != nil
        for part in elements.parts {
            let inner = TypedElements(part.value, part.schema)
            // A field of an object belongs to nobody but through its parts; an entry of a map or list is itself something.
            if inner == nil || !isObject || (part.value.isEmptyContainer && part.value.mappingValue != nil) {
                insert(part.element)
            }
            if inner != nil { insert(FieldSet(applied: part.value, part.schema), under: part.element) }
        }
    }

    /// Everything in a value, containers too.
    init(all value: Value, _ schema: Schema) {
        guard let elements = TypedElements(value, schema) else { return }
        for part in elements.parts {
            insert(part.element)
            insert(FieldSet(all: part.value, part.schema), under: part.element)
        }
    }
}

/// What is different between two values.
struct FieldDifference {
    private(set) var added = FieldSet.empty
    private(set) var modified = FieldSet.empty
    private(set) var removed = FieldSet.empty

    var isEmpty: Bool { added.isEmpty && modified.isEmpty && removed.isEmpty }
    var written: FieldSet { added.union(modified) }

    init(from old: Value, to new: Value, _ schema: Schema) {
        guard let before = TypedElements(old, schema), let after = TypedElements(new, schema) else { return }
        compare(before, after)
    }

    private init(_ before: TypedElements, _ after: TypedElements) { compare(before, after) }

    private mutating func compare(_ before: TypedElements, _ after: TypedElements) {
        for part in after.parts {
            let element = part.element
            guard let old = before[element] else {
                added.insert(element)
                added.insert(FieldSet(all: part.value, part.schema), under: element)
                continue
            }
            guard let a = TypedElements(old.value, part.schema), let b = TypedElements(part.value, part.schema) else {
                if old.value != part.value { modified.insert(element) }
                continue
            }
            let inner = FieldDifference(a, b)
            added.insert(inner.added, under: element)
            modified.insert(inner.modified, under: element)
            removed.insert(inner.removed, under: element)
        }
        for part in before.parts where after[part.element] == nil {
            removed.insert(part.element)
            removed.insert(FieldSet(all: part.value, part.schema), under: part.element)
        }
    }
}

// MARK: - Trees

enum TypedMerge {
    /// The live value with what a configuration says; the configuration wins.
    static func merge(_ live: Value, _ config: Value, _ schema: Schema) -> Value {
        guard let old = TypedElements(live, schema), let new = TypedElements(config, schema) else { return config }
        let merged = { (element: FieldElement, part: TypedElements.Part) -> (FieldElement, Value) in
            (element, old[element].map { merge($0.value, part.value, part.schema) } ?? part.value)
        }
        // The configuration's order where it names all there is, or the live one with what is new behind it.
        if live.sequenceValue != nil, old.parts.allSatisfy({ new[$0.element] != nil }) {
            return TypedElements.rebuilt(new.parts.map { merged($0.element, $0) }, like: live)
        }
        let kept = old.parts.map { part in new[part.element].map { merged(part.element, $0) } ?? (part.element, part.value) }
        let more = new.parts.filter { old[$0.element] == nil }.map { ($0.element, $0.value) }
        return TypedElements.rebuilt(kept + more, like: live)
    }

    /// The value without what was claimed before and nobody claims any more.
    static func prune(_ value: Value, _ schema: Schema, last: FieldSet, kept: FieldSet) -> Value {
        guard !last.isEmpty, let elements = TypedElements(value, schema) else { return value }
        var parts: [(FieldElement, Value)] = []
        for part in elements.parts {
            let element = part.element
            let isClaimed = last.members.contains(element)
            let inner = last.children[element]
            let isKept = kept.members.contains(element) || kept.children[element] != nil
            if isClaimed, !isKept { continue }
            guard let inner else {
                parts.append((element, part.value))
                continue
            }
            let pruned = prune(part.value, part.schema, last: inner, kept: kept.children[element] ?? .empty)
            // What became empty by this goes too, unless somebody wants it.
            if pruned.isEmptyContainer, !part.value.isEmptyContainer, !isKept { continue }
            parts.append((element, pruned))
        }
        return TypedElements.rebuilt(parts, like: value)
    }

    /// Keyed lists of a configuration that name an element twice or not at all.
    static func faults(_ value: Value, _ schema: Schema, _ path: String = "") -> [FieldError] {
        if case .list(let inner, let kind) = schema.form, kind != .atomic, !schema.isAtomic, let values = value.sequenceValue {
            var seen: Set<FieldElement> = []
            var errors: [FieldError] = []
            for (index, item) in values.enumerated() {
                let element: FieldElement?
                if case .map(let keys) = kind {
                    element = TypedElements.key(item, keys, inner)
                    if element == nil {
                        errors.append(
                            FieldError(
                                .required, "\(path)[\(index)]", "an element of this list needs \(keys.joined(separator: " and "))"
                            ))
                    }
                } else {
                    element = .value(item.json)
                }
                if let element, !seen.insert(element).inserted {
                    errors.append(FieldError(.duplicate, "\(path)[\(index)]", value: element.description, ""))
                }
                errors += faults(item, inner, "\(path)[\(index)]")
            }
            return errors
        }
        return (value.mappingValue ?? []).flatMap { entry in
            schema.child(entry.key).map { faults(entry.value, $0, SchemaCheck.path(path, entry.key)) } ?? []
        }
    }
}
