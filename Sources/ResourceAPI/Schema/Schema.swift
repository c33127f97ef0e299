// SPDX-License-Identifier: Apache-2.0

package import Documents

/// What an object of a kind may hold: one tree per kind, from which come unknown fields and wrong types, defaults, the keys by which lists are merged
/// (strategic merge, server-side apply), and the OpenAPI documents that `kubectl explain` prints.
package struct Schema: Sendable {
    package indirect enum Form: Sendable {
        case string
        case integer
        case number
        case boolean
        /// A port: a number, or the name of one.
        case intOrString
        /// Whatever the writer likes.
        case any
        case map(Schema)
        case list(Schema, SchemaList)
        case object(SchemaFields)
    }

    package let form: Form
    /// The words that a string may be; empty: any.
    package var words: [String] = []
    /// OpenAPI's: `date-time`, `int32`.
    package var format: String?
    /// Belongs as a whole to who writes it, rather than field by field.
    package var isAtomic = false
    /// The name that it has of its own in OpenAPI documents, where several kinds share it.
    package var definition: String?

    package init(_ form: Form) { self.form = form }
}

/// How two versions of a list become one.
package enum SchemaList: Hashable, Sendable {
    /// The newer one replaces the older one.
    case atomic
    /// Each value once; strategic merge adds.
    case set
    /// Elements are the same if these of their fields are equal; strategic merge compares the first.
    case map([String])
}

/// One field of an object.
package struct SchemaField: Sendable {
    package let name: String
    package let schema: Schema
    package let description: String
    package var isRequired = false
    /// What stands there if nobody wrote anything.
    package var defaultValue: Value?

    package init(_ name: String, _ schema: Schema, _ description: String, required: Bool = false, default value: Value? = nil) {
        self.name = name
        self.schema = schema
        self.description = description
        isRequired = required
        defaultValue = value
    }
}

/// The fields of an object, in the order of their declaration, and by name.
package struct SchemaFields: Sendable {
    package let all: [SchemaField]
    private let places: [String: Int]

    package init(_ fields: [SchemaField]) {
        all = fields
        places = Dictionary(fields.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    package subscript(name: String) -> SchemaField? { places[name].map { all[$0] } }
}

// MARK: - Writing schemas

extension Schema {
    static let string = Schema(.string)
    static let integer = Schema(.integer)
    static let number = Schema(.number)
    static let boolean = Schema(.boolean)
    static let intOrString = Schema(.intOrString)
    static let any = Schema(.any)
    static let strings = Schema.list(.string)

    static let time: Schema = {
        var schema = Schema.string
        schema.format = "date-time"
        return schema
    }()

    static func words(_ words: String...) -> Schema {
        var schema = Schema.string
        schema.words = words
        return schema
    }

    static func map(_ value: Schema) -> Schema { Schema(.map(value)) }

    static func list(_ element: Schema, _ kind: SchemaList = .atomic) -> Schema { Schema(.list(element, kind)) }

    static func object(_ fields: SchemaField...) -> Schema { Schema(.object(SchemaFields(fields))) }

    /// The same, to be written as a whole.
    var atomic: Schema {
        var schema = self
        schema.isAtomic = true
        return schema
    }

    /// The same, under a name of its own.
    func named(_ definition: String) -> Schema {
        var schema = self
        schema.definition = definition
        return schema
    }
}

// MARK: - Reading

extension Schema {
    /// What stands under a key of an object or a map; nil if nothing may.
    package func child(_ key: String) -> Schema? {
        switch form {
        case .object(let fields): fields[key]?.schema
        case .map(let value): value
        case .any: self
        case .string, .integer, .number, .boolean, .intOrString, .list: nil
        }
    }

    var fields: SchemaFields? { if case .object(let fields) = form { fields } else { nil } }

    /// Whether its parts can belong to several writers.
    var isGranular: Bool {
        guard !isAtomic else { return false }
        switch form {
        case .object, .map: return true
        case .list(_, let kind): return kind != .atomic
        case .any, .string, .integer, .number, .boolean, .intOrString: return false
        }
    }
}
