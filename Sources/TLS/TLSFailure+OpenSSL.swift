// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// From OpenSSL's error queue to what happened.
extension TLSFailure {
    /// OpenSSL adds this to the number of an alert that it received.
    private static let alertOffset = SSL_AD_REASON_OFFSET

    /// What the queue says. Empties it.
    static func takeFromQueue() -> TLSFailure {
        defer { OpenSSLErrors.clear() }
        guard let code = mostTelling() else { return .other(why: "OpenSSL gave no reason") }
        let sentence = OpenSSLErrors.sentence(code).map { printable($0.utf8) } ?? "OpenSSL error \(code)"
        guard copenssl_error_library(code) == ERR_LIB_SSL else { return .protocolViolation(why: sentence) }
        return failure(copenssl_error_reason(code), sentence)
    }

    /// The first error of the TLS layer, since below it stand causes such as a wrong DER tag; the first of all if it has none.
    private static func mostTelling() -> UInt? {
        var first: UInt?
        while true {
            let code = ERR_get_error()
            guard code != 0 else { return first }
            // Reasons below 64 are of OpenSSL as a whole: out of memory, "an error of a lower library".
            if copenssl_error_library(code) == ERR_LIB_SSL, copenssl_error_reason(code) >= 100 { return code }
            first = first ?? code
        }
    }

    private static func failure(_ reason: Int32, _ sentence: String) -> TLSFailure {
        if let alert = UInt8(exactly: reason - alertOffset) { return .alert(TLSAlert(number: alert)) }
        switch reason {
        case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST: return .notTLS(what: "an HTTP/1 request")
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_UNKNOWN_PROTOCOL: return .notTLS(what: "what it sent is no TLS record")
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_BAD_PROTOCOL_VERSION_NUMBER, SSL_R_NO_PROTOCOLS_AVAILABLE,
            SSL_R_WRONG_SSL_VERSION:
            return .protocolVersion
        case SSL_R_NO_SHARED_CIPHER, SSL_R_NO_SHARED_GROUPS, SSL_R_NO_SUITABLE_GROUPS, SSL_R_NO_SUITABLE_KEY_SHARE,
            SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
            return .noCommonAlgorithm(what: sentence)
        case SSL_R_NO_APPLICATION_PROTOCOL: return .noApplicationProtocol
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return .noCertificate
        case SSL_R_BAD_SIGNATURE, SSL_R_DIGEST_CHECK_FAILED: return .wrongSignature
        case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC: return .badRecord
        case SSL_R_EXCESSIVE_MESSAGE_SIZE: return .tooMuch(what: sentence)
        default: return .protocolViolation(why: sentence)
        }
    }
}
