// SPDX-License-Identifier: Apache-2.0

/// An IPv4 or IPv6 address: 17 bytes of value, no allocation, no zone.
///
/// IPv4 addresses are held in their IPv4-mapped form (RFC 4291 §2.5.5.2) beside the family, and a mapped IPv6 address becomes
/// the IPv4 address it maps: a dual-stack socket and an IPv4 one then agree on who the peer is.
package struct IPAddress: Hashable, Sendable {
    package enum Family: UInt8, Sendable {
        case v4
        case v6
    }

    package let family: Family
    /// The first and the last eight bytes, most significant byte first.
    @usableFromInline let high: UInt64
    @usableFromInline let low: UInt64

    private static let mappedPrefix: UInt64 = 0xffff_0000_0000

    /// From the address as a number, `127.0.0.1` being `0x7f00_0001`.
    package init(v4 number: UInt32) {
        family = .v4
        high = 0
        low = Self.mappedPrefix | UInt64(number)
    }

    /// From the two halves of an IPv6 address, most significant first.
    package init(v6High: UInt64, _ v6Low: UInt64) {
        family = v6High == 0 && v6Low >> 32 == 0xffff ? .v4 : .v6
        high = v6High
        low = v6Low
    }

    /// From 4 or 16 bytes in network order; nil for any other length.
    package init?(bytes: some Collection<UInt8>) {
        var (high, low): (UInt64, UInt64) = (0, 0)
        for byte in bytes.prefix(17) {
            high = high << 8 | low >> 56
            low = low << 8 | UInt64(byte)
        }
        switch bytes.count {
        case 4: self.init(v4: UInt32(truncatingIfNeeded: low))
        case 16: self.init(v6High: high, low)
        default: return nil
        }
    }

    /// The address in network order: 4 bytes or 16.
    package var bytes: [UInt8] {
        let all = (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> (56 - UInt64($0 & 7) * 8)) }
        return family == .v4 ? Array(all[12...]) : all
    }

    /// The 16 bytes as IPv6 writes them, IPv4 addresses mapped: what a dual-stack socket takes.
    package var mapped: (high: UInt64, low: UInt64) { (high, low) }

    /// An IPv4 address as a number; meaningless for IPv6.
    package var v4Number: UInt32 { UInt32(truncatingIfNeeded: low) }

    package static let anyV4 = IPAddress(v4: 0)
    package static let anyV6 = IPAddress(v6High: 0, 0)
    package static let loopbackV4 = IPAddress(v4: 0x7f00_0001)
    package static let loopbackV6 = IPAddress(v6High: 0, 1)

    package var isUnspecified: Bool { self == .anyV4 || self == .anyV6 }

    /// 127.0.0.0/8 or ::1.
    package var isLoopback: Bool { family == .v4 ? v4Number >> 24 == 127 : self == .loopbackV6 }

    /// 224.0.0.0/4 or ff00::/8.
    package var isMulticast: Bool { family == .v4 ? v4Number >> 28 == 0xe : high >> 56 == 0xff }

    /// 169.254.0.0/16 or fe80::/10.
    package var isLinkLocal: Bool { family == .v4 ? v4Number >> 16 == 0xa9fe : high >> 54 == 0x3fa }

    /// How many bits an address of this family has.
    package var bitCount: Int { family == .v4 ? 32 : 128 }
}

extension IPAddress: Comparable {
    /// IPv4 before IPv6, then by number: an order for tables.
    package static func < (a: IPAddress, b: IPAddress) -> Bool {
        (a.family.rawValue, a.high, a.low) < (b.family.rawValue, b.high, b.low)
    }
}

extension IPAddress: LosslessStringConvertible {
    /// Dotted decimal without leading zeros, or IPv6 in any form of RFC 4291 §2.2. No zone, no brackets, no prefix.
    package init?(_ text: String) {
        self.init(Substring(text))
    }

    init?(_ text: Substring) {
        // The longest legal form has 45 characters.
        guard text.utf8.count <= 45 else { return nil }
        if let number = Self.parseV4(text.utf8) {
            self.init(v4: number)
        } else if let (high, low) = Self.parseV6(Array(text.utf8)[...]) {
            self.init(v6High: high, low)
        } else {
            return nil
        }
    }

    private static func parseV4(_ text: some Sequence<UInt8>) -> UInt32? {
        var (number, value): (UInt32, UInt32) = (0, 0)
        var (dots, digits) = (0, 0)
        for byte in text {
            if byte == UInt8(ascii: ".") {
                guard digits > 0, dots < 3 else { return nil }
                number = number << 8 | value
                dots += 1
                (value, digits) = (0, 0)
            } else {
                // A leading zero means octal to some parsers: neither reading is safe.
                guard (0x30...0x39).contains(byte), digits == 0 || value != 0 else { return nil }
                value = value * 10 + UInt32(byte - 0x30)
                digits += 1
                guard value <= 255 else { return nil }
            }
        }
        return dots == 3 && digits > 0 ? number << 8 | value : nil
    }

    private static func parseV6(_ text: ArraySlice<UInt8>) -> (UInt64, UInt64)? {
        let colon = UInt8(ascii: ":")
        var groups: [UInt16] = []
        var gap: Int?
        var rest = text
        if rest.starts(with: [colon, colon]) {
            gap = 0
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            guard groups.count < 8 else { return nil }
            let part = rest.prefix { $0 != colon }
            if part.count == rest.count, let v4 = parseV4(part), groups.count <= 6 {
                groups += [UInt16(truncatingIfNeeded: v4 >> 16), UInt16(truncatingIfNeeded: v4)]
                break
            }
            guard let group = parseGroup(part) else { return nil }
            groups.append(group)
            rest = rest.dropFirst(part.count)
            guard !rest.isEmpty else { break }
            rest = rest.dropFirst()
            if rest.first == colon {
                guard gap == nil else { return nil }
                gap = groups.count
                rest = rest.dropFirst()
            } else if rest.isEmpty {
                return nil
            }
        }
        if let gap {
            guard groups.count < 8 else { return nil }
            groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gap)
        }
        guard groups.count == 8 else { return nil }
        let half = { (slice: ArraySlice<UInt16>) in slice.reduce(UInt64(0)) { $0 << 16 | UInt64($1) } }
        return (half(groups[..<4]), half(groups[4...]))
    }

    private static func parseGroup(_ part: ArraySlice<UInt8>) -> UInt16? {
        guard (1...4).contains(part.count) else { return nil }
        var value: UInt16 = 0
        for digit in part {
            guard let number = hexValue(digit) else { return nil }
            value = value << 4 | UInt16(number)
        }
        return value
    }

    /// The one canonical form: dotted decimal, or RFC 5952.
    package var description: String {
        guard family == .v6 else { return unsafe String(unsafeUninitializedCapacity: 15) { unsafe writeV4(to: $0) } }
        let groups = (0..<8).map { UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> (48 - UInt64($0 & 3) * 16)) }
        let gap = Self.longestZeroRun(groups)
        let text = { (slice: ArraySlice<UInt16>) in slice.map { String($0, radix: 16) }.joined(separator: ":") }
        guard let gap else { return text(groups[...]) }
        return "\(text(groups[..<gap.lowerBound]))::\(text(groups[gap.upperBound...]))"
    }

    /// Dotted decimal, 15 bytes at most; how many they were.
    func writeV4(to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        var count = 0
        for shift: UInt32 in [24, 16, 8, 0] {
            count += unsafe writeDecimal(UInt16(v4Number >> shift & 0xff), to: buffer, at: count)
            guard shift > 0 else { break }
            unsafe buffer[count] = UInt8(ascii: ".")
            count += 1
        }
        return count
    }

    /// RFC 5952 §4.2: the longest run of at least two zero groups, the first one of equals.
    private static func longestZeroRun(_ groups: [UInt16]) -> Range<Int>? {
        var best: Range<Int>?
        var start: Int?
        for index in 0...groups.count {
            if index < groups.count, groups[index] == 0 {
                start = start ?? index
            } else if let begun = start {
                if index - begun > max(best?.count ?? 1, 1) { best = begun..<index }
                start = nil
            }
        }
        return best
    }
}

/// The value of one hexadecimal digit; nil for anything else.
package func hexValue(_ digit: UInt8) -> UInt8? {
    switch digit {
    case 0x30...0x39: digit - 0x30
    case 0x41...0x46: digit - 0x41 + 10
    case 0x61...0x66: digit - 0x61 + 10
    default: nil
    }
}

/// Writes the number without leading zeros, five bytes at most; how many they were.
func writeDecimal(_ number: UInt16, to buffer: UnsafeMutableBufferPointer<UInt8>, at start: Int) -> Int {
    var (count, limit) = (1, UInt32(10))
    while UInt32(number) >= limit { (count, limit) = (count + 1, limit * 10) }
    var rest = number
    for place in (start..<start + count).reversed() {
        unsafe buffer[place] = UInt8(ascii: "0") + UInt8(rest % 10)
        rest /= 10
    }
    return count
}
