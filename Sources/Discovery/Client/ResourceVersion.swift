// SPDX-License-Identifier: Apache-2.0

/// What a control plane calls a version of a resource: nearly always a 64-bit hash in hexadecimal digits, which is kept as the number it is.
package struct ResourceVersion: Hashable, Sendable, CustomStringConvertible {
    private enum Form: Hashable, Sendable {
        case hash(UInt64)
        case text(String)
    }

    private let form: Form

    package init(_ text: String) { self.init(text.utf8.span) }

    /// From the bytes of a text.
    init(_ text: Span<UInt8>) {
        form = Self.hash(text).map { .hash($0) } ?? .text(Self.text(text))
    }

    private static func text(_ bytes: Span<UInt8>) -> String { String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self) }

    /// Nil if the digits aren't those that would be written.
    private static func hash(_ digits: Span<UInt8>) -> UInt64? {
        guard (1...16).contains(digits.count), digits.count == 1 || digits[0] != 0x30 else { return nil }
        var hash: UInt64 = 0
        for index in digits.indices {
            let digit = digits[index]
            switch digit {
            case 0x30...0x39: hash = hash << 4 | UInt64(digit - 0x30)
            case 0x61...0x66: hash = hash << 4 | UInt64(digit - 0x57)
            default: return nil
            }
        }
        return hash
    }

    init(hash: UInt64) { form = .hash(hash) }

    /// Nil if it is none.
    var hash: UInt64? { if case .hash(let hash) = form { hash } else { nil } }

    package var description: String {
        switch form {
        case .hash(let hash): String(hash, radix: 16)
        case .text(let text): text
        }
    }

    package var isEmpty: Bool { form == .text("") }
}
