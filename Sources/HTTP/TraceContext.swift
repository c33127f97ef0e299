// SPDX-License-Identifier: Apache-2.0

/// The `traceparent` header of the W3C: which trace a connection belongs to. A value.
package struct TraceContext: Hashable, Sendable {
    /// The trace, most significant half first; not zero.
    package let traceHigh: UInt64
    package let traceLow: UInt64
    /// The span that caused this one; not zero.
    package let span: UInt64
    /// Bit 0: the caller records this trace.
    package let flags: UInt8

    private init?(_ traceHigh: UInt64, _ traceLow: UInt64, _ span: UInt64, _ flags: UInt8) {
        guard traceHigh | traceLow != 0, span != 0 else { return nil }
        self.traceHigh = traceHigh
        self.traceLow = traceLow
        self.span = span
        self.flags = flags
    }

    /// A trace of its own, not recorded: application bytes are opaque, so there is nothing to join it to.
    package static func make(random: inout some RandomNumberGenerator) -> TraceContext {
        while true {
            if let context = TraceContext(random.next(), random.next(), random.next(), 0) { return context }
        }
    }

    /// The trace as 32 hexadecimal digits.
    package var traceID: String { Self.hexadecimal(traceHigh) + Self.hexadecimal(traceLow) }

    /// The span as 16 hexadecimal digits.
    package var spanID: String { Self.hexadecimal(span) }

    private static func hexadecimal(_ number: UInt64, digits: Int = 16) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: digits - text.utf8.count) + text
    }
}

extension TraceContext: LosslessStringConvertible {
    /// Version 00 exactly; a later version must at least begin like it (Trace Context §3.2). Upper case, zeros and version ff are invalid.
    package init?(_ text: String) {
        let bytes = Array(text.utf8.prefix(56))
        guard bytes.count >= 55, let version = Self.number(bytes[0..<2]), version != 0xff else { return nil }
        guard bytes.count == 55 || (version > 0 && bytes[55] == UInt8(ascii: "-")) else { return nil }
        guard [2, 35, 52].allSatisfy({ bytes[$0] == UInt8(ascii: "-") }) else { return nil }
        guard let high = Self.number(bytes[3..<19]), let low = Self.number(bytes[19..<35]),
            let span = Self.number(bytes[36..<52]),
            let flags = Self.number(bytes[53..<55])
        else { return nil }
        self.init(high, low, span, UInt8(truncatingIfNeeded: flags))
    }

    /// The value of the header.
    package var description: String { "00-\(traceID)-\(spanID)-\(Self.hexadecimal(UInt64(flags), digits: 2))" }

    /// At most sixteen digits, lower case.
    private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
        var number: UInt64 = 0
        for byte in digits {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | UInt64(byte - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return number
    }
}
