// SPDX-License-Identifier: Apache-2.0

/// For which host a control plane issued a certificate: the first half of its serial number, which says nothing else about the host. It is how a
/// certificate of a host that was evicted is known, though it names the workload alone (I22).
package struct HostTag: Hashable, Sendable, Comparable {
    package let number: UInt64

    package init(_ number: UInt64) { self.number = number }

    /// How many bytes of a serial number it is, and what follows it there.
    package static let length = 8
    private static let serialDigits = 32

    /// From a serial number in lower-case hexadecimal digits, without leading zeros or with; nil for one that is longer than ours are.
    package init?(serial: String) {
        guard (1...Self.serialDigits).contains(serial.utf8.count), serial.utf8.allSatisfy(Self.isDigit) else { return nil }
        let missing = Self.serialDigits - serial.utf8.count
        let first = String(repeating: "0", count: missing) + serial
        guard let number = UInt64(first.prefix(2 * Self.length), radix: 16) else { return nil }
        self.init(number)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte) }

    package static func < (a: HostTag, b: HostTag) -> Bool { a.number < b.number }
}

extension HostTag: LosslessStringConvertible {
    /// From 16 lower-case hexadecimal digits.
    package init?(_ text: String) {
        guard text.utf8.count == 2 * Self.length, text.utf8.allSatisfy(Self.isDigit),
            let number = UInt64(text, radix: 16)
        else { return nil }
        self.init(number)
    }

    package var description: String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 2 * Self.length - digits.utf8.count) + digits
    }

    /// Big endian.
    package var bytes: [UInt8] {
        (0..<Self.length).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * (Self.length - 1 - $0))) }
    }
}
