// SPDX-License-Identifier: Apache-2.0

/// A block of addresses, `10.0.0.0/8`. The host bits are kept as they were written, since resources are shown as written.
package struct IPPrefix: Hashable, Sendable {
    package let address: IPAddress
    /// How many leading bits count: 0 to 32 or 0 to 128.
    package let length: Int

    /// Nil if the length doesn't fit the family.
    package init?(_ address: IPAddress, length: Int) {
        guard (0...address.bitCount).contains(length) else { return nil }
        self.address = address
        self.length = length
    }

    /// The block that holds this address alone.
    package init(_ address: IPAddress) {
        self.address = address
        length = address.bitCount
    }

    /// Whether the address is in the block. An IPv6 address is never in an IPv4 block, nor the reverse.
    package func contains(_ other: IPAddress) -> Bool {
        guard other.family == address.family else { return false }
        let bits = address.family == .v4 ? length + 96 : length
        let (highMask, lowMask) = (Self.mask(bits), Self.mask(bits - 64))
        return (other.high ^ address.high) & highMask == 0 && (other.low ^ address.low) & lowMask == 0
    }

    /// The address that stands so many after the block's first, within its last 64 bits.
    /// - Precondition: `offset` is less than the block has addresses.
    package func address(at offset: UInt64) -> IPAddress {
        let (highMask, lowMask) = (
            Self.mask(address.family == .v4 ? 64 : length), Self.mask(address.family == .v4 ? length + 32 : length - 64)
        )
        if address.family == .v4 { return IPAddress(v4: UInt32(truncatingIfNeeded: address.low & lowMask | offset)) }
        return IPAddress(v6High: address.high & highMask, address.low & lowMask | offset)
    }

    private static func mask(_ bits: Int) -> UInt64 {
        bits <= 0 ? 0 : bits >= 64 ? .max : .max << UInt64(64 - bits)
    }
}

extension IPPrefix: LosslessStringConvertible {
    /// `ADDRESS/LENGTH`, or an address alone, which is the block of that one.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(String(first)) else { return nil }
        guard parts.count == 2 else {
            self.init(address)
            return
        }
        // `Int("+8")` would pass: digits only.
        guard parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let length = Int(parts[1]) else { return nil }
        self.init(address, length: length)
    }

    package var description: String { "\(address)/\(length)" }
}
