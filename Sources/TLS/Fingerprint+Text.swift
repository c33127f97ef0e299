// SPDX-License-Identifier: Apache-2.0

extension Fingerprint {
    /// From 64 lower-case hexadecimal digits; nil for anything else.
    package init?(hexadecimal text: String) {
        let digits = Array(text.utf8)
        guard digits.count == 64 else { return nil }
        var bytes: [UInt8] = []
        for place in stride(from: 0, to: 64, by: 2) {
            var byte: UInt8 = 0
            for digit in digits[place..<place + 2] {
                switch digit {
                case 0x30...0x39: byte = byte << 4 | (digit - 0x30)
                case 0x61...0x66: byte = byte << 4 | (digit - 0x61 + 10)
                default: return nil
                }
            }
            bytes.append(byte)
        }
        self.init(bytes)
    }
}
