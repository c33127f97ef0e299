// SPDX-License-Identifier: Apache-2.0

import Documents

/// Holds an object against its schema: what isn't known is taken out and listed, what has the wrong type is an error. Null is as good as absent, as
/// Kubernetes reads it.
struct SchemaCheck {
    /// What is listed; more doesn't help anybody.
    private static let maximumListed = 64

    /// `spec.selektor`, and what was probably meant.
    private(set) var unknown: [(path: String, meant: String?)] = []
    private(set) var errors: [FieldError] = []

    /// The object without what the schema doesn't know. As deep as the schema, or as the reader's limit where anything may stand.
    mutating func prune(_ object: Value, _ schema: Schema) -> Value { prune(object, schema, "") }

    private mutating func prune(_ value: Value, _ schema: Schema, _ path: String) -> Value {
        switch (schema.form, value.content) {
        case (.any, _): return value
        case (.object(let fields), .mapping(let entries)):
            var kept: [Value.Entry] = []
            for entry in entries where !entry.value.isNull {
                let place = Self.path(path, entry.key)
                guard let field = fields[entry.key] else {
                    if unknown.count < Self.maximumListed {
                        unknown.append((place, suggestion(for: entry.key, among: fields.all.map(\.name))))
                    }
                    continue
                }
                kept.append(Value.Entry(entry.key, prune(entry.value, field.schema, place)))
            }
            return Value(.mapping(kept))
        case (.map(let inner), .mapping(let entries)):
            var kept: [Value.Entry] = []
            for entry in entries where !entry.value.isNull || inner.isString {
                // A label without a value is written as one with an empty value.
                let written = entry.value.isNull ? Value.string("") : entry.value
                kept.append(Value.Entry(entry.key, prune(written, inner, Self.path(path, entry.key, isKey: true))))
            }
            return Value(.mapping(kept))
        case (.list(let element, _), .sequence(let values)):
            var index = 0
            return .array(
                values.map { value in
                    defer { index += 1 }
                    return prune(value, element, "\(path)[\(index)]")
                })
        default:
            check(scalar: value, schema, path)
            return value
        }
    }

    private mutating func check(scalar value: Value, _ schema: Schema, _ path: String) {
        switch (schema.form, value.content) {
        case (.string, .string(let text)): check(words: text, schema, path)
        case (.integer, .integer), (.number, .integer), (.number, .number), (.boolean, .bool), (.intOrString, .integer),
            (.intOrString, .string):
            break
        case (let form, _): report(Self.wrongType(value, form, path))
        }
    }

    private mutating func check(words text: String, _ schema: Schema, _ path: String) {
        if schema.format == "date-time", Timestamp(text) == nil {
            report(FieldError(.invalid, path, value: Value.string(text).json, "must be a time like 2026-01-31T12:00:00Z"))
        }
        guard !schema.words.isEmpty, !schema.words.contains(text) else { return }
        let meant = suggestion(for: text, among: schema.words).map { ". Did you mean \"\($0)\"?" } ?? ""
        let supported = schema.words.map { "\"\($0)\"" }.joined(separator: ", ")
        report(FieldError(.notSupported, path, value: Value.string(text).json, "supported values: \(supported)\(meant)"))
    }

    private mutating func report(_ error: FieldError) { if errors.count < Self.maximumListed { errors.append(error) } }

    private static func wrongType(_ value: Value, _ form: Schema.Form, _ path: String) -> FieldError {
        let expected =
            switch form {
            case .string: "string"
            case .integer: "integer"
            case .number: "number"
            case .boolean: "boolean"
            case .intOrString: "integer or string"
            case .list: "array"
            case .map, .object, .any: "object"
            }
        let found =
            switch value.content {
            case .null: "null"
            case .bool: "boolean"
            case .integer: "integer"
            case .number: "number"
            case .string: "string"
            case .sequence: "array"
            case .mapping: "object"
            }
        let hint =
            expected == "string" && value.sequenceValue == nil && value.mappingValue == nil
            ? ". Put the value in quotes: YAML reads words like y, no, on and numbers as something else" : ""
        return FieldError(.typeInvalid, path, value: "\"\(found)\"", "must be of type \(expected): \"\(found)\"\(hint)")
    }

    /// `spec.ports`; keys of labels stand in brackets where they have dots or slashes.
    static func path(_ path: String, _ key: String, isKey: Bool = false) -> String {
        let shown = key.utf8.count > 80 ? String(key.prefix(60)) + "…" : key
        if isKey, key.contains(where: { $0 == "." || $0 == "/" }) { return "\(path)[\(shown)]" }
        return path.isEmpty ? shown : "\(path).\(shown)"
    }
}

extension Schema {
    var isString: Bool { if case .string = form { true } else { false } }
}

/// What a schema puts where nobody wrote anything, and what it misses.
enum SchemaDefaults {
    /// The object with its defaults. Only objects that are there are filled in: a policy without a selector doesn't get one.
    static func fill(_ value: Value, _ schema: Schema) -> Value {
        switch (schema.form, value.content) {
        case (.object(let fields), .mapping):
            var filled = value
            for field in fields.all {
                if let inner = value[field.name] {
                    filled = filled.setting(field.name, fill(inner, field.schema))
                } else if let value = field.defaultValue {
                    filled = filled.setting(field.name, value)
                }
            }
            return filled
        case (.list(let element, _), .sequence(let values)) where element.fields != nil:
            return .array(values.map { fill($0, element) })
        default: return value
        }
    }

    /// Fields that have to be there.
    static func missing(_ value: Value, _ schema: Schema, _ path: String = "") -> [FieldError] {
        switch (schema.form, value.content) {
        case (.object(let fields), .mapping):
            return fields.all.flatMap { field in
                let place = SchemaCheck.path(path, field.name)
                guard let inner = value[field.name] else { return field.isRequired ? [FieldError(.required, place, "")] : [] }
                return missing(inner, field.schema, place)
            }
        case (.list(let element, _), .sequence(let values)) where element.fields != nil:
            return values.enumerated().flatMap { missing($1, element, "\(path)[\($0)]") }
        case (.map(let inner), .mapping(let entries)) where inner.fields != nil:
            return entries.flatMap { missing($0.value, inner, SchemaCheck.path(path, $0.key, isKey: true)) }
        default: return []
        }
    }
}
