// SPDX-License-Identifier: Apache-2.0

/// One field as it stands on the wire, before anyone says what it means.
package struct ProtobufField: Sendable {
    package enum Payload: Sendable {
        case varint(UInt64)
        case fixed64(UInt64)
        case bytes(ArraySlice<UInt8>)
        case fixed32(UInt32)
    }

    package let number: UInt32
    package let payload: Payload
    /// All its bytes, key included, for those who keep what they don't know.
    package let raw: ArraySlice<UInt8>
}

/// What decoding one message may cost. Passed down through the messages inside it.
package struct ProtobufBudget: Sendable {
    /// Messages inside each other. The deepest of the field has 7 levels, a `Struct` may have more.
    package var depth: Int
    /// Values altogether: each costs memory beyond its bytes.
    package var values: Int

    package init(depth: Int = 32, values: Int = 2_000_000) {
        self.depth = depth
        self.values = values
    }
}

/// Reads the fields of one message, front to back. Every length is checked against what is there; nothing here can trap.
package struct ProtobufReader {
    private var rest: ArraySlice<UInt8>

    package init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The next field; nil at the end.
    package mutating func next() throws(WireFailure) -> ProtobufField? {
        guard !rest.isEmpty else { return nil }
        let start = rest
        let key = try readVarint()
        guard let number = UInt32(exactly: key >> 3), (1...536_870_911).contains(number) else { throw .badFieldNumber }
        let payload: ProtobufField.Payload
        switch UInt8(truncatingIfNeeded: key & 7) {
        case 0: payload = .varint(try readVarint())
        case 1: payload = .fixed64(try readLittleEndian(8))
        case 2: payload = .bytes(try take(try readVarint()))
        case 5: payload = .fixed32(UInt32(truncatingIfNeeded: try readLittleEndian(4)))
        case let type: throw .badWireType(type)
        }
        return ProtobufField(number: number, payload: payload, raw: start.prefix(start.count - rest.count))
    }

    /// The numbers of a packed field; the reader must have been made from its bytes.
    package mutating func readPacked() throws(WireFailure) -> [UInt64] {
        var numbers: [UInt64] = []
        while !rest.isEmpty { numbers.append(try readVarint()) }
        return numbers
    }

    private mutating func readVarint() throws(WireFailure) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = rest.popFirst() else { throw .truncated }
            // The tenth byte has room for one bit.
            guard shift < 63 || byte <= 1 else { throw .overlongVarint }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        throw .overlongVarint
    }

    private mutating func readLittleEndian(_ count: UInt64) throws(WireFailure) -> UInt64 {
        try take(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private mutating func take(_ count: UInt64) throws(WireFailure) -> ArraySlice<UInt8> {
        guard let count = Int(exactly: count), count <= rest.count else { throw .truncated }
        let taken = rest.prefix(count)
        rest = rest.dropFirst(count)
        return taken
    }
}

extension ProtobufField {
    package func varint() throws(WireFailure) -> UInt64 {
        guard case .varint(let value) = payload else { throw .mismatch(field: number) }
        return value
    }

    package func bytes() throws(WireFailure) -> ArraySlice<UInt8> {
        guard case .bytes(let value) = payload else { throw .mismatch(field: number) }
        return value
    }

    package func string() throws(WireFailure) -> String {
        guard let text = String(validating: try bytes(), as: UTF8.self) else { throw .notUTF8(field: number) }
        return text
    }

    /// One number, or several that are packed: readers must take either.
    package func varints() throws(WireFailure) -> [UInt64] {
        switch payload {
        case .varint(let value): return [value]
        case .bytes(let bytes):
            var reader = ProtobufReader(bytes)
            return try reader.readPacked()
        case .fixed64, .fixed32: throw .mismatch(field: number)
        }
    }

    package func double() throws(WireFailure) -> Double {
        guard case .fixed64(let bits) = payload else { throw .mismatch(field: number) }
        return Double(bitPattern: bits)
    }
}
