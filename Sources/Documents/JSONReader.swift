// SPDX-License-Identifier: Apache-2.0

/// Where JSON texts become values. A namespace; the work is done by `JSONReader`, which lives for one text.
package enum JSON {
    /// One RFC 8259 text: a value and nothing after it. Stricter than the RFC's minimum in that a key may stand only once.
    package static func read(_ bytes: [UInt8], limits: DocumentLimits = DocumentLimits()) throws(DocumentFailure) -> Value {
        try limits.check(size: bytes.count)
        var reader = JSONReader(bytes, limits: limits)
        return try reader.readText()
    }

    package static func read(_ text: String, limits: DocumentLimits = DocumentLimits()) throws(DocumentFailure) -> Value {
        try read(Array(text.utf8), limits: limits)
    }
}

/// Reads one text from front to back. Every look at a byte is checked; recursion is bounded by the depth limit.
struct JSONReader {
    private let bytes: [UInt8]
    private let limits: DocumentLimits
    private(set) var offset = 0
    private var nodes = 0
    private var line = 1
    private var lineStart = 0

    init(_ bytes: [UInt8], limits: DocumentLimits) {
        self.bytes = bytes
        self.limits = limits
    }

    mutating func readText() throws(DocumentFailure) -> Value {
        let value = try readValue(depth: 0)
        skipSpace()
        guard peek() == nil else { throw failure("something follows the value") }
        return value
    }

    // MARK: - Bytes

    func peek() -> UInt8? { bytes.indices.contains(offset) ? bytes[offset] : nil }

    mutating func advance() { offset += 1 }

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
            guard seen.insert(key).inserted else { throw DocumentFailure("the key `\(key)` is there twice", at: position) }
            skipSpace()
            guard take(":") else { throw failure("expected `:`") }
            entries.append(Value.Entry(key, at: position, try readValue(depth: depth)))
            skipSpace()
            if take("}") { return entries }
            guard take(",") else { throw failure("expected `,` or `}`") }
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
