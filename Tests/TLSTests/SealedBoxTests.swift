// SPDX-License-Identifier: Apache-2.0

import TLS
import Testing

/// What a passphrase keeps.
@Suite struct SealedBoxTests {
    private let passphrase = Array("correct horse battery".utf8)
    private let context = Array("a backup".utf8)

    @Test(arguments: [0, 1, 4096]) func `what is sealed is opened by the same passphrase`(count: Int) {
        let plain = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        let sealed = SealedBox.seal(plain, passphrase: passphrase, context: context)
        #expect(SealedBox.open(sealed, passphrase: passphrase, context: context) == plain)
        #expect(sealed != SealedBox.seal(plain, passphrase: passphrase, context: context))
        #expect(!sealed.suffix(count).elementsEqual(plain) || count == 0)
    }

    @Test func `I22 another passphrase, another context or a changed byte opens nothing`() {
        let sealed = SealedBox.seal(Array("secret".utf8), passphrase: passphrase, context: context)
        #expect(SealedBox.open(sealed, passphrase: Array(passphrase.dropLast()), context: context) == nil)
        #expect(SealedBox.open(sealed, passphrase: passphrase, context: []) == nil)
        for place in [0, 20, 30, sealed.count - 1] {
            var changed = sealed
            changed[place] ^= 1
            #expect(SealedBox.open(changed, passphrase: passphrase, context: context) == nil, "byte \(place)")
        }
        for count in [0, 43, sealed.count - 1] {
            #expect(SealedBox.open(Array(sealed.prefix(count)), passphrase: passphrase, context: context) == nil)
        }
    }
}
