// SPDX-License-Identifier: Apache-2.0

/// Writes the fields of one message into bytes, in the order in which it is told.
package struct ProtobufWriter {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package mutating func write(varint value: UInt64, field: UInt32) {
        key(field, 0)
        append(varint: value)
    }

    package mutating func write(bytes value: some Collection<UInt8>, field: UInt32) {
        key(field, 2)
        append(varint: UInt64(value.count))
        bytes += value
    }

    package mutating func write(string value: String, field: UInt32) { write(bytes: value.utf8, field: field) }

    package mutating func write(double value: Double, field: UInt32) {
        key(field, 1)
        for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> shift)) }
    }

    package mutating func write(packed values: [UInt64], field: UInt32) {
        var inner = ProtobufWriter()
        for value in values { inner.append(varint: value) }
        write(bytes: inner.bytes, field: field)
    }

    /// A message inside this one.
    package mutating func write(message field: UInt32, _ body: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter()
        body(&inner)
        write(bytes: inner.bytes, field: field)
    }

    /// A message inside this one whose size is known before it is written, so that it is written in its place.
    package mutating func write(message field: UInt32, size: Int, _ body: (inout ProtobufWriter) -> Void) {
        key(field, 2)
        append(varint: UInt64(size))
        let end = bytes.count + size
        body(&self)
        precondition(bytes.count == end, "a message has another size than was said")
    }

    /// What a field of so many bytes takes: its key, its length and the bytes. Of the fields up to 15, whose keys have one byte.
    package static func size(ofBytes count: Int) -> Int {
        // A byte of a varint holds seven bits.
        let length = max(1, (UInt64.bitWidth - UInt64(count).leadingZeroBitCount + 6) / 7)
        return 1 + length + count
    }

    /// Whole fields that were kept as they came.
    package mutating func write(raw fields: some Collection<UInt8>) { bytes += fields }

    private mutating func key(_ field: UInt32, _ type: UInt64) { append(varint: UInt64(field) << 3 | type) }

    private mutating func append(varint value: UInt64) {
        var value = value
        while value >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: value))
    }
}
