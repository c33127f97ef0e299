// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// What a session shows of itself: a key, and the certificates that prove whose it is.
package struct ShownCertificates: Sendable {
    package let key: PrivateKey
    package let leaf: Certificate
    /// Sent after the leaf.
    package let intermediates: [Certificate]

    package init(_ credential: Credential) {
        (key, leaf, intermediates) = (credential.key, credential.leaf, credential.intermediates)
    }

    /// - Parameter chain: leaf first.
    package init(key: PrivateKey, chain: [Certificate]) throws(CertificateFailure) {
        guard let leaf = chain.first else { throw .missing("certificate of the key") }
        guard chain.count <= Certificate.maximumChain else { throw .tooMany(limit: Certificate.maximumChain) }
        guard let publicKey = leaf.publicKey, key.matches(publicKey) else {
            throw .keyMismatch(subject: leaf.uriSANs.joined(separator: " "))
        }
        (self.key, self.leaf) = (key, leaf)
        intermediates = Array(chain.dropFirst())
    }
}

/// By what a client of a service knows that it is the one.
package enum ServiceCheck: Hashable, Sendable {
    /// The DNS name or the address that it was called by.
    case host(String)
    /// The one URI name of its certificate, whatever it was called by.
    case identity(SPIFFEID)
    /// Its chain ends in the root that has this digest, which the service sends: how a host that knows nothing else begins.
    case root(Fingerprint)
}

/// How a session judges its peer, and what is spoken on it.
enum TLSRules: Sendable {
    /// Both ends of a tunnel: workloads of these trust domains; HTTP/2.
    case tunnel(trustDomains: Set<String>)
    /// The server of a service: clients may show a certificate of our roots, whatever it is for; HTTP/2 or HTTP/1.1.
    case service
    /// A client of a service.
    case caller(ServiceCheck, protocols: [String])

    var isService: Bool { if case .service = self { true } else { false } }

    /// What a client offers, best first.
    var offers: [String] {
        switch self {
        case .tunnel, .service: ["h2"]
        case .caller(_, let protocols): protocols
        }
    }
}

extension TLSContext {
    /// The server of a service: what it shows, and whose certificates it takes from clients that show one.
    package convenience init(service shown: ShownCertificates, clientRoots: [Certificate]) throws(CertificateFailure) {
        try self.init(role: .server, shown: shown, roots: clientRoots, rules: .service)
    }

    /// A client of a service.
    /// - Parameters:
    ///   - shown: nil: it shows no certificate.
    ///   - protocols: of `h2` and `http/1.1`, best first.
    package convenience init(
        caller shown: ShownCertificates?, roots: [Certificate], check: ServiceCheck, protocols: [String]
    ) throws(CertificateFailure) {
        try self.init(role: .client, shown: shown, roots: roots, rules: .caller(check, protocols: protocols))
    }
}
