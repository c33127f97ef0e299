// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// A number of bytes as a configuration writes it: `512`, `64KiB`, `16MiB`, `1GiB`.
package struct ByteSize: Hashable, Comparable, Sendable {
    package let bytes: Int

    package init(_ bytes: Int) { self.bytes = bytes }
    package static func kibibytes(_ count: Int) -> ByteSize { ByteSize(count << 10) }
    package static func mebibytes(_ count: Int) -> ByteSize { ByteSize(count << 20) }

    package static func < (a: ByteSize, b: ByteSize) -> Bool { a.bytes < b.bytes }
}

extension ByteSize: LosslessStringConvertible {
    private static let units: [(name: String, shift: Int)] = [("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0), ("", 0)]

    /// Decimal units (`kB`) are none: nobody agrees on what they mean.
    package init?(_ text: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text.dropFirst(digits.count)
        guard (1...15).contains(digits.count), let count = Int(digits),
            let shift = Self.units.first(where: { $0.name == unit })?.shift
        else { return nil }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: 1 << shift)
        guard !overflow else { return nil }
        self.init(bytes)
    }

    /// In the largest unit that leaves no fraction.
    package var description: String {
        let unit = Self.units.first { bytes != 0 && $0.shift > 0 && bytes % (1 << $0.shift) == 0 }
        return unit.map { "\(bytes >> $0.shift)\($0.name)" } ?? String(bytes)
    }
}

extension Fields {
    /// A size in a unit, or a plain integer of bytes.
    func size(_ key: String) -> ByteSize? {
        if let count = value(key)?.integerValue {
            if count >= 0, let bytes = Int(exactly: count) { return ByteSize(bytes) }
            report(key, "\(path(of: key)) is \(count), which is no size", remedy: "Write it like 64KiB or 1MiB.")
            return nil
        }
        return parsed(key, expected: "a size", remedy: "Write it like 512, 64KiB or 16MiB.")
    }
}
