// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import COpenSSL

extension TLSSession {
    /// Goes on with the handshake as far as the input allows. Once complete it stays so.
    package func handshake() -> HandshakeProgress {
        switch advance() {
        case .wantsBytes: .wantsBytes
        case .complete: .complete(peer: unwrap(peer, "a session without its peer"))
        case .failed(let failure): .failed(failure)
        }
    }

    /// The same for a service and its callers.
    package func serviceHandshake() -> ServiceHandshake { advance() }

    private func advance() -> ServiceHandshake {
        switch phase {
        case .failed(let failure): return .failed(failure)
        case .open: return .complete
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

    private func completed() -> ServiceHandshake {
        switch context.rules {
        case .tunnel where peer == nil, .caller where peerCertificates.isEmpty: return .failed(fail(.noCertificate))
        case .tunnel, .caller, .service: break
        }
        guard context.role == .server || hasApplicationProtocol else {
            unsafe SSL_shutdown(ssl)
            return .failed(fail(.noApplicationProtocol))
        }
        phase = .open
        return .complete
    }

    /// A server that is silent about what we offered isn't one that we know, but for HTTP/1.1, which is older than the question.
    private var hasApplicationProtocol: Bool {
        let offers = context.rules.offers
        return applicationProtocol.map { offers.contains($0) } ?? offers.contains("http/1.1")
    }

    /// What both ends agreed to speak: `h2`, `http/1.1`, or nil if nobody asked. After the handshake.
    package var applicationProtocol: String? {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        unsafe SSL_get0_alpn_selected(ssl, &name, &count)
        guard count > 0 else { return nil }
        return unsafe String(decoding: UnsafeBufferPointer(start: name, count: Int(count)), as: UTF8.self)
    }

    /// The certificates that the peer of a service's session, or the service, proved to hold the key of, leaf first, its root last; empty if a client
    /// showed none. After the handshake.
    package var provenCertificates: [Certificate] {
        if case .open = phase { peerCertificates } else { [] }
    }

    /// The last part of the verification: of our trust domains, and on the client whom we called.
    func checkIdentity(_ identity: SPIFFEID) throws(TLSFailure) {
        guard case .tunnel(let trustDomains) = context.rules, trustDomains.contains(identity.trustDomain) else {
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
