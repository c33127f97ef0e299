// SPDX-License-Identifier: Apache-2.0

/// A document as a tree: what YAML and JSON have in common, each node with its place in the text.
///
/// Values are made by the readers, or by code through literals and the static functions below, and written by the writers.
/// Two values are equal if they say the same, wherever they stand.
package struct Value: Sendable {
    package enum Content: Sendable {
        case null
        case bool(Bool)
        case integer(Int64)
        case number(Double)
        case string(String)
        case sequence([Value])
        case mapping([Entry])
    }

    /// One key of a mapping. Keys keep the order in which they were written; a reader refuses the same key twice.
    package struct Entry: Sendable {
        package let key: String
        package let keyPosition: Position
        package let value: Value

        package init(_ key: String, at position: Position = .none, _ value: Value) {
            self.key = key
            self.keyPosition = position
            self.value = value
        }
    }

    package let content: Content
    package let position: Position

    package init(_ content: Content, at position: Position = .none) {
        self.content = content
        self.position = position
    }
}

// MARK: - Building

extension Value {
    package static let null = Value(.null)
    package static func bool(_ value: Bool) -> Value { Value(.bool(value)) }
    package static func string(_ value: String) -> Value { Value(.string(value)) }
    package static func number(_ value: Double) -> Value { Value(.number(value)) }
    package static func array(_ values: [Value]) -> Value { Value(.sequence(values)) }

    /// Numbers above `Int64.max` become floating point, as every JSON reader of the field would read them.
    package static func integer(_ value: some BinaryInteger) -> Value {
        if let exact = Int64(exactly: value) { return Value(.integer(exact)) }
        return Value(.number(Double(value)))
    }

    /// A mapping in the given order. The keys must differ; nobody checks.
    package static func object(_ entries: [(String, Value)]) -> Value {
        Value(.mapping(entries.map { Entry($0.0, $0.1) }))
    }

    /// A mapping without the keys whose value is nil.
    package static func object(present entries: [(String, Value?)]) -> Value {
        Value(.mapping(entries.compactMap { key, value in value.map { Entry(key, $0) } }))
    }
}

extension Value: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByStringLiteral, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(booleanLiteral value: Bool) { self.init(.bool(value)) }
    package init(integerLiteral value: Int64) { self.init(.integer(value)) }
    package init(floatLiteral value: Double) { self.init(.number(value)) }
    package init(stringLiteral value: String) { self.init(.string(value)) }
    package init(arrayLiteral elements: Value...) { self.init(.sequence(elements)) }
    package init(dictionaryLiteral elements: (String, Value)...) { self = .object(elements) }
}

// MARK: - Reading

extension Value {
    /// The value of a key; nil if there is none or this is no mapping. Keys are few: the search is linear.
    package subscript(key: String) -> Value? {
        guard case .mapping(let entries) = content else { return nil }
        return entries.first { $0.key == key }?.value
    }

    package var isNull: Bool { if case .null = content { true } else { false } }
    package var stringValue: String? { if case .string(let value) = content { value } else { nil } }
    package var boolValue: Bool? { if case .bool(let value) = content { value } else { nil } }
    package var integerValue: Int64? { if case .integer(let value) = content { value } else { nil } }
    package var sequenceValue: [Value]? { if case .sequence(let value) = content { value } else { nil } }
    package var mappingValue: [Entry]? { if case .mapping(let value) = content { value } else { nil } }

    /// An integer or a floating-point number as the latter.
    package var numberValue: Double? {
        switch content {
        case .integer(let value): Double(value)
        case .number(let value): value
        case .null, .bool, .string, .sequence, .mapping: nil
        }
    }

    /// What this is, for a sentence: `a boolean`, `a sequence`.
    package var kindName: String {
        switch content {
        case .null: "empty"
        case .bool: "a boolean"
        case .integer: "an integer"
        case .number: "a number"
        case .string: "a string"
        case .sequence: "a sequence"
        case .mapping: "a mapping"
        }
    }
}

extension Value: Equatable {
    private static let longestSearched = 32

    /// Equality of meaning: places don't count, the order of keys does not either.
    package static func == (a: Value, b: Value) -> Bool {
        switch (a.content, b.content) {
        case (.null, .null): return true
        case (.bool(let a), .bool(let b)): return a == b
        case (.string(let a), .string(let b)): return a == b
        case (.sequence(let a), .sequence(let b)): return a == b
        case (.mapping(let entries), .mapping(let others)):
            guard entries.count == others.count else { return false }
            // In the same order, as nearly always; or so few that a search is cheaper than a table.
            if zip(entries, others).allSatisfy({ $0.key == $1.key }) {
                return zip(entries, others).allSatisfy { $0.value == $1.value }
            }
            guard entries.count > longestSearched else { return entries.allSatisfy { entry in b[entry.key] == entry.value } }
            let table = Dictionary(others.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
            return entries.allSatisfy { entry in table[entry.key] == entry.value }
        case (.integer(let a), .integer(let b)): return a == b
        case (.integer, .number), (.number, .integer), (.number, .number): return a.numberValue == b.numberValue
        case (.null, _), (.bool, _), (.string, _), (.sequence, _), (.mapping, _), (.integer, _), (.number, _): return false
        }
    }
}
