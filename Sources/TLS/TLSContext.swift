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
    /// What the ends of a tunnel show, and whom they trust; nil for sessions of another kind.
    package let credential: Credential?
    /// How peers are judged and what is spoken.
    let rules: TLSRules
    nonisolated(unsafe) let handle: OpaquePointer

    /// A chain of four with RSA-4096 has 8 KiB.
    private static let maximumCertificateList = 32 * 1024
    /// How many authorities may stand between a peer and a root. Istio has one or two.
    private static let maximumDepth: Int32 = 4

    /// `trustDomains` is the credential's own by default. Throws when OpenSSL doesn't want to send the credential: a weak key, for instance.
    package convenience init(role: Role, credential: Credential, trustDomains: Set<String>? = nil) throws(CertificateFailure) {
        try self.init(
            role: role, shown: ShownCertificates(credential), roots: credential.roots,
            rules: .tunnel(trustDomains: trustDomains ?? [credential.identity.trustDomain]), credential: credential)
    }

    init(
        role: Role, shown: ShownCertificates?, roots: [Certificate], rules: TLSRules, credential: Credential? = nil
    ) throws(CertificateFailure) {
        self.role = role
        self.credential = credential
        self.rules = rules
        OpenSSLErrors.clear()
        defer { OpenSSLErrors.clear() }
        unsafe handle = unwrap(
            SSL_CTX_new(role == .client ? TLS_client_method() : TLS_server_method()), "no memory for a context")
        setProtocol()
        setResumption()
        setVerification(roots)
        if let shown { try show(shown) }
    }

    deinit { unsafe SSL_CTX_free(handle) }

    /// Whose identities are accepted from the other end of a tunnel.
    package var trustDomains: Set<String> {
        if case .tunnel(let trustDomains) = rules { trustDomains } else { [] }
    }

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
            let offered = rules.offers.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
            // This one answers 0 when all is well.
            precondition(
                unsafe SSL_CTX_set_alpn_protos(handle, offered, UInt32(offered.count)) == 0, "OpenSSL: no memory for ALPN")
        case .server where rules.isService:
            unsafe SSL_CTX_set_alpn_select_cb(
                handle,
                { _, chosen, length, offered, count, _ in
                    unsafe ApplicationProtocol.selectEither(
                        chosen, length, UnsafeBufferPointer(start: offered, count: Int(count)))
                }, nil)
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
        // Whoever calls a service may show a certificate; one that is shown must be good.
        let needsCertificate = rules.isService ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT
        unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_PEER | needsCertificate, nil)
        unsafe SSL_CTX_set_cert_verify_callback(handle, { store, _ in unsafe PeerVerification.run(store) }, nil)
        unsafe SSL_CTX_set_info_callback(handle) { ssl, event, _ in unsafe TLSSession.noteProgress(of: ssl, event) }
        unsafe SSL_CTX_set_verify_depth(handle, Self.maximumDepth)
        _ = unsafe copenssl_ctx_set_max_cert_list(handle, Self.maximumCertificateList)
        let store = unsafe SSL_CTX_get_cert_store(handle)
        // Whatever the operator gives as a root is one, also where another authority signed it.
        _ = unsafe X509_STORE_set_flags(store, UInt(X509_V_FLAG_PARTIAL_CHAIN))
        for root in roots { unsafe require(X509_STORE_add_cert(store, root.handle), "no memory for a root") }
    }

    private func show(_ shown: ShownCertificates) throws(CertificateFailure) {
        guard unsafe SSL_CTX_use_certificate(handle, shown.leaf.handle) == 1,
            unsafe SSL_CTX_use_PrivateKey(handle, shown.key.handle) == 1
        else { throw .refused(OpenSSLErrors.take()) }
        for certificate in shown.intermediates {
            guard unsafe copenssl_ctx_add_chain_certificate(handle, certificate.handle) == 1 else {
                throw .refused(OpenSSLErrors.take())
            }
        }
    }
}

/// ALPN on the server's side (RFC 7301): `h2` or an alert. A client that offers nothing isn't asked, as ztunnel does it.
enum ApplicationProtocol {
    static let name: StaticString = "h2"
    static let older: StaticString = "http/1.1"

    /// `offered` is a list of names, each behind its length; OpenSSL has checked its form.
    static func select(
        _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?, _ length: UnsafeMutablePointer<UInt8>?,
        _ offered: UnsafeBufferPointer<UInt8>
    ) -> Int32 {
        unsafe select(name, chosen, length, offered) ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL
    }

    /// For a service: `h2` before `http/1.1`, or an alert. A client that offers nothing speaks HTTP/1.1.
    static func selectEither(
        _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?, _ length: UnsafeMutablePointer<UInt8>?,
        _ offered: UnsafeBufferPointer<UInt8>
    ) -> Int32 {
        let isFound = unsafe select(name, chosen, length, offered) || select(older, chosen, length, offered)
        return isFound ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL
    }

    private static func select(
        _ name: StaticString, _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?, _ length: UnsafeMutablePointer<UInt8>?,
        _ offered: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        var rest = unsafe offered[...]
        while let count = unsafe rest.popFirst() {
            guard unsafe rest.count >= Int(count) else { break }
            if unsafe rest.prefix(Int(count)).elementsEqual(
                UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
            {
                unsafe chosen?.pointee = name.utf8Start
                unsafe length?.pointee = UInt8(name.utf8CodeUnitCount)
                return true
            }
            unsafe rest = rest.dropFirst(Int(count))
        }
        return false
    }
}
