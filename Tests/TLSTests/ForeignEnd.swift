// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import TLS

/// An end that isn't ours, straight on OpenSSL with memory BIOs: it checks nothing, and does what it is told, also what no good peer does.
@safe final class ForeignEnd: End {
    struct Options {
        var papers: Papers?
        /// What is offered or chosen; empty for no ALPN at all.
        var applicationProtocols = ["h2"]
        var maximumVersion = TLS1_3_VERSION
        var ciphersuites = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"
        var groups = "X25519:P-256"
        /// The largest record that it makes, in bytes of plaintext.
        var fragment = 16_384
    }

    private let context: OpaquePointer
    private let ssl: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    private let offered: [UInt8]
    private(set) var received: [UInt8] = []
    /// The alert that ended the session.
    private(set) var alert: TLSAlert?
    private(set) var isClosed = false
    private(set) var isComplete = false

    init(_ role: TLSContext.Role, _ options: Options) {
        unsafe context = SSL_CTX_new(role == .client ? TLS_client_method() : TLS_server_method())
        offered = options.applicationProtocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
        _ = unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(options.maximumVersion), nil)
        _ = unsafe SSL_CTX_set_ciphersuites(context, options.ciphersuites)
        _ = unsafe copenssl_ctx_set_groups(context, options.groups)
        _ = unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_SEND_FRAGMENT, options.fragment, nil)
        unsafe SSL_CTX_set_verify(context, role == .server ? SSL_VERIFY_PEER : SSL_VERIFY_NONE) { _, _ in 1 }
        if let papers = options.papers { unsafe Self.use(papers, in: context) }
        unsafe incoming = BIO_new(BIO_s_mem())
        unsafe outgoing = BIO_new(BIO_s_mem())
        unsafe ssl = SSL_new(context)
        unsafe SSL_set_bio(ssl, incoming, outgoing)
        if role == .client {
            if !offered.isEmpty { unsafe SSL_set_alpn_protos(ssl, offered, UInt32(offered.count)) }
            unsafe SSL_set_connect_state(ssl)
        } else {
            unsafe SSL_set_accept_state(ssl)
            selectProtocol()
        }
    }

    deinit {
        unsafe SSL_free(ssl)
        unsafe SSL_CTX_free(context)
    }

    private func selectProtocol() {
        guard !offered.isEmpty else { return }
        unsafe SSL_CTX_set_alpn_select_cb(
            context,
            { _, chosen, length, client, count, _ in
                unsafe chosen?.pointee = client?.advanced(by: 1)
                unsafe length?.pointee = client?.pointee ?? 0
                return SSL_TLSEXT_ERR_OK
            }, nil)
    }

    private static func use(_ papers: Papers, in context: OpaquePointer) {
        let key = unsafe BIO_new_mem_buf(papers.key, Int32(papers.key.count))
        let chain = unsafe BIO_new_mem_buf(papers.chain, Int32(papers.chain.count))
        let (leaf, parsed) = unsafe (PEM_read_bio_X509(chain, nil, nil, nil), PEM_read_bio_PrivateKey(key, nil, nil, nil))
        unsafe SSL_CTX_use_certificate(context, leaf)
        unsafe SSL_CTX_use_PrivateKey(context, parsed)
        unsafe X509_free(leaf)
        unsafe EVP_PKEY_free(parsed)
        while let next = unsafe PEM_read_bio_X509(chain, nil, nil, nil) {
            _ = unsafe copenssl_ctx_add_chain_certificate(context, next)
            unsafe X509_free(next)
        }
        unsafe BIO_free(key)
        unsafe BIO_free(chain)
        ERR_clear_error()
    }

    func proceed() {
        ERR_clear_error()
        if !isComplete {
            let result = unsafe SSL_do_handshake(ssl)
            guard result == 1 else { return note(result) }
            isComplete = true
        }
        var buffer = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = unsafe SSL_read(ssl, &buffer, Int32(buffer.count))
            guard count > 0 else { return note(count) }
            received += buffer.prefix(Int(count))
        }
    }

    private func note(_ result: Int32) {
        let reason = copenssl_error_reason(ERR_peek_error())
        switch unsafe SSL_get_error(ssl, result) {
        case SSL_ERROR_ZERO_RETURN: isClosed = true
        case SSL_ERROR_SSL: if alert == nil, reason >= 1000 { alert = TLSAlert(number: UInt8(reason - 1000)) }
        default: break
        }
        ERR_clear_error()
    }

    func receive(_ bytes: [UInt8]) {
        unsafe BIO_write(incoming, bytes, Int32(bytes.count))
        proceed()
    }

    func takeOutput() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: unsafe BIO_ctrl_pending(outgoing))
        guard !bytes.isEmpty else { return [] }
        unsafe BIO_read(outgoing, &bytes, Int32(bytes.count))
        return bytes
    }

    func write(_ bytes: [UInt8]) { unsafe SSL_write(ssl, bytes, Int32(bytes.count)) }

    func shutdown() { unsafe SSL_shutdown(ssl) }

    /// Renews its key for sending, and asks for the same.
    func updateKeys() {
        unsafe SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED)
        unsafe SSL_do_handshake(ssl)
    }

    var isResumed: Bool { unsafe SSL_session_reused(ssl) == 1 }

    /// The session as it stands, for a later one; nil when it can't be resumed.
    var resumable: OpaquePointer? {
        guard let session = unsafe SSL_get1_session(ssl) else { return nil }
        if unsafe SSL_SESSION_is_resumable(session) == 1 { return unsafe session }
        unsafe SSL_SESSION_free(session)
        return nil
    }
}
