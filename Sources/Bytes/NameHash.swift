// SPDX-License-Identifier: Apache-2.0

/// The hash of a name by its bytes, worked out once for all tables of a process that look the name up. Names that are equal as Unicode has it but
/// written otherwise are different ones here.
///
/// Eight bytes at a time are multiplied into both halves of a product with a secret of this process: who chooses names can't choose those that
/// meet in one place of a table. It is no fingerprint: another process has others.
package struct NameHash: Hashable, Sendable {
    package let value: Int

    @usableFromInline static let secret: (first: UInt64, second: UInt64) = (.random(in: 1 ... .max) | 1, .random(in: 0 ... .max))

    /// Of a text in UTF-8.
    @inlinable
    package init(_ text: String) { self.init(text.utf8.span) }

    @inlinable
    package init(_ bytes: Span<UInt8>) {
        let (first, second) = Self.secret
        let count = bytes.count
        var (hash, index) = (second ^ UInt64(truncatingIfNeeded: count), 0)
        while index + 8 <= count {
            // SAFETY: eight bytes from `index` on are there, and the load checks that once more.
            let word = unsafe bytes.bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
            hash = Self.mix(hash ^ word, first)
            index += 8
        }
        var rest: UInt64 = 0
        while index < count {
            rest = rest << 8 | UInt64(bytes[index])
            index += 1
        }
        value = Int(truncatingIfNeeded: Self.mix(Self.mix(hash ^ rest, first), second | 1))
    }

    /// Of numbers.
    @inlinable
    package init(_ one: UInt64, _ two: UInt64, _ three: UInt64) {
        let (first, second) = Self.secret
        let hash = Self.mix(Self.mix(Self.mix(one ^ second, first) ^ two, first) ^ three, first)
        value = Int(truncatingIfNeeded: Self.mix(hash, second | 1))
    }

    @inlinable static func mix(_ word: UInt64, _ factor: UInt64) -> UInt64 {
        let product = word.multipliedFullWidth(by: factor)
        return product.high ^ product.low
    }
}
