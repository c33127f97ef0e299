// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// Bytes that only who knows a passphrase can read or change: AES-256-GCM under a key of scrypt (RFC 7914).
///
///     salt (16) · nonce (12) · tag (16) · ciphertext
package enum SealedBox {
    private static let (saltLength, nonceLength, tagLength, keyLength) = (16, 12, 16, 32)
    /// 32 MiB and about 100 ms for each guess: RFC 7914's advice for files, doubled.
    private static let (cost, blocks, lanes): (UInt64, UInt64, UInt64) = (1 << 15, 8, 1)
    private static let memory: UInt64 = 64 << 20
    /// A shorter passphrase is guessed.
    package static let shortestPassphrase = 12
    /// For what is kept in it: some keys.
    package static let longest = 1 << 20

    /// - Parameter context: isn't in it, and must be the same when it is opened.
    package static func seal(_ plain: [UInt8], passphrase: [UInt8], context: [UInt8]) -> [UInt8] {
        let (salt, nonce) = (Secret.random(saltLength), Secret.random(nonceLength))
        let cipher = Cipher(key: key(passphrase, salt), nonce: nonce, seals: true)
        cipher.authenticate(context)
        let text = cipher.update(plain)
        precondition(cipher.finish(), "OpenSSL: a cipher could not be finished")
        return salt + nonce + cipher.tag(tagLength) + text
    }

    /// Nil if the passphrase or the context is another one, or a byte was changed.
    package static func open(_ sealed: [UInt8], passphrase: [UInt8], context: [UInt8]) -> [UInt8]? {
        guard sealed.count >= saltLength + nonceLength + tagLength, sealed.count <= longest else { return nil }
        var rest = sealed[...]
        func take(_ count: Int) -> [UInt8] {
            defer { rest = rest.dropFirst(count) }
            return Array(rest.prefix(count))
        }
        let (salt, nonce, tag) = (take(saltLength), take(nonceLength), take(tagLength))
        let cipher = Cipher(key: key(passphrase, salt), nonce: nonce, seals: false)
        cipher.authenticate(context)
        let plain = cipher.update(Array(rest))
        cipher.expect(tag)
        return cipher.finish() ? plain : nil
    }

    private static func key(_ passphrase: [UInt8], _ salt: [UInt8]) -> [UInt8] {
        var key = [UInt8](repeating: 0, count: keyLength)
        let text = passphrase.map { CChar(bitPattern: $0) }
        unsafe require(
            EVP_PBE_scrypt(text, text.count, salt, salt.count, cost, blocks, lanes, memory, &key, key.count),
            "no key could be made of a passphrase")
        return key
    }

    /// One use of AES-256-GCM.
    @safe private final class Cipher {
        private let handle: OpaquePointer
        private let seals: Bool

        init(key: [UInt8], nonce: [UInt8], seals: Bool) {
            unsafe handle = unwrap(EVP_CIPHER_CTX_new(), "no memory for a cipher")
            self.seals = seals
            unsafe require(EVP_CipherInit_ex(handle, EVP_aes_256_gcm(), nil, key, nonce, seals ? 1 : 0), "no cipher")
        }

        deinit { unsafe EVP_CIPHER_CTX_free(handle) }

        func authenticate(_ context: [UInt8]) {
            var count: Int32 = 0
            unsafe require(EVP_CipherUpdate(handle, nil, &count, context, Int32(clamping: context.count)), "a cipher failed")
        }

        func update(_ bytes: [UInt8]) -> [UInt8] {
            var (out, count) = ([UInt8](repeating: 0, count: bytes.count + 16), 0 as Int32)
            unsafe require(EVP_CipherUpdate(handle, &out, &count, bytes, Int32(clamping: bytes.count)), "a cipher failed")
            return Array(out.prefix(Int(count)))
        }

        /// GCM writes nothing more; when opening it says whether the tag is right.
        func finish() -> Bool {
            defer { OpenSSLErrors.clear() }
            var (out, count) = ([UInt8](repeating: 0, count: 16), 0 as Int32)
            return unsafe EVP_CipherFinal_ex(handle, &out, &count) == 1
        }

        func tag(_ length: Int) -> [UInt8] {
            var tag = [UInt8](repeating: 0, count: length)
            unsafe require(EVP_CIPHER_CTX_ctrl(handle, EVP_CTRL_AEAD_GET_TAG, Int32(length), &tag), "a cipher without a tag")
            return tag
        }

        func expect(_ tag: [UInt8]) {
            var tag = tag
            unsafe require(EVP_CIPHER_CTX_ctrl(handle, EVP_CTRL_AEAD_SET_TAG, Int32(tag.count), &tag), "a cipher without a tag")
        }
    }
}
