// SPDX-License-Identifier: Apache-2.0

extension TLSFailure: CustomStringConvertible {
    /// A clause without a full stop.
    package var description: String {
        switch self {
        case .certificateExpired(let name, let ago): "the peer's certificate expired \(span(ago)) ago (\(name))"
        case .certificateNotYetValid(let name, let ahead):
            "the peer's certificate is valid only in \(span(ahead)) (\(name)): check both clocks"
        case .issuerNotValid(let subject): "the certificate of the peer's authority is expired or not yet valid (\(subject))"
        case .unknownAuthority(let name, let issuer):
            "the peer's certificate leads to no root that we trust (\(name), issued by \(issuer))"
        case .invalidChain(let name, let why): "the peer's certificate chain is invalid: \(why) (\(name))"
        case .certificateIsAuthority(let name): "the peer uses the certificate of an authority as its own (\(name))"
        case .wrongKeyUsage(let name): "the peer's certificate isn't for signatures in TLS: see its keyUsage (\(name))"
        case .wrongPurpose(let name, let missing):
            "the peer's certificate isn't for this end of a connection: extendedKeyUsage lacks \(missing.rawValue) (\(name))"
        case .noIdentity(let subject): "the peer's certificate has no SPIFFE identity (\(subject))"
        case .severalIdentities(let names): "the peer's certificate has more than one URI name (\(names))"
        case .malformedIdentity(let name):
            "the peer's URI name is no identity of the form spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT (\(name))"
        case .foreignTrustDomain(let identity, let accepted): "the peer \(identity) is of another trust domain than \(accepted)"
        case .unexpectedIdentity(let identity, let expected): "the peer is \(identity), not \(expected)"
        case .noExpectedIdentity: "nobody is expected at this address, so nobody is trusted there"
        case .noCertificate: "the peer has no certificate"
        case .wrongSignature: "the peer doesn't prove that its certificate is its own"
        case .notTLS(let what): "the peer doesn't speak TLS: \(what)"
        case .protocolVersion: "the peer doesn't speak TLS 1.3"
        case .noCommonAlgorithm(let what): "no common algorithm with the peer: \(what)"
        case .noApplicationProtocol: "the peer doesn't speak HTTP/2 (ALPN h2)"
        case .protocolViolation(let why): "the peer broke the rules of TLS: \(why)"
        case .badRecord: "a record can't be decrypted: damaged or tampered with"
        case .tooMuch(let what): "the peer sent more than we take: \(what)"
        case .alert(let alert): "the peer ended the session with alert \(alert)"
        case .closedInHandshake: "the peer closed the session during the handshake"
        case .truncated: "the peer hung up without close_notify"
        case .other(let why): why
        }
    }
}

/// `40 s`, `3 min`, `5 h`, `12 d`: whole units, rounded down.
private func span(_ seconds: Int64) -> String {
    switch seconds {
    case ..<120: "\(seconds) s"
    case ..<7200: "\(seconds / 60) min"
    case ..<172_800: "\(seconds / 3600) h"
    default: "\(seconds / 86_400) d"
    }
}
