// SPDX-License-Identifier: Apache-2.0

/// The identity of a host of the mesh: `spiffe://TRUST-DOMAIN/node/NAME`. By its form it is no identity of a workload, so that neither can be taken
/// for the other (I19).
package struct NodeIdentity: Hashable, Sendable {
    package let trustDomain: String
    /// The name of the host's `Node` object.
    package let name: String

    /// Nil if the trust domain or the name is none.
    package init?(trustDomain: String, name: String) {
        guard SPIFFEID.isTrustDomain(trustDomain), Self.isName(name) else { return nil }
        self.trustDomain = trustDomain
        self.name = name
    }

    /// A name as Kubernetes takes it for objects (RFC 1123 subdomain): lower-case letters, digits, `-` and `.`, each part beginning and ending with a
    /// letter or digit; at most 253 bytes. It ends up in keys of the store, in file names and in log lines.
    package static func isName(_ name: String) -> Bool {
        name.utf8.count <= 253
            && name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { part in
                guard let first = part.utf8.first, let last = part.utf8.last, first != 0x2d, last != 0x2d else { return false }
                return part.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d }
            }
    }
}

extension NodeIdentity: LosslessStringConvertible {
    /// From the URI of a certificate's SAN.
    package init?(_ uri: String) {
        guard uri.utf8.count <= SPIFFEID.maximumLength, uri.hasPrefix("spiffe://") else { return nil }
        let parts = uri.dropFirst("spiffe://".count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[1] == "node" else { return nil }
        self.init(trustDomain: String(parts[0]), name: String(parts[2]))
    }

    package var description: String { "spiffe://\(trustDomain)/node/\(name)" }
}
