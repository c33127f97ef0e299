// SPDX-License-Identifier: Apache-2.0

package import Documents
package import Wire

/// A protobuf message, declared once: its fields say how it is written, read and shown as JSON.
package protocol Message: Equatable, Sendable {
    /// In the order of their numbers.
    static var fields: [MessageField<Self>] { get }

    /// Fields that came over the wire and aren't declared, whole, as they came: written again, and looked at by those who must not act
    /// on half a message.
    var unknownFields: [UInt8] { get set }

    init()
}

/// One field of a message, with everything that can be done with it.
package struct MessageField<Owner>: Sendable {
    let number: UInt32
    /// As the .proto file has it, which is how the JSON here has it.
    let name: String
    /// Writes the field if it isn't at its default.
    let write: @Sendable (Owner, inout ProtobufWriter) -> Void
    let read: @Sendable (inout Owner, ProtobufField, inout ProtobufBudget) throws(WireFailure) -> Void
    /// Nil at the default.
    let json: @Sendable (Owner) -> Value?
    let readJSON: @Sendable (inout Owner, Value) throws(MessageFailure) -> Void
}

/// Why a JSON value is no message of this kind.
package struct MessageFailure: Error, Hashable, Sendable {
    package let field: String
    package let reason: String

    init(_ field: String, _ reason: String) {
        self.field = field
        self.reason = reason
    }
}

// MARK: - Binary

extension Message {
    /// From untrusted bytes; the caller bounded their number.
    package init(decoding bytes: some Collection<UInt8>, budget: ProtobufBudget = ProtobufBudget()) throws(WireFailure) {
        var budget = budget
        self.init()
        try merge(Array(bytes)[...], &budget)
    }

    package var encoded: [UInt8] {
        var writer = ProtobufWriter()
        write(to: &writer)
        return writer.bytes
    }

    func write(to writer: inout ProtobufWriter) {
        for field in Self.fields { field.write(self, &writer) }
        writer.write(raw: unknownFields)
    }

    /// Reads fields into this message as protobuf merges them: later single values replace earlier ones.
    mutating func merge(_ bytes: ArraySlice<UInt8>, _ budget: inout ProtobufBudget) throws(WireFailure) {
        guard budget.depth > 0 else { throw .tooDeep }
        budget.depth -= 1
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            guard budget.values > 0 else { throw .tooManyValues }
            budget.values -= 1
            if let declared = Self.fields.first(where: { $0.number == field.number }) {
                try declared.read(&self, field, &budget)
            } else {
                unknownFields += field.raw
            }
        }
        budget.depth += 1
    }
}

// MARK: - JSON

extension Message {
    /// Protobuf's JSON mapping with the field names of the .proto file, fields sorted by name, defaults absent.
    package var json: Value {
        let present = Self.fields.compactMap { field in field.json(self).map { (field.name, $0) } }
        return .object(present.sorted { $0.0 < $1.0 })
    }

    /// From such JSON. Unknown names are refused.
    package init(json: Value) throws(MessageFailure) {
        self.init()
        guard let entries = json.mappingValue else { throw MessageFailure("", "not a mapping") }
        for entry in entries {
            guard let field = Self.fields.first(where: { $0.name == entry.key }) else {
                throw MessageFailure(entry.key, "no such field")
            }
            try field.readJSON(&self, entry.value)
        }
    }
}
