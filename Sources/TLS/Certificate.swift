// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import COpenSSL

/// An X.509 certificate, immutable. Any thread: OpenSSL guards what it caches inside.
///
/// Everything but the dates and what it may be used for is read from the certificate when asked for: not for the data path. The texts are printable
/// ASCII, cut at 256 bytes, whatever the certificate holds.
@safe package final class Certificate: Sendable {
    nonisolated(unsafe) let handle: OpaquePointer
    /// From when on it is valid, in Unix seconds.
    package let notBefore: Int64
    /// Until when it is valid, inclusive, in Unix seconds.
    package let notAfter: Int64
    /// basicConstraints say that it is one of an authority.
    package let isCA: Bool
    /// It is, and keyUsage, where there is one, lets it sign certificates.
    package let maySignCertificates: Bool
    /// Which certificate it is.
    package let fingerprint: Fingerprint

    /// The largest DER that we take; a leaf of ours has 500 bytes, one with RSA 4096 under 3 KiB.
    package static let maximumLength = 64 * 1024

    /// Takes over one reference, also when it fails: for a certificate whose dates or extensions can't be decoded.
    init(takingOwnership handle: OpaquePointer) throws(CertificateFailure) {
        unsafe self.handle = handle
        guard let notBefore = unsafe ASN1Time.seconds(X509_get0_notBefore(handle)),
            let notAfter = unsafe ASN1Time.seconds(X509_get0_notAfter(handle)),
            unsafe X509_get_extension_flags(handle) & UInt32(EXFLAG_INVALID) == 0,
            let fingerprint = unsafe Self.digest(of: handle)
        else {
            unsafe X509_free(handle)
            throw .malformed("a certificate with unreadable dates or extensions")
        }
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.fingerprint = fingerprint
        isCA = unsafe X509_get_extension_flags(handle) & UInt32(EXFLAG_CA) != 0
        maySignCertificates = isCA && (unsafe X509_get_key_usage(handle) & UInt32(KU_KEY_CERT_SIGN)) != 0
    }

    deinit { unsafe X509_free(handle) }

    /// From DER: one certificate and nothing behind it.
    package convenience init(der: [UInt8]) throws(CertificateFailure) {
        guard der.count <= Self.maximumLength else { throw .tooLarge(limit: Self.maximumLength) }
        defer { OpenSSLErrors.clear() }
        var consumed = 0
        let parsed = unsafe der.withUnsafeBufferPointer { bytes in
            var cursor = bytes.baseAddress
            let parsed = unsafe d2i_X509(nil, &cursor, bytes.count)
            if let end = unsafe cursor, let start = bytes.baseAddress { unsafe consumed = end - start }
            return unsafe parsed
        }
        guard let parsed = unsafe parsed else { throw .malformed("not a DER certificate") }
        guard consumed == der.count else {
            unsafe X509_free(parsed)
            throw .malformed("bytes behind a DER certificate")
        }
        try unsafe self.init(takingOwnership: parsed)
    }

    /// The certificate as it was signed.
    package var der: [UInt8] {
        var encoded: UnsafeMutablePointer<UInt8>?
        let count = unsafe i2d_X509(handle, &encoded)
        precondition(count > 0, "OpenSSL: a certificate couldn't be written")
        defer { unsafe copenssl_free(encoded) }
        return unsafe Array(UnsafeBufferPointer(start: encoded, count: Int(count)))
    }

    /// The distinguished name in the order of RFC 2253: `CN=root,O=cluster.local`; empty for workloads.
    package var subject: String { unsafe Self.text(X509_get_subject_name(handle)) }
    /// The name of who signed it, in the same form.
    package var issuer: String { unsafe Self.text(X509_get_issuer_name(handle)) }

    /// Lower-case hexadecimal digits, at most 40.
    package var serial: String {
        guard let number = unsafe ASN1_INTEGER_to_BN(X509_get0_serialNumber(handle), nil) else { return "unknown" }
        defer { unsafe BN_free(number) }
        guard let digits = unsafe BN_bn2hex(number) else { return "unknown" }
        defer { unsafe copenssl_free(digits) }
        return unsafe printable(String(cString: digits).lowercased().utf8)
    }

    /// The URI names, shortened and made printable: for people. `spiffeIDs` is for decisions.
    package var uriSANs: [String] {
        guard case .found(let names) = uriNames else { return [] }
        return names.map { printable($0) }
    }

    /// The URI names that are SPIFFE IDs of the exact form. Whether the certificate is valid, or has other URI names, isn't said.
    package var spiffeIDs: [SPIFFEID] {
        guard case .found(let names) = uriNames else { return [] }
        return names.compactMap { URINames.spiffeID($0) }
    }

    /// `ecdsa-with-SHA256`.
    package var signatureAlgorithm: String {
        guard let name = unsafe OBJ_nid2sn(X509_get_signature_nid(handle)) else { return "unknown" }
        return unsafe String(cString: name)
    }

    /// Nil for a key that OpenSSL doesn't know.
    package var publicKey: PublicKey? {
        guard let key = unsafe X509_get_pubkey(handle) else {
            OpenSSLErrors.clear()
            return nil
        }
        return unsafe PublicKey(takingOwnership: key)
    }

    /// Whether the other certificate's key signed this one. Nothing else is checked.
    package func isSigned(by other: Certificate) -> Bool {
        guard let key = other.publicKey else { return false }
        defer { OpenSSLErrors.clear() }
        return unsafe X509_verify(handle, key.handle) == 1
    }

    private static func text(_ name: OpaquePointer?) -> String {
        let target = MemoryBIO()
        guard unsafe X509_NAME_print_ex(target.handle, name, 0, copenssl_name_format) >= 0 else { return "unknown" }
        return target.text()
    }

    private static func digest(of handle: OpaquePointer) -> Fingerprint? {
        var bytes = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        guard unsafe X509_digest(handle, EVP_sha256(), &bytes, &count) == 1, count == 32 else { return nil }
        return Fingerprint(bytes)
    }
}

extension Certificate: Hashable {
    package static func == (a: Certificate, b: Certificate) -> Bool { a.fingerprint == b.fingerprint }

    package func hash(into hasher: inout Hasher) { hasher.combine(fingerprint) }
}
