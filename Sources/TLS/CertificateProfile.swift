// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// What a certificate to be signed says, without key, issuer and serial number. A plain value: odd ones can be made too, which is how the
/// checks of peers are tested.
package struct CertificateProfile: Hashable, Sendable {
    /// One entry of subjectAltName, as raw bytes.
    package enum AlternativeName: Hashable, Sendable {
        case uri([UInt8])
        case dns([UInt8])
        case ip(IPAddress)
    }

    /// What the key may do (RFC 5280 §4.2.1.3), by OpenSSL's names.
    package enum KeyUsage: String, Hashable, Sendable {
        case digitalSignature
        case keyEncipherment
        case keyCertSign
        case cRLSign
    }

    /// Which end of a connection it may be (RFC 5280 §4.2.1.12), by OpenSSL's names.
    package enum Purpose: String, Hashable, Sendable {
        case serverAuth
        case clientAuth
    }

    /// Left out when nil.
    package var organization: String?
    package var commonName: String?
    /// Critical when the subject is empty, as RFC 5280 §4.2.1.6 wants.
    package var alternativeNames: [AlternativeName] = []
    /// Whether basicConstraints say that it is an authority.
    package var isCA = false
    /// How many further authorities may stand between this one and a leaf; nil for no limit.
    package var pathLength: Int?
    /// Empty: the extension is left out, and everything allowed.
    package var keyUsage: [KeyUsage] = []
    /// Empty: the extension is left out, and everything allowed.
    package var purposes: [Purpose] = []
    /// Unix seconds, inclusive.
    package var notBefore: Int64
    package var notAfter: Int64
    /// The first half of the serial number; without it all of that is random.
    package var tag: HostTag?

    /// A profile that says nothing but its dates.
    package init(notBefore: Int64, notAfter: Int64) {
        self.notBefore = notBefore
        self.notAfter = notAfter
    }

    /// An X.509-SVID of a workload (SPIFFE X509-SVID §2 to §4): no subject, one URI, both purposes.
    package static func workload(_ identity: SPIFFEID, notBefore: Int64, notAfter: Int64) -> CertificateProfile {
        var profile = CertificateProfile(notBefore: notBefore, notAfter: notAfter)
        profile.alternativeNames = [.uri(Array(identity.description.utf8))]
        profile.keyUsage = [.digitalSignature]
        profile.purposes = [.serverAuth, .clientAuth]
        return profile
    }

    /// A certificate of a host: no subject, one URI, and good for a client alone: nothing serves with it.
    package static func node(_ identity: NodeIdentity, notBefore: Int64, notAfter: Int64) -> CertificateProfile {
        var profile = CertificateProfile(notBefore: notBefore, notAfter: notAfter)
        profile.alternativeNames = [.uri(Array(identity.description.utf8))]
        profile.keyUsage = [.digitalSignature]
        profile.purposes = [.clientAuth]
        return profile
    }

    /// A certificate of a server that hosts know by its identity, and other clients by the names and addresses at which they reach it.
    package static func server(
        _ identity: SPIFFEID, hosts: [String], addresses: [IPAddress], notBefore: Int64, notAfter: Int64
    ) -> CertificateProfile {
        var profile = workload(identity, notBefore: notBefore, notAfter: notAfter)
        profile.alternativeNames += hosts.map { .dns(Array($0.utf8)) } + addresses.map { .ip($0) }
        return profile
    }

    /// An authority that signs certificates and revocation lists and does nothing else.
    package static func authority(
        organization: String, commonName: String, pathLength: Int, notBefore: Int64, notAfter: Int64
    ) -> CertificateProfile {
        var profile = CertificateProfile(notBefore: notBefore, notAfter: notAfter)
        profile.organization = organization
        profile.commonName = commonName
        profile.isCA = true
        profile.pathLength = pathLength
        profile.keyUsage = [.keyCertSign, .cRLSign]
        return profile
    }
}
