// SPDX-License-Identifier: Apache-2.0

import Documents

/// Strategic merge patch: as a merge patch, but lists are merged by the keys that the schema names, and directives say what else to do
/// (`kubectl apply`, `kubectl edit` and `kubectl label` of Kubernetes' own kinds).
///
///     $patch: replace | delete | merge      in an object, or in an element of a list
///     $setElementOrder/LIST                 the order of the elements
///     $deleteFromPrimitiveList/LIST         elements of a set that go
///     $retainKeys                           the fields of the object that stay
enum StrategicMerge {
    private static let order = "$setElementOrder/"
    private static let removal = "$deleteFromPrimitiveList/"
    private static let directive = "$patch"
    private static let retained = "$retainKeys"

    /// - Throws: 400 for directives that mean nothing.
    static func apply(_ patch: Value, to target: Value, _ schema: Schema) throws(APIStatus) -> Value {
        guard patch.mappingValue != nil else { return patch }
        switch patch[directive]?.stringValue {
        case nil: break
        case "replace": return patch.setting(directive, nil)
        case "delete": return .object([])
        case "merge": break
        case .some(let word): throw wrong("\(directive): \(word.prefix(32)) is not known: replace, delete or merge")
        }
        var entries = EntryList(retaining(patch, target))
        for change in patch.mappingValue ?? [] where !change.key.hasPrefix("$") {
            guard !change.value.isNull else {
                entries.remove(change.key)
                continue
            }
            let inner = schema.child(change.key) ?? .any
            entries.set(change.key, try merged(change.value, to: entries[change.key], inner, patch, change.key))
        }
        for change in patch.mappingValue ?? [] { try direct(change, &entries, patch, schema) }
        return entries.value
    }

    /// The target without what `$retainKeys` doesn't name.
    private static func retaining(_ patch: Value, _ target: Value) -> Value {
        guard let keys = patch[retained]?.sequenceValue else { return target }
        let kept = Set(keys.compactMap(\.stringValue))
        return Value(.mapping((target.mappingValue ?? []).filter { kept.contains($0.key) }))
    }

    /// Directives about lists that the patch doesn't write otherwise.
    private static func direct(
        _ change: Value.Entry, _ entries: inout EntryList, _ patch: Value, _ schema: Schema
    ) throws(APIStatus) {
        guard change.key.hasPrefix("$"), change.key != directive, change.key != retained else { return }
        if change.key.hasPrefix(removal) {
            let key = String(change.key.dropFirst(removal.count))
            let gone = Set((change.value.sequenceValue ?? []).map(\.json))
            guard let list = entries[key]?.sequenceValue else { return }
            entries.set(key, .array(list.filter { !gone.contains($0.json) }))
        } else if change.key.hasPrefix(order) {
            let key = String(change.key.dropFirst(order.count))
            guard let wanted = change.value.sequenceValue, let list = entries[key]?.sequenceValue else { return }
            entries.set(key, .array(sorted(list, as: wanted, schema.child(key) ?? .any)))
        } else {
            throw wrong("\(change.key.prefix(64)) is not known")
        }
    }

    private static func merged(
        _ value: Value, to old: Value?, _ schema: Schema, _ patch: Value, _ key: String
    ) throws(APIStatus) -> Value {
        guard let values = value.sequenceValue else {
            return value.mappingValue == nil ? value : try apply(value, to: old ?? .null, schema)
        }
        guard !schema.isAtomic, case .list(let inner, let kind) = schema.form else { return value }
        switch kind {
        case .atomic: return value
        case .set:
            var list = old?.sequenceValue ?? []
            var seen = Set(list.map(\.json))
            for value in values where seen.insert(value.json).inserted { list.append(value) }
            return .array(list)
        case .map(let keys): return .array(try merged(values, to: old?.sequenceValue ?? [], keys.first ?? "", inner))
        }
    }

    /// Elements of a keyed list: found by their key, changed, added, deleted.
    private static func merged(
        _ values: [Value], to old: [Value], _ key: String, _ schema: Schema
    ) throws(APIStatus) -> [Value] {
        if values.contains(where: { $0[directive] == "replace" }) {
            return values.filter { $0[directive] != "replace" || ($0.mappingValue?.count ?? 0) > 1 }.map {
                $0.setting(directive, nil)
            }
        }
        var list: [Value?] = old
        var places: [String: [Int]] = [:]
        for (index, element) in old.enumerated() { places[element[key]?.json ?? "", default: []].append(index) }
        for value in values {
            guard value.mappingValue != nil, let name = value[key]?.json else {
                throw wrong("an element has no \(key), by which it is found")
            }
            if value[directive] == "delete" {
                for index in places.removeValue(forKey: name) ?? [] { list[index] = nil }
            } else if let index = places[name]?.first, let element = list[index] {
                list[index] = try apply(value, to: element, schema)
            } else {
                places[name] = [list.count]
                list.append(try apply(value, to: .object([]), schema))
            }
        }
        return list.compactMap { $0 }
    }

    /// In the order that the patch wants; elements that it doesn't name stay behind the one that they stood behind.
    private static func sorted(_ list: [Value], as wanted: [Value], _ schema: Schema) -> [Value] {
        var key: String?
        if case .list(_, .map(let keys)) = schema.form { key = keys.first }
        let name = { (value: Value) in key.flatMap { value[$0]?.json } ?? value.json }
        let ranks = Dictionary(wanted.enumerated().map { (name($1), $0) }, uniquingKeysWith: { first, _ in first })
        var rank = -1
        let ranked = list.enumerated().map { index, value in
            if let own = ranks[name(value)] { rank = own }
            return (rank: ranks[name(value)] ?? rank, index: index, value: value)
        }
        return ranked.sorted { ($0.rank, $0.index) < ($1.rank, $1.index) }.map(\.value)
    }

    private static func wrong(_ reason: String) -> APIStatus { APIStatus(.badRequest, "strategic merge patch: \(reason)") }
}
