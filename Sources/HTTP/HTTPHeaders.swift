// SPDX-License-Identifier: Apache-2.0

/// The header fields of one message, in the order in which they came. Names are looked up without regard to case.
///
/// A value: all names and values lie in one byte array, so a list costs two allocations however long it is. Bytes are kept as they
/// were received (obsolete text included); text is made of them only where somebody asks.
package struct HTTPHeaders: Sendable, Hashable {
    /// Where one field lies in `bytes`: its name, and the value right behind it.
    private struct Field: Sendable, Hashable {
        let start: Int
        let valueStart: Int
        let end: Int
    }

    private var bytes: [UInt8] = []
    private var fields: [Field] = []

    package init() {}

    /// How many fields there are.
    package var count: Int { fields.count }

    package var isEmpty: Bool { fields.isEmpty }

    /// The size as HTTP/2 counts it (RFC 9113 §6.5.2): names and values, and 32 bytes for each field.
    package var listSize: Int { bytes.count + fields.count * 32 }

    /// Adds a field at the end. Bytes that would end a line or a string where the list is written out (CR, LF, NUL and the other
    /// controls but tab) become spaces: no value can smuggle in a field of its own.
    package mutating func append(_ name: String, _ value: String) {
        let start = bytes.count
        appendHarmless(name)
        let valueStart = bytes.count
        appendHarmless(value)
        fields.append(Field(start: start, valueStart: valueStart, end: bytes.count))
    }

    /// Nearly all text has nothing in it to be replaced.
    private mutating func appendHarmless(_ text: String) {
        let start = bytes.count
        bytes.append(contentsOf: text.utf8)
        for index in start..<bytes.count where Self.harmless(bytes[index]) != bytes[index] {
            bytes[index] = Self.harmless(bytes[index])
        }
    }

    /// Adds all fields of another list.
    mutating func append(contentsOf others: HTTPHeaders) {
        let shift = bytes.count
        bytes.append(contentsOf: others.bytes)
        for field in others.fields {
            fields.append(Field(start: shift + field.start, valueStart: shift + field.valueStart, end: shift + field.end))
        }
    }

    /// Makes room for so many more fields, and bytes of names and values together.
    package mutating func reserve(fields count: Int, bytes size: Int) {
        fields.reserveCapacity(fields.count + count)
        bytes.reserveCapacity(bytes.count + size)
    }

    /// How long all names and values are together.
    var byteCount: Int { bytes.count }

    /// Adds a field as it was received. The caller has checked the bytes by the rules of its protocol.
    mutating func append(received name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        let start = bytes.count
        unsafe bytes.append(contentsOf: name)
        let valueStart = bytes.count
        unsafe bytes.append(contentsOf: value)
        fields.append(Field(start: start, valueStart: valueStart, end: bytes.count))
    }

    /// Replaces every field of this name by one.
    package mutating func set(_ name: String, _ value: String) {
        remove(name)
        append(name, value)
    }

    /// Removes every field of this name.
    package mutating func remove(_ name: String) {
        guard contains(name) else { return }
        var rest = HTTPHeaders()
        unsafe withFields { fieldName, value in
            if unsafe !Self.matches(fieldName, name) { unsafe rest.append(received: .init(fieldName), .init(value)) }
        }
        self = rest
    }

    /// The value of the first field of this name; bytes that are no UTF-8 are replaced.
    package subscript(name: String) -> String? { fields.first { matches($0, name) }.map(value) }

    /// The values of all fields of this name, in order.
    package func values(_ name: String) -> [String] { fields.filter { matches($0, name) }.map(value) }

    package func contains(_ name: String) -> Bool { fields.contains { matches($0, name) } }

    private static func harmless(_ byte: UInt8) -> UInt8 { byte < 0x20 && byte != 0x09 || byte == 0x7f ? 0x20 : byte }

    private func value(_ field: Field) -> String { String(decoding: bytes[field.valueStart..<field.end], as: UTF8.self) }

    private func matches(_ field: Field, _ name: String) -> Bool {
        Self.matches(bytes[field.start..<field.valueStart], name)
    }

    private static func matches(_ field: some Collection<UInt8>, _ name: String) -> Bool {
        field.count == name.utf8.count && zip(field, name.utf8).allSatisfy { lowercased($0) == lowercased($1) }
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }
}

extension HTTPHeaders: RandomAccessCollection {
    package var startIndex: Int { 0 }
    package var endIndex: Int { fields.count }

    /// A field as text.
    package subscript(position: Int) -> (name: String, value: String) {
        let field = fields[position]
        return (String(decoding: bytes[field.start..<field.valueStart], as: UTF8.self), value(field))
    }

    /// The bytes of each field, in order. They are live during the call only.
    func withFields(_ body: (_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) -> Void) {
        unsafe bytes.withUnsafeBufferPointer { all in
            for field in fields {
                unsafe body(
                    UnsafeBufferPointer(rebasing: all[field.start..<field.valueStart]),
                    UnsafeBufferPointer(rebasing: all[field.valueStart..<field.end]))
            }
        }
    }
}

extension HTTPHeaders: ExpressibleByDictionaryLiteral {
    /// In the order in which they are written.
    package init(dictionaryLiteral elements: (String, String)...) {
        reserve(fields: elements.count, bytes: elements.reduce(0) { $0 + $1.0.utf8.count + $1.1.utf8.count })
        for (name, value) in elements { append(name, value) }
    }
}

extension HTTPHeaders: CustomStringConvertible {
    package var description: String { map { "\($0.name): \($0.value)" }.joined(separator: "\n") }
}
