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
    package var traceID: String {
        unsafe String(unsafeUninitializedCapacity: 32) { buffer in
            unsafe Self.write(traceHigh, to: buffer, at: 0)
            unsafe Self.write(traceLow, to: buffer, at: 16)
            return 32
        }
    }

    /// The span as 16 hexadecimal digits.
    package var spanID: String {
        unsafe String(unsafeUninitializedCapacity: 16) { buffer in
            unsafe Self.write(span, to: buffer, at: 0)
            return 16
        }
    }

    /// The number as lower-case hexadecimal digits, with leading zeros.
    private static func write(_ number: UInt64, to buffer: UnsafeMutableBufferPointer<UInt8>, at start: Int, digits: Int = 16) {
        var rest = number
        for place in (start..<start + digits).reversed() {
            let digit = UInt8(rest & 0xf)
            unsafe buffer[place] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
            rest >>= 4
        }
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
    package var description: String {
        unsafe String(unsafeUninitializedCapacity: 55) { buffer in
            unsafe Self.write(0, to: buffer, at: 0, digits: 2)
            unsafe Self.write(traceHigh, to: buffer, at: 3)
            unsafe Self.write(traceLow, to: buffer, at: 19)
            unsafe Self.write(span, to: buffer, at: 36)
            unsafe Self.write(UInt64(flags), to: buffer, at: 53, digits: 2)
            for dash in [2, 35, 52] { unsafe buffer[dash] = UInt8(ascii: "-") }
            return 55
        }
    }

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
