// SPDX-License-Identifier: Apache-2.0

/// The SHA-256 of a certificate's DER: which certificate it is, in 32 bytes.
package struct Fingerprint: Hashable, Sendable, CustomStringConvertible {
    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// From the first 32 of these bytes.
    init(_ digest: some Collection<UInt8>) {
        precondition(digest.count >= 32, "a SHA-256 has 32 bytes")
        var words: [4 of UInt64] = .init(repeating: 0)
        for (index, byte) in digest.prefix(32).enumerated() { words[index / 8] = words[index / 8] << 8 | UInt64(byte) }
        self.words = (words[0], words[1], words[2], words[3])
    }

    /// 64 hexadecimal digits.
    package var description: String {
        [words.0, words.1, words.2, words.3]
            .map { word in
                let digits = String(word, radix: 16)
                return String(repeating: "0", count: 16 - digits.count) + digits
            }
            .joined()
    }

    package static func == (a: Fingerprint, b: Fingerprint) -> Bool { a.words == b.words }

    package func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}
