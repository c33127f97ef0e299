// SPDX-License-Identifier: Apache-2.0

/// Where JSON texts become values. A namespace; the work is done by `JSONReader`, which lives for one text.
package enum JSON {
    /// One RFC 8259 text: a value and nothing after it. Stricter than the RFC's minimum in that a key may stand only once.
    /// - Parameter without: members with this key are passed over, wherever they stand, and their strings not looked into: for text of ours, most of
    ///   which is bookkeeping.
    package static func read(
        _ bytes: [UInt8], limits: DocumentLimits = DocumentLimits(), without: String? = nil
    ) throws(DocumentFailure) -> Value {
        try limits.check(size: bytes.count)
        var reader = JSONReader(bytes, limits: limits, without: without)
        return try reader.readText()
    }

    package static func read(_ text: String, limits: DocumentLimits = DocumentLimits()) throws(DocumentFailure) -> Value {
        try read(Array(text.utf8), limits: limits)
    }
}

/// Reads one text from front to back. Every look at a byte is checked; recursion is bounded by the depth limit.
struct JSONReader {
    let bytes: [UInt8]
    private let limits: DocumentLimits
    private let without: String?
    private(set) var offset = 0
    private var nodes = 0
    private var line = 1
    private var lineStart = 0
    /// Keys of a mapping that are compared one by one; of more a table is made.
    private static let longestSearched = 16

    init(_ bytes: [UInt8], limits: DocumentLimits, without: String? = nil) {
        self.bytes = bytes
        self.limits = limits
        self.without = without
    }

    mutating func readText() throws(DocumentFailure) -> Value {
        let value = try readValue(depth: 0)
        skipSpace()
        guard peek() == nil else { throw failure("something follows the value") }
        return value
    }

    // MARK: - Bytes

    func peek() -> UInt8? { offset < bytes.count ? bytes[offset] : nil }

    mutating func advance(_ count: Int = 1) { offset += count }

    mutating func take(_ byte: Unicode.Scalar) -> Bool {
        guard peek() == UInt8(ascii: byte) else { return false }
        advance()
        return true
    }

    /// The bytes from `start` to where the reader is.
    func slice(from start: Int) -> ArraySlice<UInt8> { bytes[min(start, offset)..<min(offset, bytes.count)] }

    var position: Position { Position(line: line, column: offset - lineStart + 1) }

    func failure(_ message: String) -> DocumentFailure { DocumentFailure("this is not JSON: \(message)", at: position) }

    private mutating func skipSpace() {
        while let byte = peek(), byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 {
            advance()
            if byte == 0x0a { (line, lineStart) = (line + 1, offset) }
        }
    }

    // MARK: - Values

    private mutating func readValue(depth: Int) throws(DocumentFailure) -> Value {
        skipSpace()
        try count(depth: depth)
        let position = position
        switch peek() {
        case UInt8(ascii: "{"): return Value(.mapping(try readMembers(depth: depth + 1)), at: position)
        case UInt8(ascii: "["): return Value(.sequence(try readElements(depth: depth + 1)), at: position)
        case UInt8(ascii: "\""): return Value(.string(try readString()), at: position)
        case UInt8(ascii: "t"): return Value(try readWord("true", .bool(true)), at: position)
        case UInt8(ascii: "f"): return Value(try readWord("false", .bool(false)), at: position)
        case UInt8(ascii: "n"): return Value(try readWord("null", .null), at: position)
        case .some: return Value(try readNumber(), at: position)
        case nil: throw failure("the text ends where a value is due")
        }
    }

    private mutating func readElements(depth: Int) throws(DocumentFailure) -> [Value] {
        advance()
        var values: [Value] = []
        skipSpace()
        if take("]") { return values }
        while true {
            values.append(try readValue(depth: depth))
            skipSpace()
            if take("]") { return values }
            guard take(",") else { throw failure("expected `,` or `]`") }
        }
    }

    private mutating func readMembers(depth: Int) throws(DocumentFailure) -> [Value.Entry] {
        advance()
        var entries: [Value.Entry] = []
        var seen: Set<String> = []
        skipSpace()
        if take("}") { return entries }
        while true {
            skipSpace()
            guard peek() == UInt8(ascii: "\"") else { throw failure("expected a key in quotes") }
            try count(depth: depth)
            let position = position
            let key = try readString()
            guard isNew(key, entries, &seen) else { throw DocumentFailure("the key `\(key)` is there twice", at: position) }
            skipSpace()
            guard take(":") else { throw failure("expected `:`") }
            if key == without {
                try skipValue(depth: depth)
            } else {
                entries.append(Value.Entry(key, at: position, try readValue(depth: depth)))
            }
            skipSpace()
            if take("}") { return entries }
            guard take(",") else { throw failure("expected `,` or `}`") }
        }
    }

    private func isNew(_ key: String, _ entries: [Value.Entry], _ seen: inout Set<String>) -> Bool {
        guard entries.count >= Self.longestSearched else { return !entries.contains { $0.key == key } }
        if seen.isEmpty { seen = Set(entries.lazy.map(\.key)) }
        return seen.insert(key).inserted
    }

    /// Passes over a value and makes nothing of it.
    private mutating func skipValue(depth: Int) throws(DocumentFailure) {
        skipSpace()
        try count(depth: depth)
        switch peek() {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            advance()
            while true {
                skipSpace()
                if take("}") || take("]") { return }
                if take(",") || take(":") { continue }
                try skipValue(depth: depth + 1)
            }
        case UInt8(ascii: "\""): try skipString()
        case .some, nil: _ = try readValue(depth: depth)
        }
    }

    private mutating func readWord(_ word: StaticString, _ content: Value.Content) throws(DocumentFailure) -> Value.Content {
        for scalar in word.description.unicodeScalars {
            guard take(scalar) else { throw failure("expected `\(word)`") }
        }
        return content
    }

    private mutating func count(depth: Int) throws(DocumentFailure) {
        nodes += 1
        guard nodes <= limits.nodes else { throw failure("more than \(limits.nodes) values") }
        guard depth <= limits.depth else { throw failure("values lie more than \(limits.depth) levels deep") }
    }
}
