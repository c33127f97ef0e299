// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import COpenSSL

/// The URI names of a certificate's subjectAltName, as raw bytes: a NUL in one is seen, and an otherName is never taken for one.
enum URINames {
    case found([[UInt8]])
    /// The extension is there twice or can't be decoded.
    case malformed

    init(_ certificate: OpaquePointer) {
        var critical: Int32 = 0
        let value = unsafe X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, nil)
        unsafe self.init(takingOwnership: value, critical)
    }

    /// From the extensions of a signing request.
    init(extensions: OpaquePointer) {
        var critical: Int32 = 0
        let value = unsafe X509V3_get_d2i(extensions, NID_subject_alt_name, &critical, nil)
        unsafe self.init(takingOwnership: value, critical)
    }

    /// How many names of any kind there are: DNS names, addresses, e-mail and others besides URIs.
    static func countAll(extensions: OpaquePointer) -> Int {
        var critical: Int32 = 0
        guard let value = unsafe X509V3_get_d2i(extensions, NID_subject_alt_name, &critical, nil) else {
            OpenSSLErrors.clear()
            return 0
        }
        let names = OpaquePointer(value)
        defer { unsafe copenssl_names_free(names) }
        return Int(unsafe copenssl_names_count(names))
    }

    private init(takingOwnership value: UnsafeMutableRawPointer?, _ critical: Int32) {
        guard let value = unsafe value else {
            // -1: there is none. -2: there are several. Otherwise it can't be decoded.
            self = critical == -1 ? .found([]) : .malformed
            OpenSSLErrors.clear()
            return
        }
        let names = OpaquePointer(value)
        defer { unsafe copenssl_names_free(names) }
        var uris: [[UInt8]] = []
        for index in 0..<(unsafe copenssl_names_count(names)) {
            var type: Int32 = 0
            guard let value = unsafe GENERAL_NAME_get0_value(copenssl_names_at(names, index), &type), type == GEN_URI else {
                continue
            }
            let text = unsafe value.assumingMemoryBound(to: ASN1_STRING.self)
            let bytes = unsafe UnsafeBufferPointer(start: ASN1_STRING_get0_data(text), count: Int(ASN1_STRING_length(text)))
            unsafe uris.append(Array(bytes))
        }
        self = .found(uris)
    }

    /// The identity that these bytes spell, exactly.
    static func spiffeID(_ bytes: [UInt8]) -> SPIFFEID? {
        guard bytes.count <= SPIFFEID.maximumLength else { return nil }
        // What isn't UTF-8 becomes U+FFFD, which no identity has.
        return SPIFFEID(String(decoding: bytes, as: UTF8.self))
    }
}

extension Certificate {
    var uriNames: URINames { unsafe URINames(handle) }
}
