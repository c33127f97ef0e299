// SPDX-License-Identifier: Apache-2.0

import Documents
import Wire

/// Fields that hold messages, alone, in lists and in maps, and those of which only one can be there.
extension MessageField {
    /// `clear` empties the other fields of a `oneof`.
    static func message<Inner: Message>(
        _ number: UInt32, _ name: String, _ path: Path<Inner?>, clear: @escaping @Sendable (inout Owner) -> Void = { _ in }
    ) -> Self {
        Self(
            number: number, name: name,
            write: { owner, writer in
                if let inner = owner[keyPath: path] { writer.write(message: number) { inner.write(to: &$0) } }
            },
            read: { (owner, field, budget) throws(WireFailure) in
                var inner = owner[keyPath: path] ?? Inner()
                clear(&owner)
                try inner.merge(try field.bytes(), &budget)
                owner[keyPath: path] = inner
            },
            json: { $0[keyPath: path]?.json },
            readJSON: { (owner, value) throws(MessageFailure) in
                clear(&owner)
                owner[keyPath: path] = try Inner(json: value)
            })
    }

    static func messages<Inner: Message>(_ number: UInt32, _ name: String, _ path: Path<[Inner]>) -> Self {
        Self(
            number: number, name: name,
            write: { owner, writer in
                for inner in owner[keyPath: path] { writer.write(message: number) { inner.write(to: &$0) } }
            },
            read: { (owner, field, budget) throws(WireFailure) in
                var inner = Inner()
                try inner.merge(try field.bytes(), &budget)
                owner[keyPath: path].append(inner)
            },
            json: { $0[keyPath: path].isEmpty ? nil : .array($0[keyPath: path].map(\.json)) },
            readJSON: { (owner, value) throws(MessageFailure) in
                for element in try value.list(name) { owner[keyPath: path].append(try Inner(json: element)) }
            })
    }

    /// A string of a `oneof`: there even if it is empty.
    static func oneofString(
        _ number: UInt32, _ name: String, _ path: Path<String?>, clear: @escaping @Sendable (inout Owner) -> Void
    ) -> Self {
        Self(
            number: number, name: name,
            write: { if let text = $0[keyPath: path] { $1.write(string: text, field: number) } },
            read: { (owner, field, _) throws(WireFailure) in
                clear(&owner)
                owner[keyPath: path] = try field.string()
            },
            json: { $0[keyPath: path].map { .string($0) } },
            readJSON: { (owner, value) throws(MessageFailure) in
                clear(&owner)
                owner[keyPath: path] = try value.text(name)
            })
    }

    /// `google.protobuf.UInt32Value`: a number that may be absent, in a message of its own; a bare number in JSON.
    static func wrappedUInt32(_ number: UInt32, _ name: String, _ path: Path<UInt32?>) -> Self {
        Self(
            number: number, name: name,
            write: { owner, writer in
                guard let value = owner[keyPath: path] else { return }
                writer.write(message: number) { if value != 0 { $0.write(varint: UInt64(value), field: 1) } }
            },
            read: { (owner, field, _) throws(WireFailure) in
                var value = owner[keyPath: path] ?? 0
                var reader = ProtobufReader(try field.bytes())
                while let inner = try reader.next() {
                    if inner.number == 1 { value = UInt32(truncatingIfNeeded: try inner.varint()) }
                }
                owner[keyPath: path] = value
            },
            json: { $0[keyPath: path].map { .integer($0) } },
            readJSON: { (owner, value) throws(MessageFailure) in owner[keyPath: path] = try value.number(name) })
    }

    /// `map<string, Inner>`, written in the order of the keys so that equal messages are equal bytes.
    static func map<Inner: Message>(_ number: UInt32, _ name: String, _ path: Path<[String: Inner]>) -> Self {
        Self(
            number: number, name: name,
            write: { owner, writer in
                for (key, inner) in owner[keyPath: path].sorted(by: { $0.key < $1.key }) {
                    writer.write(message: number) { entry in
                        if !key.isEmpty { entry.write(string: key, field: 1) }
                        entry.write(message: 2) { inner.write(to: &$0) }
                    }
                }
            },
            read: { (owner, field, budget) throws(WireFailure) in
                var (key, inner) = ("", Inner())
                var reader = ProtobufReader(try field.bytes())
                while let part = try reader.next() {
                    if part.number == 1 { key = try part.string() }
                    if part.number == 2 { try inner.merge(try part.bytes(), &budget) }
                }
                owner[keyPath: path][key] = inner
            },
            json: { owner in
                let map = owner[keyPath: path]
                return map.isEmpty ? nil : .object(map.sorted { $0.key < $1.key }.map { ($0.key, $0.value.json) })
            },
            readJSON: { (owner, value) throws(MessageFailure) in
                for entry in try value.entries(name) { owner[keyPath: path][entry.key] = try Inner(json: entry.value) }
            })
    }

    /// `map<string, string>`.
    static func stringMap(_ number: UInt32, _ name: String, _ path: Path<[String: String]>) -> Self {
        Self(
            number: number, name: name,
            write: { owner, writer in
                for (key, value) in owner[keyPath: path].sorted(by: { $0.key < $1.key }) {
                    writer.write(message: number) { entry in
                        if !key.isEmpty { entry.write(string: key, field: 1) }
                        if !value.isEmpty { entry.write(string: value, field: 2) }
                    }
                }
            },
            read: { (owner, field, _) throws(WireFailure) in
                var (key, value) = ("", "")
                var reader = ProtobufReader(try field.bytes())
                while let part = try reader.next() {
                    if part.number == 1 { key = try part.string() }
                    if part.number == 2 { value = try part.string() }
                }
                owner[keyPath: path][key] = value
            },
            json: { owner in
                let map = owner[keyPath: path]
                return map.isEmpty ? nil : .object(map.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
            },
            readJSON: { (owner, value) throws(MessageFailure) in
                for entry in try value.entries(name) { owner[keyPath: path][entry.key] = try entry.value.text(name) }
            })
    }
}
