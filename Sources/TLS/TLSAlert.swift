// SPDX-License-Identifier: Apache-2.0

/// An alert of TLS 1.3 (RFC 8446 §6): its number, and its name from the registry.
package struct TLSAlert: Hashable, Sendable, CustomStringConvertible {
    /// As on the wire.
    package let number: UInt8

    /// Any number, also one that no registry knows.
    package init(number: UInt8) { self.number = number }

    package static let closeNotify = TLSAlert(number: 0)
    package static let unexpectedMessage = TLSAlert(number: 10)
    package static let badRecordMAC = TLSAlert(number: 20)
    package static let recordOverflow = TLSAlert(number: 22)
    package static let handshakeFailure = TLSAlert(number: 40)
    package static let badCertificate = TLSAlert(number: 42)
    package static let unsupportedCertificate = TLSAlert(number: 43)
    package static let certificateRevoked = TLSAlert(number: 44)
    package static let certificateExpired = TLSAlert(number: 45)
    package static let certificateUnknown = TLSAlert(number: 46)
    package static let illegalParameter = TLSAlert(number: 47)
    package static let unknownCA = TLSAlert(number: 48)
    package static let accessDenied = TLSAlert(number: 49)
    package static let decodeError = TLSAlert(number: 50)
    package static let decryptError = TLSAlert(number: 51)
    package static let protocolVersion = TLSAlert(number: 70)
    package static let insufficientSecurity = TLSAlert(number: 71)
    package static let internalError = TLSAlert(number: 80)
    package static let missingExtension = TLSAlert(number: 109)
    package static let certificateRequired = TLSAlert(number: 116)
    package static let noApplicationProtocol = TLSAlert(number: 120)

    /// `unknown_ca`, or the number where we know no name.
    package var description: String {
        switch self {
        case .closeNotify: "close_notify"
        case .unexpectedMessage: "unexpected_message"
        case .badRecordMAC: "bad_record_mac"
        case .recordOverflow: "record_overflow"
        case .handshakeFailure: "handshake_failure"
        case .badCertificate: "bad_certificate"
        case .unsupportedCertificate: "unsupported_certificate"
        case .certificateRevoked: "certificate_revoked"
        case .certificateExpired: "certificate_expired"
        case .certificateUnknown: "certificate_unknown"
        case .illegalParameter: "illegal_parameter"
        case .unknownCA: "unknown_ca"
        case .accessDenied: "access_denied"
        case .decodeError: "decode_error"
        case .decryptError: "decrypt_error"
        case .protocolVersion: "protocol_version"
        case .insufficientSecurity: "insufficient_security"
        case .internalError: "internal_error"
        case .missingExtension: "missing_extension"
        case .certificateRequired: "certificate_required"
        case .noApplicationProtocol: "no_application_protocol"
        default: "\(number)"
        }
    }
}
