// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// What a workload proves its identity with, and what it trusts: private key, leaf, intermediates and roots. Immutable. Any thread.
package final class Credential: Sendable {
    /// The private half of the leaf's key.
    package let key: PrivateKey
    /// The workload's own certificate.
    package let leaf: Certificate
    /// Sent after the leaf.
    package let intermediates: [Certificate]
    /// Who is trusted to sign peers.
    package let roots: [Certificate]
    /// Whom the leaf names.
    package let identity: SPIFFEID
    /// The leaf's serial number in hexadecimal digits.
    package let serial: String

    /// Unix seconds.
    package var notBefore: Int64 { leaf.notBefore }
    /// Unix seconds: until when all that we send is valid.
    package let notAfter: Int64

    /// From a key and its certificate chain, leaf first; roots in the chain aren't sent. Refused when they don't belong together, or when a peer
    /// as strict as we are would refuse them.
    /// - Parameter sendsRoot: the root that signed the chain is sent too, for clients that know no more of it than its digest.
    package init(
        key: PrivateKey, chain: [Certificate], roots: [Certificate], sendsRoot: Bool = false
    ) throws(CertificateFailure) {
        guard let leaf = chain.first else { throw .missing("certificate of the workload") }
        guard !roots.isEmpty else { throw .missing("root certificate") }
        guard roots.count <= Certificate.maximumRoots else { throw .tooMany(limit: Certificate.maximumRoots) }
        guard chain.count <= Certificate.maximumChain else { throw .tooMany(limit: Certificate.maximumChain) }
        guard let publicKey = leaf.publicKey, key.matches(publicKey) else {
            throw .keyMismatch(subject: leaf.uriSANs.joined(separator: " "))
        }
        self.identity = try Self.identity(of: leaf)
        self.key = key
        self.leaf = leaf
        self.roots = roots
        let upper = chain.dropFirst().filter { !roots.contains($0) }
        let last = upper.last ?? leaf
        intermediates = upper + (sendsRoot ? roots.filter { last.isSigned(by: $0) }.prefix(1) : [])
        notAfter = intermediates.reduce(leaf.notAfter) { min($0, $1.notAfter) }
        serial = leaf.serial
    }

    /// Whether the root that vouched for a peer is still one of ours (I09).
    package func trusts(_ peer: PeerCertificate) -> Bool { roots.contains { $0.fingerprint == peer.root } }

    private static func identity(of leaf: Certificate) throws(CertificateFailure) -> SPIFFEID {
        guard !leaf.isCA else { throw .identity("the certificate of a workload must not be one of an authority") }
        guard case .found(let names) = leaf.uriNames, names.count == 1, let name = names.first else {
            throw .identity("the certificate of a workload must have exactly one URI name")
        }
        guard let identity = URINames.spiffeID(name) else {
            throw .identity("\(printable(name)) is no identity of the form spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT")
        }
        return identity
    }
}
