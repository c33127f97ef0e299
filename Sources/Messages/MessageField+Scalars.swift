// SPDX-License-Identifier: Apache-2.0

import Documents
import Wire

/// How fields of each type are declared.
extension MessageField {
    typealias Path<Type> = any WritableKeyPath<Owner, Type> & Sendable

    static func string(_ number: UInt32, _ name: String, _ path: Path<String>) -> Self {
        Self(
            number: number, name: name,
            write: { if !$0[keyPath: path].isEmpty { $1.write(string: $0[keyPath: path], field: number) } },
            read: { (owner, field, _) throws(WireFailure) in owner[keyPath: path] = try field.string() },
            json: { $0[keyPath: path].isEmpty ? nil : .string($0[keyPath: path]) },
            readJSON: { (owner, value) throws(MessageFailure) in owner[keyPath: path] = try value.text(name) })
    }

    static func strings(_ number: UInt32, _ name: String, _ path: Path<[String]>) -> Self {
        Self(
            number: number, name: name,
            write: { for text in $0[keyPath: path] { $1.write(string: text, field: number) } },
            read: { (owner, field, _) throws(WireFailure) in owner[keyPath: path].append(try field.string()) },
            json: { $0[keyPath: path].isEmpty ? nil : .array($0[keyPath: path].map { .string($0) }) },
            readJSON: { (owner, value) throws(MessageFailure) in
                for element in try value.list(name) { owner[keyPath: path].append(try element.text(name)) }
            })
    }

    static func bytes(_ number: UInt32, _ name: String, _ path: Path<[UInt8]>) -> Self {
        Self(
            number: number, name: name,
            write: { if !$0[keyPath: path].isEmpty { $1.write(bytes: $0[keyPath: path], field: number) } },
            read: { (owner, field, _) throws(WireFailure) in owner[keyPath: path] = Array(try field.bytes()) },
            json: { $0[keyPath: path].isEmpty ? nil : .string(Base64.encode($0[keyPath: path])) },
            readJSON: { (owner, value) throws(MessageFailure) in owner[keyPath: path] = try value.base64(name) })
    }

    static func byteStrings(_ number: UInt32, _ name: String, _ path: Path<[[UInt8]]>) -> Self {
        Self(
            number: number, name: name,
            write: { for value in $0[keyPath: path] { $1.write(bytes: value, field: number) } },
            read: { (owner, field, _) throws(WireFailure) in owner[keyPath: path].append(Array(try field.bytes())) },
            json: { $0[keyPath: path].isEmpty ? nil : .array($0[keyPath: path].map { .string(Base64.encode($0)) }) },
            readJSON: { (owner, value) throws(MessageFailure) in
                for element in try value.list(name) { owner[keyPath: path].append(try element.base64(name)) }
            })
    }

    static func bool(_ number: UInt32, _ name: String, _ path: Path<Bool>) -> Self {
        Self(
            number: number, name: name,
            write: { if $0[keyPath: path] { $1.write(varint: 1, field: number) } },
            read: { (owner, field, _) throws(WireFailure) in owner[keyPath: path] = try field.varint() != 0 },
            json: { $0[keyPath: path] ? true : nil },
            readJSON: { (owner, value) throws(MessageFailure) in
                guard let bool = value.boolValue else { throw MessageFailure(name, "not a boolean") }
                owner[keyPath: path] = bool
            })
    }

    static func uint32(_ number: UInt32, _ name: String, _ path: Path<UInt32>) -> Self {
        Self(
            number: number, name: name,
            write: { if $0[keyPath: path] != 0 { $1.write(varint: UInt64($0[keyPath: path]), field: number) } },
            // A larger number loses its upper bits, as every protobuf reader has it.
            read: { (owner, field, _) throws(WireFailure) in
                owner[keyPath: path] = UInt32(truncatingIfNeeded: try field.varint())
            },
            json: { $0[keyPath: path] == 0 ? nil : .integer($0[keyPath: path]) },
            readJSON: { (owner, value) throws(MessageFailure) in owner[keyPath: path] = try value.number(name) })
    }

    /// A number that knows whether it is there (`optional` in the .proto file).
    static func optionalUInt32(_ number: UInt32, _ name: String, _ path: Path<UInt32?>) -> Self {
        Self(
            number: number, name: name,
            write: { if let value = $0[keyPath: path] { $1.write(varint: UInt64(value), field: number) } },
            read: { (owner, field, _) throws(WireFailure) in
                owner[keyPath: path] = UInt32(truncatingIfNeeded: try field.varint())
            },
            json: { $0[keyPath: path].map { .integer($0) } },
            readJSON: { (owner, value) throws(MessageFailure) in owner[keyPath: path] = try value.number(name) })
    }

    static func uint32s(_ number: UInt32, _ name: String, _ path: Path<[UInt32]>) -> Self {
        Self(
            number: number, name: name,
            write: {
                if !$0[keyPath: path].isEmpty { $1.write(packed: $0[keyPath: path].map { UInt64($0) }, field: number) }
            },
            read: { (owner, field, budget) throws(WireFailure) in
                owner[keyPath: path] += try field.numbers(&budget).map { UInt32(truncatingIfNeeded: $0) }
            },
            json: { $0[keyPath: path].isEmpty ? nil : .array($0[keyPath: path].map { .integer($0) }) },
            readJSON: { (owner, value) throws(MessageFailure) in
                for element in try value.list(name) { owner[keyPath: path].append(try element.number(name)) }
            })
    }

    /// Shown as a string in JSON, as 64-bit numbers are.
    static func int64(_ number: UInt32, _ name: String, _ path: Path<Int64>) -> Self {
        Self(
            number: number, name: name,
            write: { if $0[keyPath: path] != 0 { $1.write(varint: UInt64(bitPattern: $0[keyPath: path]), field: number) } },
            read: { (owner, field, _) throws(WireFailure) in owner[keyPath: path] = Int64(bitPattern: try field.varint()) },
            json: { $0[keyPath: path] == 0 ? nil : .string(String($0[keyPath: path])) },
            readJSON: { (owner, value) throws(MessageFailure) in
                guard let number = value.integerValue ?? value.stringValue.flatMap({ Int64($0) }) else {
                    throw MessageFailure(name, "not a number")
                }
                owner[keyPath: path] = number
            })
    }

    /// An open enumeration: `names[n]` is the name of number n; numbers without one are kept and shown as numbers.
    static func enumeration(_ number: UInt32, _ name: String, _ path: Path<Int32>, _ names: [String]) -> Self {
        Self(
            number: number, name: name,
            write: {
                if $0[keyPath: path] != 0 { $1.write(varint: UInt64(bitPattern: Int64($0[keyPath: path])), field: number) }
            },
            read: { (owner, field, _) throws(WireFailure) in
                owner[keyPath: path] = Int32(truncatingIfNeeded: try field.varint())
            },
            json: { $0[keyPath: path] == 0 ? nil : Value.enumeration($0[keyPath: path], names) },
            readJSON: { (owner, value) throws(MessageFailure) in
                owner[keyPath: path] = try value.enumeration(name, names)
            })
    }

    static func enumerations(_ number: UInt32, _ name: String, _ path: Path<[Int32]>, _ names: [String]) -> Self {
        Self(
            number: number, name: name,
            write: {
                guard !$0[keyPath: path].isEmpty else { return }
                $1.write(packed: $0[keyPath: path].map { UInt64(bitPattern: Int64($0)) }, field: number)
            },
            read: { (owner, field, budget) throws(WireFailure) in
                owner[keyPath: path] += try field.numbers(&budget).map { Int32(truncatingIfNeeded: $0) }
            },
            json: { $0[keyPath: path].isEmpty ? nil : .array($0[keyPath: path].map { Value.enumeration($0, names) }) },
            readJSON: { (owner, value) throws(MessageFailure) in
                for element in try value.list(name) { owner[keyPath: path].append(try element.enumeration(name, names)) }
            })
    }
}

extension ProtobufField {
    /// Packed numbers, each of which counts as a value.
    fileprivate func numbers(_ budget: inout ProtobufBudget) throws(WireFailure) -> [UInt64] {
        let numbers = try varints()
        budget.values -= numbers.count
        guard budget.values >= 0 else { throw .tooManyValues }
        return numbers
    }
}
