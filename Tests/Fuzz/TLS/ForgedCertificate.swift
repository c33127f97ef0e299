// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Kernel
import TLS

/// A certificate whose extensions are made from an input, signed by the authority of the mesh or by its own key, and what can be said of it
/// without asking the code that is fuzzed.
@safe final class ForgedCertificate {
    let handle: OpaquePointer
    /// Of the certificate.
    let key: OpaquePointer
    private(set) var isSignedByAuthority = false
    private(set) var claimsAuthority = false
    /// The URI names of all subjectAltName extensions; nil where one of them isn't what it should be.
    private(set) var uriNames: [[UInt8]]? = []
    private var extensions = 0

    private static let kinds = [
        NID_subject_alt_name, NID_key_usage, NID_ext_key_usage, NID_basic_constraints, NID_name_constraints,
        NID_authority_key_identifier, NID_subject_key_identifier, NID_certificate_policies, NID_issuer_alt_name, NID_crl_reason,
        NID_policy_constraints, NID_inhibit_any_policy, NID_crl_distribution_points, NID_info_access, NID_netscape_cert_type,
    ]

    /// Nil where OpenSSL doesn't sign what the input says.
    init?(_ input: inout FuzzInput) {
        unsafe handle = X509_new()
        unsafe key = Self.keys.own
        let flags = input.byte()
        isSignedByAuthority = flags & 1 == 0
        setFrame(version: flags & 2 == 0 ? 2 : Int(input.byte() % 4))
        if flags & 4 != 0 { addGood(name: flags & 8 != 0) }
        while !input.isEmpty, extensions < 12 { addExtension(&input) }
        let signer = unsafe isSignedByAuthority ? Self.keys.authority : key
        let size = unsafe X509_sign(handle, signer, EVP_sha256())
        ERR_clear_error()
        guard size > 0 else { return nil }
    }

    deinit { unsafe X509_free(handle) }

    private func setFrame(version: Int) {
        unsafe X509_set_version(handle, version)
        unsafe ASN1_INTEGER_set(X509_get_serialNumber(handle), 7)
        unsafe ASN1_TIME_set(X509_getm_notBefore(handle), Int(TLSPapers.now) - 60)
        unsafe ASN1_TIME_set(X509_getm_notAfter(handle), Int(TLSPapers.now) + 60)
        unsafe X509_set_pubkey(handle, key)
        let issuer = unsafe isSignedByAuthority ? X509_get_subject_name(Self.keys.issuer) : X509_get_subject_name(handle)
        unsafe X509_set_issuer_name(handle, issuer)
    }

    /// What a workload's certificate has, so that the input need not find it.
    private func addGood(name: Bool) {
        add(NID_key_usage, critical: true, [3, 2, 7, 0x80])
        add(NID_ext_key_usage, critical: false, [0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2])
        add(NID_basic_constraints, critical: true, [0x30, 0])
        if name { addName(Array("spiffe://cluster.local/ns/shop/sa/web".utf8)) }
    }

    private func addName(_ uri: [UInt8]) {
        guard uri.count < 126 else { return }
        add(
            NID_subject_alt_name, critical: true,
            [0x30, UInt8(uri.count + 2), 0x86, UInt8(uri.count)] + uri)
    }

    private func addExtension(_ input: inout FuzzInput) {
        let kind = input.byte()
        if kind >= 0xf0 {
            addName(input.take(input.choice(126)))
        } else {
            add(Self.kinds[Int(kind) % Self.kinds.count], critical: kind & 0x10 != 0, input.take(input.choice(128)))
        }
    }

    private func add(_ kind: Int32, critical: Bool, _ value: [UInt8]) {
        extensions += 1
        let text = unsafe ASN1_OCTET_STRING_new()
        unsafe ASN1_OCTET_STRING_set(text, value, Int32(value.count))
        var made = unsafe X509_EXTENSION_create_by_NID(nil, kind, critical ? 1 : 0, text)
        unsafe X509_add_ext(handle, made, -1)
        unsafe X509_EXTENSION_free(made)
        unsafe made = nil
        unsafe ASN1_OCTET_STRING_free(text)
        if kind == NID_basic_constraints, value.starts(with: [0x30, 3, 1, 1, 0xff]) { claimsAuthority = true }
        if kind == NID_subject_alt_name { note(names: value) }
    }

    /// A second reader of subjectAltName: a sequence of names, each a tag, a short length and its bytes; URIs have the tag 0x86.
    private func note(names value: [UInt8]) {
        guard let known = uriNames, value.count >= 2, value[0] == 0x30, Int(value[1]) == value.count - 2, value[1] < 0x80 else {
            return uriNames = nil
        }
        var found = known
        var rest = value.dropFirst(2)
        while let tag = rest.popFirst() {
            guard let length = rest.popFirst(), length < 0x80, Int(length) <= rest.count else { return uriNames = nil }
            if tag == 0x86 { found.append(Array(rest.prefix(Int(length)))) }
            rest = rest.dropFirst(Int(length))
        }
        uriNames = found
    }
}

extension ForgedCertificate {
    /// Keys as OpenSSL has them, made once per process and never freed.
    @safe struct Keys: Sendable {
        nonisolated(unsafe) let authority: OpaquePointer
        nonisolated(unsafe) let own: OpaquePointer
        nonisolated(unsafe) let issuer: OpaquePointer
    }

    static let keys: Keys = {
        let authority = TLSPapers.shared.authority
        let source = unsafe BIO_new(BIO_s_mem())
        let pem = authority.key.pem + authority.certificate.pem
        unsafe BIO_write(source, pem, Int32(pem.count))
        let key = unsafe PEM_read_bio_PrivateKey(source, nil, nil, nil)
        let issuer = unsafe PEM_read_bio_X509(source, nil, nil, nil)
        unsafe BIO_free(source)
        guard let key = unsafe key, let issuer = unsafe issuer, let own = unsafe copenssl_generate_p256() else {
            bug("no keys to forge with")
        }
        return unsafe Keys(authority: key, own: own, issuer: issuer)
    }()
}
