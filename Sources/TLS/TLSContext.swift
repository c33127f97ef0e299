// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import COpenSSL

/// What all sessions of one workload in one role have in common: credential, trust and the rules of the protocol.
///
/// TLS 1.3, HTTP/2 by ALPN, certificates on both sides, nothing resumed (I08). Immutable: sessions are made from it on any thread at the same
/// time, which OpenSSL allows as long as nobody changes the context; each session then belongs to one thread. A renewed certificate is a new
/// context, while sessions of the old one go on with what they began with.
@safe package final class TLSContext: Sendable {
    /// Which end its sessions are.
    package enum Role: Sendable {
        case client
        case server
    }

    /// Fixed at creation.
    package let role: Role
    /// What its sessions show, and whom they trust; nil for a host's.
    package let credential: Credential?
    /// Whose identities are accepted from peers.
    package let trustDomains: Set<String>
    nonisolated(unsafe) let handle: OpaquePointer

    /// A chain of four with RSA-4096 has 8 KiB.
    private static let maximumCertificateList = 32 * 1024
    /// How many authorities may stand between a peer and a root. Istio has one or two.
    private static let maximumDepth: Int32 = 4

    /// What is shown: key, leaf, intermediates; and the roots.
    private struct Papers {
        let key: PrivateKey
        let leaf: Certificate
        let intermediates: [Certificate]
        let roots: [Certificate]
    }

    /// `trustDomains` is the credential's own by default. Throws when OpenSSL doesn't want to send the credential: a weak key, for instance.
    package convenience init(
        role: Role, credential: Credential, trustDomains: Set<String>? = nil
    ) throws(CertificateFailure) {
        let papers = Papers(
            key: credential.key, leaf: credential.leaf, intermediates: credential.intermediates, roots: credential.roots)
        try self.init(role, papers, credential, trustDomains ?? [credential.identity.trustDomain])
    }

    /// For a host that calls its control plane: it shows its own certificate, which names no workload. `chain` has the leaf first.
    package convenience init(
        connectingWith key: PrivateKey, chain: [Certificate], roots: [Certificate], trustDomain: String
    ) throws(CertificateFailure) {
        guard let leaf = chain.first else { throw .missing("certificate of the host") }
        guard !roots.isEmpty else { throw .missing("root certificate") }
        let intermediates = chain.dropFirst().filter { !roots.contains($0) }
        try self.init(
            .client, Papers(key: key, leaf: leaf, intermediates: intermediates, roots: roots), nil, [trustDomain])
    }

    private init(
        _ role: Role, _ papers: Papers, _ credential: Credential?, _ trustDomains: Set<String>
    ) throws(CertificateFailure) {
        self.role = role
        self.credential = credential
        self.trustDomains = trustDomains
        OpenSSLErrors.clear()
        defer { OpenSSLErrors.clear() }
        unsafe handle = unwrap(
            SSL_CTX_new(role == .client ? TLS_client_method() : TLS_server_method()), "no memory for a context")
        setProtocol()
        setResumption()
        setVerification(papers.roots)
        try setCredential(papers)
    }

    deinit { unsafe SSL_CTX_free(handle) }

    private func setProtocol() {
        unsafe copenssl_ctx_set_tls13_only(handle)
        // AES-128 first: 4 % less CPU per byte than AES-256, and enough. The server's order counts, since ztunnel prefers AES-256.
        unsafe require(
            SSL_CTX_set_ciphersuites(handle, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"), "the cipher suites are missing")
        unsafe require(copenssl_ctx_set_groups(handle, "X25519:P-256"), "the groups are missing")
        let options = copenssl_op_cipher_server_preference | copenssl_op_no_compression | copenssl_op_no_renegotiation
        _ = unsafe SSL_CTX_set_options(handle, options | copenssl_op_no_ticket)
        // RSA below 2048 bits and SHA-1 are refused, whatever the host's openssl.cnf says.
        unsafe SSL_CTX_set_security_level(handle, 2)
        // The certificates to send are those of the credential, not found by a search per handshake. RELEASE_BUFFERS stays off: it costs a
        // busy tunnel 8 to 11 %, and an idle one is trimmed by `TLSSession.releaseBuffers`.
        _ = unsafe copenssl_ctx_set_mode(handle, Int(SSL_MODE_NO_AUTO_CHAIN) | Int(SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER))
        // Our own BIO lends what was received: reading ahead would only copy it once more.
        unsafe copenssl_ctx_set_read_ahead(handle, 0)
        setApplicationProtocol()
    }

    private func setApplicationProtocol() {
        switch role {
        case .client:
            let offered: [UInt8] = [2] + Array("h2".utf8)
            // This one answers 0 when all is well.
            precondition(
                unsafe SSL_CTX_set_alpn_protos(handle, offered, UInt32(offered.count)) == 0, "OpenSSL: no memory for ALPN")
        case .server:
            unsafe SSL_CTX_set_alpn_select_cb(
                handle,
                { _, chosen, length, offered, count, _ in
                    unsafe ApplicationProtocol.select(chosen, length, UnsafeBufferPointer(start: offered, count: Int(count)))
                }, nil)
        }
    }

    /// No ticket is made, taken or kept: each session verifies its peer itself.
    private func setResumption() {
        _ = unsafe copenssl_ctx_set_session_cache_mode(handle, Int(SSL_SESS_CACHE_OFF))
        unsafe require(SSL_CTX_set_num_tickets(handle, 0), "tickets can't be switched off")
    }

    private func setVerification(_ roots: [Certificate]) {
        unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        unsafe SSL_CTX_set_cert_verify_callback(handle, { store, _ in unsafe PeerVerification.run(store) }, nil)
        unsafe SSL_CTX_set_info_callback(handle) { ssl, event, _ in unsafe TLSSession.noteProgress(of: ssl, event) }
        unsafe SSL_CTX_set_verify_depth(handle, Self.maximumDepth)
        _ = unsafe copenssl_ctx_set_max_cert_list(handle, Self.maximumCertificateList)
        let store = unsafe SSL_CTX_get_cert_store(handle)
        // Whatever the operator gives as a root is one, also where another authority signed it.
        _ = unsafe X509_STORE_set_flags(store, UInt(X509_V_FLAG_PARTIAL_CHAIN))
        for root in roots { unsafe require(X509_STORE_add_cert(store, root.handle), "no memory for a root") }
    }

    private func setCredential(_ papers: Papers) throws(CertificateFailure) {
        guard unsafe SSL_CTX_use_certificate(handle, papers.leaf.handle) == 1,
            unsafe SSL_CTX_use_PrivateKey(handle, papers.key.handle) == 1
        else { throw .refused(OpenSSLErrors.take()) }
        for certificate in papers.intermediates {
            guard unsafe copenssl_ctx_add_chain_certificate(handle, certificate.handle) == 1 else {
                throw .refused(OpenSSLErrors.take())
            }
        }
    }
}

/// ALPN on the server's side (RFC 7301): `h2` or an alert. A client that offers nothing isn't asked, as ztunnel does it.
enum ApplicationProtocol {
    static let name: StaticString = "h2"

    /// `offered` is a list of names, each behind its length; OpenSSL has checked its form.
    static func select(
        _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?, _ length: UnsafeMutablePointer<UInt8>?,
        _ offered: UnsafeBufferPointer<UInt8>
    ) -> Int32 {
        var rest = unsafe offered[...]
        while let count = unsafe rest.popFirst() {
            guard unsafe rest.count >= Int(count) else { break }
            if unsafe rest.prefix(Int(count)).elementsEqual("h2".utf8) {
                unsafe chosen?.pointee = name.utf8Start
                unsafe length?.pointee = UInt8(name.utf8CodeUnitCount)
                return SSL_TLSEXT_ERR_OK
            }
            unsafe rest = rest.dropFirst(Int(count))
        }
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }
}
