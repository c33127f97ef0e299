// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// SHA-256 of bytes.
package enum SHA256 {
    package static let length = 32

    /// Of two pieces as if they were one.
    package static func digest(_ first: [UInt8], _ second: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        let context = unsafe EVP_MD_CTX_new()
        defer { unsafe EVP_MD_CTX_free(context) }
        unsafe require(EVP_DigestInit_ex(context, EVP_sha256(), nil), "no digest could be begun")
        for bytes in [first, second] { unsafe require(EVP_DigestUpdate(context, bytes, bytes.count), "no digest could be made") }
        unsafe require(EVP_DigestFinal_ex(context, &digest, &count), "no digest could be made")
        return Array(digest.prefix(length))
    }

    package static func digest(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        unsafe require(EVP_Digest(bytes, bytes.count, &digest, &count, EVP_sha256(), nil), "no digest could be made")
        return Array(digest.prefix(length))
    }

    /// 64 hexadecimal digits.
    package static func hex(_ bytes: [UInt8]) -> String { Fingerprint(digest(bytes)).description }
}

/// Secrets: bytes that nobody guesses, and comparing them without telling by the time it takes how much of a guess was right.
package enum Secret {
    /// From OpenSSL's generator.
    package static func random(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        unsafe require(RAND_bytes(&bytes, Int32(clamping: count)), "no random bytes")
        return bytes
    }

    package static func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        unsafe a.count == b.count && CRYPTO_memcmp(a, b, a.count) == 0
    }
}
