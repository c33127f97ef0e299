// SPDX-License-Identifier: Apache-2.0

extension YAML {
    /// One document in block style, two spaces for each level, keys in the order of the mapping. What is written reads back equal.
    package static func write(_ value: Value) -> String {
        var writer = YAMLWriter()
        writer.write(value, level: 0, isInline: true)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// Several documents, separated by `---`.
    package static func write(documents: some Sequence<Value>) -> String {
        documents.map { write($0) }.joined(separator: "---\n")
    }
}

struct YAMLWriter {
    private(set) var bytes: [UInt8] = []
    private static let longestKey = 1000

    init() {}

    /// `isInline`: the value begins where the writer is, rather than after `key:`.
    mutating func write(_ value: Value, level: Int, isInline: Bool) {
        switch value.content {
        case .mapping(let entries) where !entries.isEmpty:
            if !isInline { bytes.append(UInt8(ascii: "\n")) }
            for (index, entry) in entries.enumerated() {
                if index > 0 || !isInline { indent(level) }
                write(key: entry.key, level: level)
                write(entry.value, level: nested(entry.value, level), isInline: false)
            }
        case .sequence(let values) where !values.isEmpty:
            if !isInline { bytes.append(UInt8(ascii: "\n")) }
            for (index, element) in values.enumerated() {
                if index > 0 || !isInline { indent(level) }
                bytes += "- ".utf8
                write(element, level: level + 1, isInline: true)
            }
        case .null, .bool, .integer, .number, .string, .sequence, .mapping:
            if !isInline { bytes.append(UInt8(ascii: " ")) }
            write(scalar: value.content)
            bytes.append(UInt8(ascii: "\n"))
        }
    }

    /// A key beyond what readers look for its colon in (YAML 1.2 §7.4.2: 1024 characters) is marked as one, and its colon is on the next line.
    private mutating func write(key: String, level: Int) {
        let start = bytes.count
        write(scalar: .string(key))
        if bytes.count - start > Self.longestKey {
            bytes.insert(contentsOf: "? ".utf8, at: start)
            bytes.append(UInt8(ascii: "\n"))
            indent(level)
        }
        bytes.append(UInt8(ascii: ":"))
    }

    /// Sequences stand at the level of their key, as Kubernetes' tools write them.
    private func nested(_ value: Value, _ level: Int) -> Int { value.sequenceValue == nil ? level + 1 : level }

    private mutating func indent(_ level: Int) { bytes += repeatElement(UInt8(ascii: " "), count: level * 2) }

    private mutating func write(scalar: Value.Content) {
        switch scalar {
        case .string(let text) where isPlain(text): bytes += text.utf8
        case .number(let value) where !value.isFinite: bytes += (value.isNaN ? ".nan" : value < 0 ? "-.inf" : ".inf").utf8
        case .null, .bool, .integer, .number, .string, .sequence, .mapping:
            // A JSON scalar, or an empty list, is YAML as it stands.
            bytes += Value(scalar).jsonBytes
        }
    }

    /// Whether a reader takes the text without quotes for the same string. Fewer than could be, so that there is no doubt.
    private func isPlain(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= 120 else { return false }
        let isLetter = { (byte: UInt8) in (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) }
        let isDigit = { (byte: UInt8) in (0x30...0x39).contains(byte) }
        guard isLetter(first) || isDigit(first) || first == UInt8(ascii: "/") || first == UInt8(ascii: "_") else { return false }
        let inner = Set("-._/:@".utf8)
        guard text.utf8.allSatisfy({ isLetter($0) || isDigit($0) || inner.contains($0) }), text.utf8.last != UInt8(ascii: ":"),
            case .string = YAMLScalar.plain(text)
        else { return false }
        // Other readers know numbers of base 60 and dates.
        return !isDigit(first) || !text.utf8.allSatisfy { isDigit($0) || inner.contains($0) }
            || text.utf8.count { $0 == 0x2e } == 3
    }
}
