// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import COpenSSL

/// A certificate in the making: filled in from a profile, then signed once.
@safe struct CertificateDraft: ~Copyable {
    private let handle: OpaquePointer

    init() { unsafe handle = unwrap(X509_new(), "no memory for a certificate") }

    deinit { unsafe X509_free(handle) }

    /// Fills in and signs.
    fileprivate static func sign(
        _ profile: CertificateProfile, for key: PublicKey, by signer: PrivateKey, issuer: Certificate?
    ) throws(CertificateFailure) -> Certificate {
        OpenSSLErrors.clear()
        defer { OpenSSLErrors.clear() }
        let draft = CertificateDraft()
        try draft.setDates(profile)
        try draft.setSubject(profile)
        draft.setSerial(profile.tag)
        try draft.check(unsafe X509_set_version(draft.handle, 2) == 1 && X509_set_pubkey(draft.handle, key.handle) == 1)
        let issuerName = unsafe X509_get_subject_name(issuer?.handle ?? draft.handle)
        try draft.check(unsafe X509_set_issuer_name(draft.handle, issuerName) == 1)
        try draft.addExtensions(profile, issuer: issuer)
        try draft.check(unsafe X509_sign(draft.handle, signer.handle, EVP_sha256()) > 0)
        // Decoded from its own DER: what was set and what a reader sees are then the same.
        return try Certificate(der: draft.der)
    }

    private func check(_ isDone: Bool) throws(CertificateFailure) {
        if !isDone { throw .refused(OpenSSLErrors.take()) }
    }

    private var der: [UInt8] {
        var encoded: UnsafeMutablePointer<UInt8>?
        let count = unsafe i2d_X509(handle, &encoded)
        precondition(count > 0, "OpenSSL: a certificate couldn't be written")
        defer { unsafe copenssl_free(encoded) }
        return unsafe Array(UnsafeBufferPointer(start: encoded, count: Int(count)))
    }

    private func setDates(_ profile: CertificateProfile) throws(CertificateFailure) {
        let notBefore = unsafe ASN1Time.make(profile.notBefore)
        let notAfter = unsafe ASN1Time.make(profile.notAfter)
        defer {
            unsafe ASN1_TIME_free(notBefore)
            unsafe ASN1_TIME_free(notAfter)
        }
        guard unsafe notBefore != nil, unsafe notAfter != nil else { throw .malformed("a date that X.509 can't say") }
        try check(unsafe X509_set1_notBefore(handle, notBefore) == 1 && X509_set1_notAfter(handle, notAfter) == 1)
    }

    private func setSubject(_ profile: CertificateProfile) throws(CertificateFailure) {
        let name = unsafe X509_get_subject_name(handle)
        for (field, value) in [("O", profile.organization), ("CN", profile.commonName)] {
            guard let value else { continue }
            let bytes = Array(value.utf8)
            let count = Int32(clamping: bytes.count)
            try check(unsafe X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, bytes, count, -1, 0) == 1)
        }
    }

    /// 128 random bits, or 64 behind a tag, positive, not zero (RFC 5280 §4.1.2.2 asks for uniqueness; random bits also spoil chosen-prefix
    /// collisions, and 64 are what the CA/Browser Forum asks for, §7.1 of its baseline).
    private func setSerial(_ tag: HostTag?) {
        var bytes = [UInt8](repeating: 0, count: 16)
        unsafe require(RAND_bytes(&bytes, 16), "no random bytes")
        if let tag { bytes.replaceSubrange(..<HostTag.length, with: tag.bytes) }
        if bytes.allSatisfy({ $0 == 0 }) { bytes[15] = 1 }
        let number = unsafe unwrap(BN_bin2bn(bytes, 16, nil), "no memory for a number")
        defer { unsafe BN_free(number) }
        let serial = unsafe BN_to_ASN1_INTEGER(number, nil)
        defer { unsafe ASN1_INTEGER_free(serial) }
        unsafe require(X509_set_serialNumber(handle, serial), "no memory for a serial number")
    }

    private func addExtensions(_ profile: CertificateProfile, issuer: Certificate?) throws(CertificateFailure) {
        let path = profile.pathLength.map { ",pathlen:\($0)" } ?? ""
        try add(NID_basic_constraints, profile.isCA ? "critical,CA:TRUE\(path)" : "critical,CA:FALSE", issuer)
        if !profile.keyUsage.isEmpty {
            try add(NID_key_usage, "critical," + profile.keyUsage.map(\.rawValue).joined(separator: ","), issuer)
        }
        if !profile.purposes.isEmpty {
            try add(NID_ext_key_usage, profile.purposes.map(\.rawValue).joined(separator: ","), issuer)
        }
        try add(NID_subject_key_identifier, "hash", issuer)
        try add(NID_authority_key_identifier, "keyid:always", issuer)
        if !profile.alternativeNames.isEmpty {
            try addAlternativeNames(
                profile.alternativeNames, isCritical: profile.organization == nil && profile.commonName == nil)
        }
    }

    private func add(_ kind: Int32, _ value: String, _ issuer: Certificate?) throws(CertificateFailure) {
        var context = unsafe X509V3_CTX()
        unsafe copenssl_extension_context(&context, issuer?.handle ?? handle, handle)
        guard let made = unsafe X509V3_EXT_conf_nid(nil, &context, kind, value) else { throw .refused(OpenSSLErrors.take()) }
        defer { unsafe X509_EXTENSION_free(made) }
        try check(unsafe X509_add_ext(handle, made, -1) == 1)
    }

    private func addAlternativeNames(
        _ names: [CertificateProfile.AlternativeName], isCritical: Bool
    ) throws(CertificateFailure) {
        let list = unsafe unwrap(GeneralNames.make(names), "no memory for names")
        defer { unsafe copenssl_names_free(list) }
        let result = unsafe X509_add1_ext_i2d(
            handle, NID_subject_alt_name, UnsafeMutableRawPointer(list), isCritical ? 1 : 0, UInt(X509V3_ADD_APPEND))
        try check(result == 1)
    }
}

extension CertificateProfile {
    /// A certificate that says this, whatever it says, signed with that key in the name of the issuer. `issuer` is nil for a root, which signs
    /// itself. Nothing is checked: `CertificateAuthority` is for certificates that others are to trust.
    package func signed(
        for key: PublicKey, by signer: PrivateKey, issuer: Certificate?
    ) throws(CertificateFailure) -> Certificate {
        try CertificateDraft.sign(self, for: key, by: signer, issuer: issuer)
    }
}

/// A list of names for a certificate or a signing request.
enum GeneralNames {
    /// The caller frees it. Nil without memory.
    static func make(_ names: [CertificateProfile.AlternativeName]) -> OpaquePointer? {
        guard let list = unsafe copenssl_names_new() else { return nil }
        for name in names {
            let (type, bytes) =
                switch name {
                case .uri(let bytes): (GEN_URI, bytes)
                case .dns(let bytes): (GEN_DNS, bytes)
                case .ip(let address): (GEN_IPADD, address.bytes)
                }
            let text = unsafe ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING)
            let entry = unsafe GENERAL_NAME_new()
            unsafe require(ASN1_STRING_set(text, bytes, Int32(clamping: bytes.count)), "no memory for a name")
            unsafe GENERAL_NAME_set0_value(entry, type, text)
            precondition(unsafe copenssl_names_push(list, entry) > 0, "OpenSSL: no memory for a name")
        }
        return unsafe list
    }
}
