// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// What a certificate that was proved may be taken for.
extension Certificate {
    /// Whether it is a leaf that may sign a handshake at this end of a connection (SPIFFE X509-SVID §5.2, RFC 5280 §4.2.1.12).
    package func serves(as purpose: CertificateProfile.Purpose) -> Bool {
        // All bits are set where there is no extension: nothing is forbidden then.
        let usage = unsafe X509_get_key_usage(handle)
        let forbidden = UInt32(KU_KEY_CERT_SIGN | KU_CRL_SIGN)
        guard !isCA, usage & UInt32(KU_DIGITAL_SIGNATURE) != 0, usage == .max || usage & forbidden == 0 else { return false }
        let wanted = purpose == .serverAuth ? UInt32(XKU_SSL_SERVER) : UInt32(XKU_SSL_CLIENT)
        return unsafe X509_get_extended_key_usage(handle) & wanted != 0
    }

    /// Whether it is valid at this time, in Unix seconds.
    package func isValid(at now: Int64) -> Bool { notBefore <= now && now <= notAfter }
}
