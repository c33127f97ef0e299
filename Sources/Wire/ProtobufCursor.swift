// SPDX-License-Identifier: Apache-2.0

/// A place in a message and an end that nothing is read beyond, for those who read many messages of one usual form and have `ProtobufReader` for
/// every other. It holds no bytes: they are given with each call, the same ones, and reaching to `end`. Every length is checked against what is
/// there; nil for what isn't there or isn't protobuf.
package struct ProtobufCursor {
    @usableFromInline var place: Int
    package let end: Int

    @inlinable
    package init(_ start: Int, _ end: Int) {
        place = start
        self.end = end
    }

    @inlinable package var position: Int { place }
    @inlinable package var isAtEnd: Bool { place >= end }
    @inlinable package var count: Int { end - place }

    @inlinable
    package mutating func varint(_ bytes: Span<UInt8>) -> UInt64? {
        var (value, shift): (UInt64, UInt64) = (0, 0)
        while place < end {
            let byte = bytes[place]
            place += 1
            // The tenth byte has room for one bit.
            guard shift < 63 || byte <= 1 else { return nil }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
            guard shift <= 63 else { return nil }
        }
        return nil
    }

    /// Field number and wire type.
    @inlinable
    package mutating func key(_ bytes: Span<UInt8>) -> UInt64? {
        guard let key = varint(bytes), (8..<4_294_967_296).contains(key) else { return nil }
        return key
    }

    /// The bytes that a length stands in front of.
    @inlinable
    package mutating func length(_ bytes: Span<UInt8>) -> ProtobufCursor? {
        guard let length = varint(bytes), let count = Int(exactly: length), count <= end - place else { return nil }
        defer { place += count }
        return ProtobufCursor(place, place + count)
    }

    /// Whether the bytes up to the end are those of a text.
    @inlinable
    package func spells(_ text: String, _ bytes: Span<UInt8>) -> Bool {
        let other = text.utf8.span
        guard other.count == count else { return false }
        for index in other.indices where other[index] != bytes[place + index] { return false }
        return true
    }
}
