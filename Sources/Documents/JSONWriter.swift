// SPDX-License-Identifier: Apache-2.0

extension Value {
    /// RFC 8259 text in one line without spaces, keys in the order of the mapping. The same value gives the same text.
    package var json: String { String(decoding: jsonBytes, as: UTF8.self) }

    package var jsonBytes: [UInt8] {
        var writer = JSONWriter(indented: false)
        writer.write(self, level: 0)
        return writer.bytes
    }

    /// RFC 8259 text for people: two spaces for each level, and an end of line.
    package var prettyJSON: String {
        var writer = JSONWriter(indented: true)
        writer.write(self, level: 0)
        writer.bytes.append(UInt8(ascii: "\n"))
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}

/// Writes one value. Depth is that of the value: readers bound theirs, and our own code builds no deep ones.
struct JSONWriter {
    var bytes: [UInt8] = []
    let indented: Bool

    init(indented: Bool) { self.indented = indented }

    mutating func write(_ value: Value, level: Int) {
        switch value.content {
        case .null: bytes += "null".utf8
        case .bool(let value): bytes += (value ? "true" : "false").utf8
        case .integer(let value): bytes += String(value).utf8
        // JSON has no word for infinity and NaN.
        case .number(let value): bytes += (value.isFinite ? value.description : "null").utf8
        case .string(let value): write(quoted: value)
        case .sequence(let values):
            list(values, level, open: "[", close: "]") { writer, value in writer.write(value, level: level + 1) }
        case .mapping(let entries):
            list(entries, level, open: "{", close: "}") { writer, entry in
                writer.write(quoted: entry.key)
                writer.bytes += (writer.indented ? ": " : ":").utf8
                writer.write(entry.value, level: level + 1)
            }
        }
    }

    private mutating func list<Element>(
        _ elements: [Element], _ level: Int, open: Unicode.Scalar, close: Unicode.Scalar,
        _ body: (inout JSONWriter, Element) -> Void
    ) {
        bytes.append(UInt8(ascii: open))
        for (index, element) in elements.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            newLine(level + 1)
            body(&self, element)
        }
        if !elements.isEmpty { newLine(level) }
        bytes.append(UInt8(ascii: close))
    }

    private mutating func newLine(_ level: Int) {
        guard indented else { return }
        bytes.append(UInt8(ascii: "\n"))
        bytes += repeatElement(UInt8(ascii: " "), count: level * 2)
    }

    mutating func write(quoted text: String) {
        bytes.append(UInt8(ascii: "\""))
        // Nearly every string is plain ASCII and goes out whole.
        if text.utf8.allSatisfy({ (0x20...0x7e).contains($0) && $0 != 0x22 && $0 != 0x5c }) {
            bytes += text.utf8
        } else {
            for scalar in text.unicodeScalars { write(escaping: scalar) }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Besides what RFC 8259 §7 asks for, everything that a terminal or a YAML reader would act upon is escaped: C1 controls, DEL,
    /// line separators, the byte order mark.
    private mutating func write(escaping scalar: Unicode.Scalar) {
        switch scalar.value {
        case 0x22: bytes += "\\\"".utf8
        case 0x5c: bytes += "\\\\".utf8
        case 0x0a: bytes += "\\n".utf8
        case 0x0d: bytes += "\\r".utf8
        case 0x09: bytes += "\\t".utf8
        case 0x00..<0x20, 0x7f...0x9f, 0x2028, 0x2029, 0xfeff, 0xfffe, 0xffff:
            let digits = String(scalar.value, radix: 16)
            bytes += "\\u".utf8
            bytes += repeatElement(UInt8(ascii: "0"), count: 4 - digits.utf8.count)
            bytes += digits.utf8
        default: bytes += UTF8.encode(scalar).map { Array($0) } ?? []
        }
    }
}
