// SPDX-License-Identifier: Apache-2.0

/// The identity of a workload as Istio writes it: `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT`.
///
/// The form is exact: three names, nothing before, between or after them. The names are checked against the character set of the
/// SPIFFE specification (SPIFFE-ID §2.1, §2.2), so an identity can be logged and compared as text without escaping.
///
/// A value of one word: each connection has several of them, and asks for their text. What is behind it is made once and never changed.
package struct SPIFFEID: Sendable {
    private final class Names: Sendable {
        let trustDomain: String
        let namespace: String
        let serviceAccount: String
        let uri: String
        let principal: String
        let hash: Int

        init(_ trustDomain: String, _ namespace: String, _ serviceAccount: String) {
            self.trustDomain = trustDomain
            self.namespace = namespace
            self.serviceAccount = serviceAccount
            principal = "\(trustDomain)/ns/\(namespace)/sa/\(serviceAccount)"
            uri = "spiffe://\(principal)"
            hash = uri.hashValue
        }
    }

    private let names: Names

    package var trustDomain: String { names.trustDomain }
    package var namespace: String { names.namespace }
    package var serviceAccount: String { names.serviceAccount }

    /// The longest identity that a certificate may carry (SPIFFE-ID §2.3), in bytes.
    package static let maximumLength = 2048

    /// Nil if a name is empty or has a character that SPIFFE doesn't allow.
    package init?(trustDomain: String, namespace: String, serviceAccount: String) {
        guard Self.isTrustDomain(trustDomain), Self.isSegment(namespace), Self.isSegment(serviceAccount) else { return nil }
        names = Names(trustDomain, namespace, serviceAccount)
    }

    /// What policies compare: the identity without its scheme.
    package var principal: String { names.principal }

    /// SPIFFE-ID §2.1: lower-case letters, digits, `.`, `-`, `_`; at most 255 bytes.
    package static func isTrustDomain(_ name: String) -> Bool {
        (1...255).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2e || byte == 0x2d || byte == 0x5f
            }
    }

    /// SPIFFE-ID §2.2: letters, digits, `.`, `-`, `_`; `.` and `..` are no segments.
    package static func isSegment(_ name: String) -> Bool {
        (1...255).contains(name.utf8.count) && name != "." && name != ".."
            && name.utf8.allSatisfy { byte in
                (0x61...0x7a).contains(byte) || (0x41...0x5a).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2e
                    || byte == 0x2d || byte == 0x5f
            }
    }
}

extension SPIFFEID: Hashable {
    /// No name has a slash in it, so identities with the same text have the same names.
    package static func == (a: SPIFFEID, b: SPIFFEID) -> Bool { a.names === b.names || a.names.uri == b.names.uri }

    package func hash(into hasher: inout Hasher) { hasher.combine(names.hash) }
}

extension SPIFFEID: LosslessStringConvertible {
    /// From the URI of a certificate's SAN.
    package init?(_ uri: String) {
        guard uri.utf8.count <= Self.maximumLength, uri.hasPrefix("spiffe://") else { return nil }
        let parts = uri.dropFirst("spiffe://".count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[1] == "ns", parts[3] == "sa" else { return nil }
        self.init(trustDomain: String(parts[0]), namespace: String(parts[2]), serviceAccount: String(parts[4]))
    }

    package var description: String { names.uri }
}
