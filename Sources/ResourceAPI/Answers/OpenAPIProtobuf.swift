// SPDX-License-Identifier: Apache-2.0

import Documents
import Wire

/// An OpenAPI v2 document in the protobuf of `openapi.v2.Document` (gnostic's OpenAPIv2.proto), which kubectl before 1.27 wants instead of JSON.
///
/// A walk over the JSON document by the tables of the messages: a key without a place in them is kept in `unplaced`, so that a test can say that
/// nothing is lost.
struct OpenAPIProtobuf {
    private(set) var bytes: [UInt8] = []
    /// Keys of the document that its protobuf has no field for, with the message in which they stood.
    private(set) var unplaced: Set<String> = []

    init(_ document: Value) {
        var writer = ProtobufWriter()
        write(document, as: .document, to: &writer)
        bytes = writer.bytes
    }

    private mutating func write(_ value: Value, as message: Message, to writer: inout ProtobufWriter) {
        for entry in value.mappingValue ?? [] {
            if entry.key.hasPrefix("x-"), let number = message.extensions {
                writer.write(message: number) { named in
                    named.write(string: entry.key, field: 1)
                    named.write(message: 2) { Self.write(any: entry.value, to: &$0) }
                }
            } else if let field = message.field(entry.key) {
                write(entry.value, field, to: &writer)
            } else {
                unplaced.insert("\(message).\(entry.key)")
            }
        }
    }

    private mutating func write(_ value: Value, _ field: Field, to writer: inout ProtobufWriter) {
        let number = field.number
        switch field.form {
        case .string: writer.write(string: value.stringValue ?? "", field: number)
        case .strings: for text in Self.strings(value) { writer.write(string: text, field: number) }
        case .flag: writer.write(varint: value.boolValue == true ? 1 : 0, field: number)
        case .any: writer.write(message: number) { Self.write(any: value, to: &$0) }
        case .anys: for one in value.sequenceValue ?? [] { writer.write(message: number) { Self.write(any: one, to: &$0) } }
        case .types: writer.write(message: number) { for text in Self.strings(value) { $0.write(string: text, field: 1) } }
        case .message(let message, let wrappers): wrap(value, message, [number] + wrappers, to: &writer)
        case .named(let message, let pair, let wrappers):
            var pairs = ProtobufWriter()
            for entry in value.mappingValue ?? [] {
                var named = ProtobufWriter()
                named.write(string: entry.key, field: 1)
                wrap(entry.value, message, [2] + wrappers, to: &named)
                pairs.write(bytes: named.bytes, field: pair)
            }
            writer.write(bytes: pairs.bytes, field: number)
        case .parameters:
            for parameter in value.sequenceValue ?? [] {
                // ParametersItem.parameter, then Parameter's and NonBodyParameter's choices.
                switch parameter["in"]?.stringValue {
                case "body": wrap(parameter, .bodyParameter, [number, 1, 1], to: &writer)
                case "path": wrap(parameter, .parameter(isPath: true), [number, 1, 2, 4], to: &writer)
                default: wrap(parameter, .parameter(isPath: false), [number, 1, 2, 3], to: &writer)
                }
            }
        }
    }

    /// A message inside others of which it is the only field.
    private mutating func wrap(_ value: Value, _ message: Message, _ numbers: [UInt32], to writer: inout ProtobufWriter) {
        var inner = ProtobufWriter()
        write(value, as: message, to: &inner)
        for number in numbers.reversed() {
            var outer = ProtobufWriter()
            outer.write(bytes: inner.bytes, field: number)
            inner = outer
        }
        writer.write(raw: inner.bytes)
    }

    /// `Any.yaml`: JSON is YAML.
    private static func write(any value: Value, to writer: inout ProtobufWriter) { writer.write(string: value.json, field: 2) }

    private static func strings(_ value: Value) -> [String] {
        value.stringValue.map { [$0] } ?? (value.sequenceValue ?? []).compactMap(\.stringValue)
    }
}

/// Where a key goes.
private struct Field {
    enum Form {
        case string
        case strings
        case flag
        case any
        case anys
        /// `TypeItem`: one word or several.
        case types
        /// A message, inside wrappers with these numbers.
        case message(Message, [UInt32] = [])
        /// A message of pairs, name and message (inside wrappers with these numbers), in its field `pair`.
        case named(Message, pair: UInt32, [UInt32] = [])
        case parameters
    }

    let number: UInt32
    let form: Form

    init(_ number: UInt32, _ form: Form) {
        self.number = number
        self.form = form
    }
}

/// The messages of OpenAPIv2.proto that our documents use, with the fields that they use.
private enum Message {
    case document
    case info
    case pathItem
    case operation
    case bodyParameter
    case parameter(isPath: Bool)
    case response
    case schema

    var extensions: UInt32? {
        switch self {
        case .document: 16
        case .info: 7
        case .pathItem: 10
        case .operation: 13
        case .bodyParameter: 6
        case .parameter(let isPath): isPath ? 22 : 23
        case .response: 5
        case .schema: 31
        }
    }

    func field(_ key: String) -> Field? {
        switch (self, key) {
        case (.document, "swagger"): Field(1, .string)
        case (.document, "info"): Field(2, .message(.info))
        case (.document, "paths"): Field(8, .named(.pathItem, pair: 2))
        case (.document, "definitions"): Field(9, .named(.schema, pair: 1))
        case (.info, "title"): Field(1, .string)
        case (.info, "version"): Field(2, .string)
        case (.pathItem, "get"): Field(2, .message(.operation))
        case (.pathItem, "put"): Field(3, .message(.operation))
        case (.pathItem, "post"): Field(4, .message(.operation))
        case (.pathItem, "delete"): Field(5, .message(.operation))
        case (.pathItem, "patch"): Field(8, .message(.operation))
        case (.pathItem, "parameters"): Field(9, .parameters)
        case (.operation, "tags"): Field(1, .strings)
        case (.operation, "operationId"): Field(5, .string)
        case (.operation, "consumes"): Field(7, .strings)
        case (.operation, "parameters"): Field(8, .parameters)
        case (.operation, "responses"): Field(9, .named(.response, pair: 1, [1]))
        case (.bodyParameter, "name"): Field(2, .string)
        case (.bodyParameter, "in"): Field(3, .string)
        case (.bodyParameter, "required"): Field(4, .flag)
        case (.bodyParameter, "schema"): Field(5, .message(.schema))
        case (.parameter, "required"): Field(1, .flag)
        case (.parameter, "in"): Field(2, .string)
        case (.parameter, "description"): Field(3, .string)
        case (.parameter, "name"): Field(4, .string)
        case (.parameter(let isPath), "type"): Field(isPath ? 5 : 6, .string)
        case (.parameter(let isPath), "uniqueItems"): Field(isPath ? 19 : 20, .flag)
        case (.response, "description"): Field(1, .string)
        case (.response, "schema"): Field(2, .message(.schema, [1]))
        case (.schema, "$ref"): Field(1, .string)
        case (.schema, "format"): Field(2, .string)
        case (.schema, "description"): Field(4, .string)
        case (.schema, "default"): Field(5, .any)
        case (.schema, "required"): Field(19, .strings)
        case (.schema, "enum"): Field(20, .anys)
        case (.schema, "additionalProperties"): Field(21, .message(.schema, [1]))
        case (.schema, "type"): Field(22, .types)
        case (.schema, "items"): Field(23, .message(.schema, [1]))
        case (.schema, "properties"): Field(25, .named(.schema, pair: 1))
        default: nil
        }
    }
}
