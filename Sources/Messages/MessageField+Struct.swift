// SPDX-License-Identifier: Apache-2.0

import Documents
import Wire

/// `google.protobuf.Struct`: a mapping of JSON values. In JSON it is just that.
extension MessageField {
    static func structure(_ number: UInt32, _ name: String, _ path: Path<Value?>) -> Self {
        Self(
            number: number, name: name,
            write: { owner, writer in
                if let value = owner[keyPath: path] { writer.write(message: number) { $0.write(structure: value) } }
            },
            read: { (owner, field, budget) throws(WireFailure) in
                owner[keyPath: path] = try ProtobufReader.readStruct(try field.bytes(), &budget)
            },
            json: { $0[keyPath: path] },
            readJSON: { (owner, value) throws(MessageFailure) in
                _ = try value.entries(name)
                owner[keyPath: path] = value
            })
    }
}

extension ProtobufWriter {
    fileprivate mutating func write(structure value: Value) {
        for entry in value.mappingValue ?? [] {
            write(message: 1) { field in
                field.write(string: entry.key, field: 1)
                field.write(message: 2) { $0.write(value: entry.value) }
            }
        }
    }

    private mutating func write(value: Value) {
        switch value.content {
        case .null: write(varint: 0, field: 1)
        case .integer(let integer): write(double: Double(integer), field: 2)
        case .number(let number): write(double: number, field: 2)
        case .string(let text): write(string: text, field: 3)
        case .bool(let bool): write(varint: bool ? 1 : 0, field: 4)
        case .mapping: write(message: 5) { $0.write(structure: value) }
        case .sequence(let values):
            write(message: 6) { list in
                for element in values { list.write(message: 1) { $0.write(value: element) } }
            }
        }
    }
}

extension ProtobufReader {
    fileprivate static func readStruct(
        _ bytes: ArraySlice<UInt8>, _ budget: inout ProtobufBudget
    ) throws(WireFailure) -> Value {
        try enter(&budget)
        var entries: [Value.Entry] = []
        var places: [String: Int] = [:]
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            guard field.number == 1 else { continue }
            var (key, value) = ("", Value.null)
            var entry = ProtobufReader(try field.bytes())
            while let part = try entry.next() {
                if part.number == 1 { key = try part.string() }
                if part.number == 2 { value = try readValue(try part.bytes(), &budget) }
            }
            // The last value of a key counts.
            if let place = places[key] {
                entries[place] = Value.Entry(key, value)
            } else {
                places[key] = entries.count
                entries.append(Value.Entry(key, value))
            }
        }
        budget.depth += 1
        return Value(.mapping(entries))
    }

    private static func readValue(
        _ bytes: ArraySlice<UInt8>, _ budget: inout ProtobufBudget
    ) throws(WireFailure) -> Value {
        try enter(&budget)
        var value = Value.null
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: value = .null
            case 2: value = .number(try field.double())
            case 3: value = .string(try field.string())
            case 4: value = .bool(try field.varint() != 0)
            case 5: value = try readStruct(try field.bytes(), &budget)
            case 6: value = .array(try readList(try field.bytes(), &budget))
            default: continue
            }
        }
        budget.depth += 1
        return value
    }

    private static func readList(
        _ bytes: ArraySlice<UInt8>, _ budget: inout ProtobufBudget
    ) throws(WireFailure) -> [Value] {
        var values: [Value] = []
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            if field.number == 1 { values.append(try readValue(try field.bytes(), &budget)) }
        }
        return values
    }

    private static func enter(_ budget: inout ProtobufBudget) throws(WireFailure) {
        guard budget.depth > 0 else { throw .tooDeep }
        guard budget.values > 0 else { throw .tooManyValues }
        budget.depth -= 1
        budget.values -= 1
    }
}
