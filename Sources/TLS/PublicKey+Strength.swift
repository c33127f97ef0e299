// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// Which keys certificates are made for.
extension PublicKey {
    /// Above this a signature costs whoever checks it too much.
    private static let maximumRSABits: Int32 = 8192

    /// Why no certificate is made for this key: nil for EC P-256 and P-384 and for RSA from 2048 bits on, which every TLS 1.3 peer of the mesh takes.
    package var weakness: String? {
        switch description {
        case "EC prime256v1", "EC secp384r1": return nil
        case let name where name.hasPrefix("RSA "):
            let bits = unsafe EVP_PKEY_get_bits(handle)
            if bits < 2048 { return "an RSA key of \(bits) bits is too weak: make one of 2048, or better EC P-256" }
            return bits > Self.maximumRSABits ? "an RSA key of \(bits) bits is too large: make EC P-256" : nil
        case let name: return "a key of the kind \(name) isn't taken: make EC P-256"
        }
    }

    /// The SHA-256 of the key as certificates write it (SubjectPublicKeyInfo): which key it is, in 32 bytes.
    package var fingerprint: Fingerprint {
        var encoded: UnsafeMutablePointer<UInt8>?
        let count = unsafe i2d_PUBKEY(handle, &encoded)
        precondition(count > 0, "OpenSSL: a public key couldn't be written")
        defer { unsafe copenssl_free(encoded) }
        return unsafe Fingerprint(SHA256.digest(Array(UnsafeBufferPointer(start: encoded, count: Int(count)))))
    }
}
