// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// A key and a certificate that sign others, with the chain up to the roots. Immutable. Any thread; signing takes about 50 µs.
package struct CertificateAuthority: Sendable {
    /// Signs. Belongs to `certificate`.
    package let key: PrivateKey
    /// The certificate whose key signs.
    package let certificate: Certificate
    /// What a peer needs between a leaf and a root: our certificate and those above it, roots left out. Empty when a root signs.
    package let intermediates: [Certificate]
    /// The trust bundle that goes with what we issue.
    package let roots: [Certificate]

    private static let day: Int64 = 86_400
    /// A root is installed by hand and outlives whom it was installed for.
    package static let rootLifetime = 3650 * day
    /// An intermediate lies on a machine that is online.
    package static let intermediateLifetime = 365 * day
    /// How far NotBefore lies back, so that a peer whose clock is behind takes a fresh certificate (I11).
    package static let backdating: Int64 = 5 * 60

    /// A new root with a key of its own. One intermediate may stand below it. Times are Unix seconds, lifetimes seconds.
    package static func createRoot(
        trustDomain: String, commonName: String = "Warren root", now: Int64, lifetime: Int64 = rootLifetime
    ) throws(CertificateFailure) -> CertificateAuthority {
        let key = PrivateKey.generate()
        let profile = CertificateProfile.authority(
            organization: trustDomain, commonName: commonName, pathLength: 1, notBefore: now - backdating,
            notAfter: now + lifetime)
        let root = try profile.signed(for: key.publicKey, by: key, issuer: nil)
        return try CertificateAuthority(key: key, chain: [root], roots: [root])
    }

    /// An authority below this one, with a key of its own, that signs leaves only. It ends no later than this one.
    package func createIntermediate(
        trustDomain: String, commonName: String = "Warren intermediate", now: Int64, lifetime: Int64 = intermediateLifetime
    ) throws(CertificateFailure) -> CertificateAuthority {
        let key = PrivateKey.generate()
        let (notBefore, notAfter) = try validity(now: now, lifetime: lifetime)
        let profile = CertificateProfile.authority(
            organization: trustDomain, commonName: commonName, pathLength: 0, notBefore: notBefore, notAfter: notAfter)
        let signed = try sign(profile, for: key.publicKey)
        return try CertificateAuthority(key: key, chain: [signed] + intermediates, roots: roots)
    }

    /// From disk. `chain` begins with the certificate of `key`; roots in it are left out of what is sent.
    package init(key: PrivateKey, chain: [Certificate], roots: [Certificate]) throws(CertificateFailure) {
        guard let certificate = chain.first else { throw .missing("certificate of the authority") }
        guard !roots.isEmpty else { throw .missing("root certificate") }
        guard roots.count <= Certificate.maximumRoots else { throw .tooMany(limit: Certificate.maximumRoots) }
        guard chain.count < Certificate.maximumChain else { throw .tooMany(limit: Certificate.maximumChain) }
        guard let publicKey = certificate.publicKey, key.matches(publicKey) else {
            throw .keyMismatch(subject: certificate.subject)
        }
        for authority in chain + roots {
            guard authority.maySignCertificates else { throw .notAuthority(subject: authority.subject) }
        }
        for (lower, upper) in zip(chain, chain.dropFirst()) {
            guard lower.isSigned(by: upper) else { throw .brokenChain(subject: lower.subject) }
        }
        let intermediates = chain.filter { !roots.contains($0) }
        if let last = intermediates.last, !roots.contains(where: { last.isSigned(by: $0) }) {
            throw .brokenChain(subject: last.subject)
        }
        self.key = key
        self.certificate = certificate
        self.intermediates = intermediates
        self.roots = roots
    }

    /// A certificate for a workload whose key this is, leaf first, then the intermediates. `now` in Unix seconds, `lifetime` in seconds;
    /// it ends with the issuing certificate at the latest. `tag` says to which host it is given.
    package func issue(
        identity: SPIFFEID, publicKey: PublicKey, tag: HostTag? = nil, now: Int64, lifetime: Int64
    ) throws(CertificateFailure) -> [Certificate] {
        let (notBefore, notAfter) = try validity(now: now, lifetime: lifetime)
        var profile = CertificateProfile.workload(identity, notBefore: notBefore, notAfter: notAfter)
        profile.tag = tag
        let leaf = try sign(profile, for: publicKey)
        return [leaf] + intermediates
    }

    /// The same for a host.
    package func issue(
        node: NodeIdentity, publicKey: PublicKey, now: Int64, lifetime: Int64
    ) throws(CertificateFailure) -> [Certificate] {
        let (notBefore, notAfter) = try validity(now: now, lifetime: lifetime)
        let leaf = try sign(.node(node, notBefore: notBefore, notAfter: notAfter), for: publicKey)
        return [leaf] + intermediates
    }

    /// A workload's certificate with a fresh key (I10), ready for use.
    package func credential(for identity: SPIFFEID, now: Int64, lifetime: Int64) throws(CertificateFailure) -> Credential {
        let key = PrivateKey.generate()
        let chain = try issue(identity: identity, publicKey: key.publicKey, now: now, lifetime: lifetime)
        return try Credential(key: key, chain: chain, roots: roots)
    }

    /// What a server of ours serves with, with a fresh key: known to hosts by its identity, to others by names and addresses.
    package func serverCredential(
        for identity: SPIFFEID, hosts: [String], addresses: [IPAddress], now: Int64, lifetime: Int64
    ) throws(CertificateFailure) -> Credential {
        let key = PrivateKey.generate()
        let (notBefore, notAfter) = try validity(now: now, lifetime: lifetime)
        let profile = CertificateProfile.server(
            identity, hosts: hosts, addresses: addresses, notBefore: notBefore, notAfter: notAfter)
        let leaf = try sign(profile, for: key.publicKey)
        return try Credential(key: key, chain: [leaf] + intermediates, roots: roots, sendsRoot: true)
    }

    /// Signs what the profile says, whatever it says. `issue` is for workloads.
    package func sign(_ profile: CertificateProfile, for publicKey: PublicKey) throws(CertificateFailure) -> Certificate {
        try profile.signed(for: publicKey, by: key, issuer: certificate)
    }

    private func validity(now: Int64, lifetime: Int64) throws(CertificateFailure) -> (notBefore: Int64, notAfter: Int64) {
        guard now >= certificate.notBefore, now < certificate.notAfter else {
            throw .issuerNotValid(subject: certificate.subject)
        }
        // Those above it may end sooner: a leaf is worth nothing without them.
        let last = intermediates.reduce(certificate.notAfter) { min($0, $1.notAfter) }
        let (end, overflow) = now.addingReportingOverflow(max(lifetime, 0))
        return (now - Self.backdating, overflow ? last : min(end, last))
    }
}
