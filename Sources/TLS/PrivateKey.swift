// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// A private key, immutable, in memory of OpenSSL. Any thread; freed, and wiped by OpenSSL, with its last reference.
@safe package final class PrivateKey: Sendable {
    /// What kind of key is made.
    package enum Algorithm: Sendable {
        /// What SPIFFE and Istio use, and what we make.
        case p256
        /// For authorities and peers that can't do better.
        case rsa2048
    }

    nonisolated(unsafe) let handle: OpaquePointer

    /// No key in PEM is near this.
    private static let limit = 64 * 1024

    private init(takingOwnership handle: OpaquePointer) { unsafe self.handle = handle }

    deinit { unsafe EVP_PKEY_free(handle) }

    /// A fresh key from OpenSSL's random generator. RSA takes tens of milliseconds: not on a loop.
    package static func generate(_ algorithm: Algorithm = .p256) -> PrivateKey {
        let key =
            switch algorithm {
            case .p256: unsafe copenssl_generate_p256()
            case .rsa2048: unsafe copenssl_generate_rsa(2048)
            }
        return unsafe PrivateKey(takingOwnership: unwrap(key, "no private key could be made"))
    }

    /// From PEM: PKCS #8, SEC 1 or PKCS #1, not encrypted. What stands around the key is skipped.
    package convenience init(pem: [UInt8]) throws(CertificateFailure) {
        guard pem.count <= Self.limit else { throw .tooLarge(limit: Self.limit) }
        OpenSSLErrors.clear()
        defer { OpenSSLErrors.clear() }
        let source = MemoryBIO(pem)
        var wasAsked = false
        // Without a callback of ours OpenSSL asks for the passphrase on the terminal.
        let key = unsafe withUnsafeMutablePointer(to: &wasAsked) {
            unsafe PEM_read_bio_PrivateKey(
                source.handle, nil,
                { _, _, _, asked in
                    unsafe asked?.assumingMemoryBound(to: Bool.self).pointee = true
                    return -1
                }, $0)
        }
        if let key = unsafe key {
            unsafe self.init(takingOwnership: key)
        } else if wasAsked {
            throw .encryptedKey
        } else {
            throw .missing("PEM private key")
        }
    }

    /// PKCS #8 in PEM, not encrypted: for the disk under 0600, or a pipe.
    package var pem: [UInt8] {
        let target = MemoryBIO()
        unsafe require(
            PEM_write_bio_PKCS8PrivateKey(target.handle, handle, nil, nil, 0, nil, nil), "a private key couldn't be written")
        return target.bytes()
    }

    /// The other half, as a key of its own.
    package var publicKey: PublicKey {
        var encoded: UnsafeMutablePointer<UInt8>?
        let count = unsafe i2d_PUBKEY(handle, &encoded)
        precondition(count > 0, "OpenSSL: a public key couldn't be written")
        defer { unsafe copenssl_free(encoded) }
        var cursor = unsafe UnsafePointer(encoded)
        let key = unsafe d2i_PUBKEY(nil, &cursor, Int(count))
        return unsafe PublicKey(takingOwnership: unwrap(key, "a public key couldn't be read"))
    }

    /// Whether this is the private half of that key.
    package func matches(_ key: PublicKey) -> Bool { unsafe EVP_PKEY_eq(handle, key.handle) == 1 }
}
