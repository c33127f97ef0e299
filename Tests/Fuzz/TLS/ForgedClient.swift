// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import TLS

/// A client straight on OpenSSL that shows a forged certificate and believes whatever the server shows.
@safe final class ForgedClient {
    private let context: OpaquePointer
    private let ssl: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer

    init(_ certificate: ForgedCertificate) {
        unsafe context = SSL_CTX_new(TLS_client_method())
        // Nothing that is odd about the certificate keeps this client from showing it.
        unsafe SSL_CTX_set_security_level(context, 0)
        unsafe SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
        unsafe SSL_CTX_use_certificate(context, certificate.handle)
        unsafe SSL_CTX_use_PrivateKey(context, certificate.key)
        _ = unsafe copenssl_ctx_add_chain_certificate(context, ForgedCertificate.keys.issuer)
        unsafe incoming = BIO_new(BIO_s_mem())
        unsafe outgoing = BIO_new(BIO_s_mem())
        unsafe ssl = SSL_new(context)
        unsafe SSL_set_bio(ssl, incoming, outgoing)
        let offered: [UInt8] = [2] + Array("h2".utf8)
        unsafe SSL_set_alpn_protos(ssl, offered, UInt32(offered.count))
        unsafe SSL_set_connect_state(ssl)
        proceed()
    }

    deinit {
        unsafe SSL_free(ssl)
        unsafe SSL_CTX_free(context)
    }

    private func proceed() {
        ERR_clear_error()
        unsafe SSL_do_handshake(ssl)
        ERR_clear_error()
    }

    func receive(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        unsafe BIO_write(incoming, bytes, Int32(bytes.count))
        proceed()
    }

    func takeOutput() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: unsafe BIO_ctrl_pending(outgoing))
        guard !bytes.isEmpty else { return [] }
        unsafe BIO_read(outgoing, &bytes, Int32(bytes.count))
        return bytes
    }
}
