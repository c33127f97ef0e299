// SPDX-License-Identifier: Apache-2.0

import TLS
import Testing

/// Certificates that a peer may come with and that nobody must accept, whichever end it is.
enum BadPapers: String, CaseIterable, CustomTestStringConvertible {
    case expired = "expired"
    case notYetValid = "not yet valid"
    case authority = "CA:TRUE"
    case authorityThatSigns = "CA:TRUE with keyCertSign"
    case certifies = "no CA, but keyCertSign"
    case encipherOnly = "keyEncipherment only"
    case foreignAuthority = "unknown authority"
    case selfSigned = "self-signed"
    case withoutIntermediate = "the intermediate is missing"
    case noName = "no SAN"
    case dnsName = "DNS SAN only"
    case webAddress = "URI that isn't SPIFFE"
    case oddPath = "odd SPIFFE path"
    case trailingSlash = "SPIFFE path with a slash at the end"
    case upperCase = "SPIFFE scheme in capitals"
    case nulInside = "NUL inside the URI"
    case percent = "percent encoding"
    case overlong = "overlong URI"
    case otherTrustDomain = "other trust domain"
    case similarTrustDomain = "trust domain in capitals"
    case twoIdentities = "two SPIFFE URI SANs"
    case identityAndAddress = "a SPIFFE URI and another URI"
    case sameTwice = "the same URI twice"
    /// I19: though it be good for both ends.
    case host = "a host's"

    var testDescription: String { rawValue }

    /// The reason that our end gives, and the alert that the peer gets.
    var verdict: (reason: String, alert: TLSAlert) {
        switch self {
        case .expired: ("certificate_expired", .certificateExpired)
        case .notYetValid: ("certificate_not_yet_valid", .badCertificate)
        case .authority, .authorityThatSigns: ("certificate_is_authority", .badCertificate)
        case .certifies, .encipherOnly: ("wrong_key_usage", .unsupportedCertificate)
        case .foreignAuthority, .selfSigned, .withoutIntermediate: ("unknown_authority", .unknownCA)
        case .noName, .dnsName: ("no_identity", .badCertificate)
        case .webAddress, .oddPath, .trailingSlash, .upperCase, .nulInside, .percent, .overlong, .similarTrustDomain,
            .host:
            ("malformed_identity", .badCertificate)
        case .otherTrustDomain: ("foreign_trust_domain", .badCertificate)
        case .twoIdentities, .identityAndAddress, .sameTwice: ("several_identities", .badCertificate)
        }
    }

    func papers(_ authority: TestAuthority) throws -> Papers {
        switch self {
        case .foreignAuthority: return try TestAuthority().papers("web")
        case .selfSigned: return try TestAuthority.selfSigned()
        case .withoutIntermediate:
            let papers = try authority.papers("web")
            return Papers(key: papers.key, chain: try Certificate.chain(pem: papers.chain)[0].pem)
        case .expired, .notYetValid, .authority, .authorityThatSigns, .certifies, .encipherOnly, .noName, .dnsName, .webAddress,
            .oddPath, .trailingSlash, .upperCase, .nulInside, .percent, .overlong, .otherTrustDomain, .similarTrustDomain,
            .twoIdentities, .identityAndAddress, .sameTwice, .host:
            return try authority.papers { change(&$0) }
        }
    }

    private func change(_ profile: inout CertificateProfile) {
        switch self {
        case .expired: profile.notAfter = TestAuthority.now - 3 * TestAuthority.hour
        case .notYetValid: profile.notBefore = TestAuthority.now + 60
        case .authority: profile.isCA = true
        case .authorityThatSigns:
            profile.isCA = true
            profile.keyUsage = [.digitalSignature, .keyCertSign]
        case .certifies: profile.keyUsage = [.digitalSignature, .keyCertSign]
        case .encipherOnly: profile.keyUsage = [.keyEncipherment]
        case .noName, .dnsName, .webAddress, .oddPath, .trailingSlash, .upperCase, .nulInside, .percent, .overlong,
            .otherTrustDomain, .similarTrustDomain, .twoIdentities, .identityAndAddress, .sameTwice, .host:
            profile.commonName = "cluster.local/ns/shop/sa/web"
            profile.alternativeNames = names
        case .foreignAuthority, .selfSigned, .withoutIntermediate: break
        }
    }

    private var names: [CertificateProfile.AlternativeName] {
        switch self {
        case .dnsName: [.dns(Array("web.shop.svc".utf8))]
        case .webAddress: [uri("https://cluster.local/ns/shop/sa/web")]
        case .oddPath: [uri("spiffe://cluster.local/shop/web")]
        case .trailingSlash: [uri("spiffe://cluster.local/ns/shop/sa/web/")]
        case .upperCase: [uri("SPIFFE://cluster.local/ns/shop/sa/web")]
        case .nulInside: [uri("spiffe://cluster.local/ns/shop/sa/web\0.evil")]
        case .percent: [uri("spiffe://cluster.local/ns/shop/sa/w%65b")]
        case .overlong: [uri("spiffe://cluster.local/ns/shop/sa/" + String(repeating: "w", count: 4000))]
        case .otherTrustDomain: [uri("spiffe://other.mesh/ns/shop/sa/web")]
        case .similarTrustDomain: [uri("spiffe://Cluster.local/ns/shop/sa/web")]
        case .twoIdentities: [uri("spiffe://cluster.local/ns/shop/sa/web"), uri("spiffe://cluster.local/ns/shop/sa/admin")]
        case .identityAndAddress: [uri("spiffe://cluster.local/ns/shop/sa/web"), uri("https://cluster.local/")]
        case .sameTwice: [uri("spiffe://cluster.local/ns/shop/sa/web"), uri("spiffe://cluster.local/ns/shop/sa/web")]
        case .host: [uri("spiffe://cluster.local/node/host1")]
        case .noName, .expired, .notYetValid, .authority, .authorityThatSigns, .certifies, .encipherOnly, .foreignAuthority,
            .selfSigned, .withoutIntermediate:
            []
        }
    }

    private func uri(_ text: String) -> CertificateProfile.AlternativeName { .uri(Array(text.utf8)) }
}

extension TestAuthority {
    /// A workload that vouches for itself.
    static func selfSigned() throws -> Papers {
        let authority = try CertificateAuthority.createRoot(trustDomain: "cluster.local", now: now)
        var profile = CertificateProfile.workload(try identity("web"), notBefore: now - hour, notAfter: now + hour)
        profile.commonName = authority.certificate.subject
        let leaf = try authority.sign(profile, for: authority.key.publicKey)
        return Papers(key: authority.key.pem, chain: leaf.pem + authority.certificate.pem)
    }
}
