// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// Why a session doesn't come about or ended: `description` is one sentence for the operator, `reason` a word for metrics.
///
/// What stands in it that came from the peer is printable and short.
package enum TLSFailure: Error, Hashable, Sendable {
    // The peer's certificate.
    /// Its last second is this many seconds ago.
    case certificateExpired(name: String, ago: Int64)
    /// Its first second is this many seconds ahead.
    case certificateNotYetValid(name: String, ahead: Int64)
    /// The same for a certificate above it.
    case issuerNotValid(subject: String)
    /// No root of ours stands above it.
    case unknownAuthority(name: String, issuer: String)
    /// Something else is wrong with the chain, in OpenSSL's words: path length, signature, weak key, name constraints.
    case invalidChain(name: String, why: String)
    /// The peer authenticates with the certificate of an authority.
    case certificateIsAuthority(name: String)
    /// keyUsage forbids digital signatures, or allows what only authorities do.
    case wrongKeyUsage(name: String)
    /// extendedKeyUsage doesn't allow the peer's role.
    case wrongPurpose(name: String, missing: CertificateProfile.Purpose)
    /// No URI name at all.
    case noIdentity(subject: String)
    /// More than one URI name, or subjectAltName twice.
    case severalIdentities(names: String)
    /// One URI name that isn't an identity, or names that can't be decoded.
    case malformedIdentity(name: String)
    /// An identity of a mesh that we aren't part of.
    case foreignTrustDomain(SPIFFEID, accepted: String)
    /// A valid identity, but not of whom we called.
    case unexpectedIdentity(SPIFFEID, expected: String)
    /// We don't know whom to expect: nobody is dialled (I08).
    case noExpectedIdentity
    /// The peer has no certificate.
    case noCertificate
    /// The peer doesn't own the key of its certificate, or the handshake was tampered with.
    case wrongSignature

    // The protocol.
    /// Plaintext, or another protocol than TLS.
    case notTLS(what: String)
    /// TLS 1.2 or older only.
    case protocolVersion
    /// No cipher suite, group or signature algorithm in common.
    case noCommonAlgorithm(what: String)
    /// HTTP/2 wasn't among the application protocols.
    case noApplicationProtocol
    /// A record or a message that TLS doesn't allow, in OpenSSL's words.
    case protocolViolation(why: String)
    /// Ciphertext that wasn't made with our keys: damaged or tampered with.
    case badRecord
    /// More than a bound of ours: handshake messages, certificate lists, renewals of keys.
    case tooMuch(what: String)
    /// The peer ended the session with this alert.
    case alert(TLSAlert)
    /// The peer closed in the middle of the handshake.
    case closedInHandshake
    /// The bytes ended without close_notify: what came may not be all (I12).
    case truncated
    /// None of the above, in OpenSSL's words.
    case other(why: String)

    /// The peer isn't who it must be, or doesn't prove it.
    package var isAboutIdentity: Bool {
        switch self {
        case .certificateExpired, .certificateNotYetValid, .issuerNotValid, .unknownAuthority, .invalidChain,
            .certificateIsAuthority, .wrongKeyUsage, .wrongPurpose, .noIdentity, .severalIdentities, .malformedIdentity,
            .foreignTrustDomain, .unexpectedIdentity, .noExpectedIdentity, .noCertificate, .wrongSignature:
            true
        case .notTLS, .protocolVersion, .noCommonAlgorithm, .noApplicationProtocol, .protocolViolation, .badRecord, .tooMuch,
            .alert, .closedInHandshake, .truncated, .other:
            false
        }
    }

    /// A stable word for the label of a metric: at most 30 values, none from the peer.
    package var reason: String {
        switch self {
        case .certificateExpired: "certificate_expired"
        case .certificateNotYetValid: "certificate_not_yet_valid"
        case .issuerNotValid: "issuer_not_valid"
        case .unknownAuthority: "unknown_authority"
        case .invalidChain: "invalid_chain"
        case .certificateIsAuthority: "certificate_is_authority"
        case .wrongKeyUsage: "wrong_key_usage"
        case .wrongPurpose: "wrong_purpose"
        case .noIdentity: "no_identity"
        case .severalIdentities: "several_identities"
        case .malformedIdentity: "malformed_identity"
        case .foreignTrustDomain: "foreign_trust_domain"
        case .unexpectedIdentity: "unexpected_identity"
        case .noExpectedIdentity: "no_expected_identity"
        case .noCertificate: "no_certificate"
        case .wrongSignature: "wrong_signature"
        case .notTLS: "not_tls"
        case .protocolVersion: "protocol_version"
        case .noCommonAlgorithm: "no_common_algorithm"
        case .noApplicationProtocol: "no_application_protocol"
        case .protocolViolation: "protocol_violation"
        case .badRecord: "bad_record"
        case .tooMuch: "too_much"
        case .alert: "alert"
        case .closedInHandshake: "closed_in_handshake"
        case .truncated: "truncated"
        case .other: "other"
        }
    }
}
