// SPDX-License-Identifier: Apache-2.0

import Bytes

extension JSONReader {
    /// RFC 8259 §6. A number without fraction and exponent that fits is an integer; one that no `Double` can hold is refused.
    mutating func readNumber() throws(DocumentFailure) -> Value.Content {
        let start = offset
        _ = take("-")
        guard let first = peek(), isDigit(first) else { throw failure("expected a value") }
        if !take("0") { skipDigits() }
        var isInteger = true
        if take(".") {
            isInteger = false
            guard skipDigits() > 0 else { throw failure("expected a digit after `.`") }
        }
        if take("e") || take("E") {
            isInteger = false
            if !take("+") { _ = take("-") }
            guard skipDigits() > 0 else { throw failure("expected a digit in the exponent") }
        }
        let text = String(decoding: slice(from: start), as: UTF8.self)
        if isInteger, let integer = Int64(text) { return .integer(integer) }
        guard let number = Double(text), number.isFinite else { throw failure("the number is too large") }
        return .number(number)
    }

    @discardableResult
    private mutating func skipDigits() -> Int {
        let start = offset
        while let byte = peek(), isDigit(byte) { advance() }
        return offset - start
    }

    private func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    /// RFC 8259 §7, the opening quote being next. The text must be UTF-8, escapes must make whole characters.
    mutating func readString() throws(DocumentFailure) -> String {
        advance()
        if let plain = try readPlainString() { return plain }
        var text: [UInt8] = []
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: "\""):
                advance()
                // One check for all of it instead of one for each character.
                guard let string = String(validating: text, as: UTF8.self) else { throw failure("a string is not UTF-8") }
                return string
            case UInt8(ascii: "\\"):
                advance()
                text += try readEscape()
            case 0..<0x20: throw failure("a control character stands in a string")
            default:
                text.append(byte)
                advance()
            }
        }
        throw failure("a string has no end")
    }

    /// A string without escapes, as nearly all are: made of the text's own bytes. Nil if it isn't one; nothing was read then.
    private mutating func readPlainString() throws(DocumentFailure) -> String? {
        let end = endOfPlain()
        guard end < bytes.count, bytes[end] == UInt8(ascii: "\"") else { return nil }
        guard let text = Self.string(bytes.span.extracting(offset..<end)) else { throw failure("a string is not UTF-8") }
        advance(end + 1 - offset)
        return text
    }

    private static func string(_ bytes: Span<UInt8>) -> String? {
        guard let text = try? UTF8Span(validating: bytes) else { return nil }
        return String(copying: text)
    }

    /// The first byte from here that isn't part of a string as it stands.
    private func endOfPlain() -> Int {
        var end = offset
        let count = bytes.count
        while end < count {
            let byte = bytes[end]
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20 { break }
            end += 1
        }
        return end
    }

    /// Passes over a string, the opening quote being next.
    mutating func skipString() throws(DocumentFailure) {
        advance()
        while true {
            let end = endOfPlain()
            advance(end - offset)
            switch peek() {
            case UInt8(ascii: "\""): return advance()
            case UInt8(ascii: "\\"): advance(2)
            case .some: throw failure("a control character stands in a string")
            case nil: throw failure("a string has no end")
            }
        }
    }

    private mutating func readEscape() throws(DocumentFailure) -> [UInt8] {
        guard let letter = peek() else { throw failure("a string has no end") }
        advance()
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [letter]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0c]
        case UInt8(ascii: "n"): return [0x0a]
        case UInt8(ascii: "r"): return [0x0d]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"): return Array(String(Character(try readUnicodeEscape())).utf8)
        default: throw failure("unknown escape")
        }
    }

    private mutating func readUnicodeEscape() throws(DocumentFailure) -> Unicode.Scalar {
        let high = try readFourDigits()
        var number = UInt32(high)
        if UTF16.isLeadSurrogate(high) {
            guard take("\\"), take("u") else { throw failure("half a character") }
            let low = try readFourDigits()
            guard UTF16.isTrailSurrogate(low) else { throw failure("half a character") }
            number = 0x1_0000 + (UInt32(high) - 0xd800) << 10 + (UInt32(low) - 0xdc00)
        }
        guard let scalar = Unicode.Scalar(number) else { throw failure("half a character") }
        return scalar
    }

    private mutating func readFourDigits() throws(DocumentFailure) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = peek(), let digit = hexValue(byte) else { throw failure("expected four hexadecimal digits") }
            value = value << 4 | UInt16(digit)
            advance()
        }
        return value
    }
}
