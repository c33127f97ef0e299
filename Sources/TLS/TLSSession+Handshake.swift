// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import COpenSSL

extension TLSSession {
    /// Goes on with the handshake as far as the input allows. Once complete it stays so.
    package func handshake() -> HandshakeProgress {
        switch phase {
        case .failed(let failure): return .failed(failure)
        case .open: return .complete(peer: unwrap(peer, "a session without its peer"))
        case .handshaking: break
        }
        let pending = output.pendingCount
        OpenSSLErrors.clear()
        let result = unsafe SSL_do_handshake(ssl)
        if result == 1 { return completed() }
        if bounds.isExceeded { return .failed(fail(.tooMuch(what: "handshake of more than \(SessionBounds.handshake) bytes"))) }
        switch unsafe SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ:
            starve()
            if case .failed(let failure) = phase { return .failed(failure) }
            return .wantsBytes
        case SSL_ERROR_ZERO_RETURN: return .failed(fail(.closedInHandshake))
        default:
            let failure = fail(verdict ?? TLSFailure.takeFromQueue())
            if case .notTLS = failure, output.pendingCount == pending { refuseInClear() }
            return .failed(failure)
        }
    }

    /// OpenSSL hangs up on what isn't TLS without a word. RFC 8446 §5 wants this alert for an unexpected record.
    private func refuseInClear() {
        let alert: [UInt8] = [21, 3, 3, 0, 2, 2, TLSAlert.unexpectedMessage.number]
        unsafe alert.withUnsafeBytes { unsafe output.append($0) }
    }

    private func completed() -> HandshakeProgress {
        guard let peer else { return .failed(fail(.noCertificate)) }
        guard context.role == .server || hasApplicationProtocol else {
            unsafe SSL_shutdown(ssl)
            return .failed(fail(.noApplicationProtocol))
        }
        phase = .open
        return .complete(peer: peer)
    }

    /// A client offered `h2` alone; a server that is silent about it isn't one that we know.
    private var hasApplicationProtocol: Bool {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        unsafe SSL_get0_alpn_selected(ssl, &name, &count)
        return unsafe UnsafeBufferPointer(start: name, count: Int(count)).elementsEqual("h2".utf8)
    }

    /// The last part of the verification: of our trust domains, and on the client whom we called.
    func checkIdentity(_ identity: SPIFFEID) throws(TLSFailure) {
        guard context.trustDomains.contains(identity.trustDomain) else {
            throw .foreignTrustDomain(identity, accepted: context.trustDomains.sorted().joined(separator: ", "))
        }
        guard context.role == .server || expected.contains(identity) else {
            let names = expected.map(\.description).sorted()
            throw .unexpectedIdentity(
                identity, expected: names.prefix(4).joined(separator: " or ") + (names.count > 4 ? " …" : ""))
        }
    }

    /// OpenSSL wants more than there is. It asks only when everything is consumed; if it ever didn't, what is left would be lost.
    func starve() {
        isStarved = true
        if unsafe input.count > 0 { fail(.other(why: "OpenSSL left input unread")) }
    }

    /// Remembers the first failure and forgets the input.
    @discardableResult
    func fail(_ failure: TLSFailure) -> TLSFailure {
        OpenSSLErrors.clear()
        unsafe input = UnsafeRawBufferPointer(start: nil, count: 0)
        phase = .failed(failure)
        return failure
    }
}
