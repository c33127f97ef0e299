// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// What was agreed on, for people, and what an idle session can spare.
extension TLSSession {
    /// `TLS_AES_128_GCM_SHA256`; empty before the handshake got that far.
    package var cipherName: String {
        guard let cipher = unsafe SSL_get_current_cipher(ssl), let name = unsafe SSL_CIPHER_get_name(cipher) else { return "" }
        return unsafe String(cString: name)
    }

    /// `X25519`, `prime256v1`; empty before the handshake got that far.
    package var groupName: String {
        let identifier = unsafe copenssl_ssl_negotiated_group(ssl)
        guard identifier > 0, let number = Int32(exactly: identifier), let name = unsafe OBJ_nid2sn(number) else { return "" }
        return unsafe String(cString: name)
    }

    /// `TLSv1.3`.
    package var versionName: String { unsafe SSL_get_version(ssl).map { unsafe String(cString: $0) } ?? "" }

    /// Whether the peer was taken by its word from an earlier session: never.
    package var isResumed: Bool { unsafe SSL_session_reused(ssl) == 1 }

    /// Gives back what OpenSSL keeps for records, about 34 KiB, until the next byte comes or goes: for tunnels that have been idle for some
    /// time. Does nothing while a record is half received.
    package func releaseBuffers() {
        guard case .open = phase else { return }
        _ = unsafe SSL_free_buffers(ssl)
        OpenSSLErrors.clear()
    }
}
