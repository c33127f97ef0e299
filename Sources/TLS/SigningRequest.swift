// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import COpenSSL

/// A PKCS #10 request for a certificate, as Istio's agents make it: no subject, one critical URI name, signed by the key that asks.
///
/// Who asks proves with it that it has the key, and nothing else: whether it may have the identity is for the authority to know.
package struct SigningRequest: Sendable {
    /// Whose certificate is asked for.
    package let name: CertifiedName
    /// The key that asks: its owner proved to have the private half.
    package let publicKey: PublicKey

    /// A request in PEM has 500 bytes; one with RSA 4096 under 3 KiB.
    package static let maximumLength = 64 * 1024

    /// The workload whose certificate is asked for; nil if it is a host.
    package var identity: SPIFFEID? { if case .workload(let identity) = name { identity } else { nil } }
    /// The host whose certificate is asked for; nil if it is a workload.
    package var node: NodeIdentity? { if case .node(let identity) = name { identity } else { nil } }

    /// A request in PEM for this workload and key.
    package static func make(identity: SPIFFEID, key: PrivateKey) throws(CertificateFailure) -> [UInt8] {
        try make(.workload(identity), key: key)
    }

    /// A request in PEM for this host and key.
    package static func make(node: NodeIdentity, key: PrivateKey) throws(CertificateFailure) -> [UInt8] {
        try make(.node(node), key: key)
    }

    private static func make(_ name: CertifiedName, key: PrivateKey) throws(CertificateFailure) -> [UInt8] {
        OpenSSLErrors.clear()
        defer { OpenSSLErrors.clear() }
        let draft = unsafe Handle(unwrap(X509_REQ_new(), "no memory for a request"))
        let names = unsafe unwrap(GeneralNames.make([.uri(Array(name.description.utf8))]), "no memory for names")
        defer { unsafe copenssl_names_free(names) }
        var extensions: OpaquePointer?
        defer { unsafe copenssl_extensions_free(extensions) }
        guard unsafe X509_REQ_set_version(draft.pointer, 0) == 1, unsafe X509_REQ_set_pubkey(draft.pointer, key.handle) == 1,
            unsafe X509V3_add1_i2d(&extensions, NID_subject_alt_name, UnsafeMutableRawPointer(names), 1, 0) == 1,
            unsafe X509_REQ_add_extensions(draft.pointer, extensions) == 1,
            unsafe X509_REQ_sign(draft.pointer, key.handle, EVP_sha256()) > 0
        else { throw .refused(OpenSSLErrors.take()) }
        let target = MemoryBIO()
        unsafe require(PEM_write_bio_X509_REQ(target.handle, draft.pointer), "a request couldn't be written")
        return target.bytes()
    }

    /// From PEM. Checked are the key's strength, the signature, and that one identity is asked for and no other name of any kind; a subject, key
    /// usages and other extensions are ignored, since what is issued says nothing but the identity.
    package init(pem: [UInt8]) throws(CertificateFailure) {
        guard pem.count <= Self.maximumLength else { throw .tooLarge(limit: Self.maximumLength) }
        OpenSSLErrors.clear()
        defer { OpenSSLErrors.clear() }
        let source = MemoryBIO(pem)
        guard let parsed = unsafe PEM_read_bio_X509_REQ(source.handle, nil, nil, nil) else {
            throw .missing("PEM certificate request")
        }
        let request = unsafe Handle(parsed)
        guard let key = unsafe X509_REQ_get_pubkey(request.pointer) else { throw .malformed("a request with an unreadable key") }
        publicKey = unsafe PublicKey(takingOwnership: key)
        // Before the signature: checking one of an absurd key takes long.
        if let weakness = publicKey.weakness { throw .refused(weakness) }
        guard unsafe X509_REQ_verify(request.pointer, publicKey.handle) == 1 else {
            throw .malformed("a request that isn't signed by its own key")
        }
        name = try request.name()
    }

    /// The request as OpenSSL holds it.
    @safe private struct Handle: ~Copyable {
        let pointer: OpaquePointer

        init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }

        deinit { unsafe X509_REQ_free(pointer) }

        borrowing func name() throws(CertificateFailure) -> CertifiedName {
            guard let extensions = unsafe X509_REQ_get_extensions(pointer) else { throw .identity("a request without a name") }
            defer { unsafe copenssl_extensions_free(extensions) }
            guard case .found(let names) = unsafe URINames(extensions: extensions), names.count == 1, let name = names.first
            else {
                throw .identity("a request must have exactly one URI name")
            }
            guard unsafe URINames.countAll(extensions: extensions) == 1 else {
                throw .identity("a request must have no name besides its identity: DNS names, addresses and e-mail are refused")
            }
            guard let identity = CertifiedName(name) else { throw .identity("\(printable(name)) is no identity") }
            return identity
        }
    }
}
