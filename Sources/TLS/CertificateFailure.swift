// SPDX-License-Identifier: Apache-2.0

/// Why a key, a certificate or a chain can't be read, made or used by us: one sentence for the operator.
package enum CertificateFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// Larger than anything we read, in bytes.
    case tooLarge(limit: Int)
    /// More certificates than we take.
    case tooMany(limit: Int)
    /// Nothing of the kind in the text.
    case missing(String)
    /// There is something, but not what it says it is.
    case malformed(String)
    /// The key asks for a passphrase.
    case encryptedKey
    /// The private key isn't the one in the certificate.
    case keyMismatch(subject: String)
    /// The certificate must not sign others.
    case notAuthority(subject: String)
    /// The leaf has no identity, or not exactly one.
    case identity(String)
    /// A certificate that isn't signed by the one after it.
    case brokenChain(subject: String)
    /// The issuing certificate is not valid at the time given.
    case issuerNotValid(subject: String)
    /// OpenSSL doesn't take it, in its own words: a weak key or signature.
    case refused(String)

    package var description: String {
        switch self {
        case .tooLarge(let limit): "more than \(limit) bytes where certificates were expected"
        case .tooMany(let limit): "more than \(limit) certificates"
        case .missing(let what): "no \(what) found"
        case .malformed(let what): what
        case .encryptedKey: "the private key is encrypted: give it without passphrase, in a file that only its owner reads"
        case .keyMismatch(let subject): "the private key doesn't belong to the certificate of \(subject)"
        case .notAuthority(let subject):
            "the certificate of \(subject) may not sign certificates: basicConstraints and keyUsage forbid it"
        case .identity(let what): what
        case .brokenChain(let subject): "the certificate of \(subject) isn't signed by the next one of the chain"
        case .issuerNotValid(let subject): "the issuing certificate of \(subject) is expired or not yet valid"
        case .refused(let why): "OpenSSL refuses it: \(why)"
        }
    }
}
