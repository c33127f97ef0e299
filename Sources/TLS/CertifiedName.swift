// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// Whom a certificate of the mesh names: a workload or a host. The two never look alike.
package enum CertifiedName: Hashable, Sendable {
    case workload(SPIFFEID)
    case node(NodeIdentity)

    package var trustDomain: String {
        switch self {
        case .workload(let identity): identity.trustDomain
        case .node(let identity): identity.trustDomain
        }
    }

    /// The identity that these bytes spell, exactly.
    init?(_ bytes: [UInt8]) {
        guard bytes.count <= SPIFFEID.maximumLength else { return nil }
        // What isn't UTF-8 becomes U+FFFD, which no identity has.
        self.init(String(decoding: bytes, as: UTF8.self))
    }
}

extension CertifiedName: LosslessStringConvertible {
    package init?(_ uri: String) {
        if let identity = SPIFFEID(uri) {
            self = .workload(identity)
        } else if let identity = NodeIdentity(uri) {
            self = .node(identity)
        } else {
            return nil
        }
    }

    package var description: String {
        switch self {
        case .workload(let identity): identity.description
        case .node(let identity): identity.description
        }
    }
}

extension Certificate {
    /// Whom it names: nil unless it has exactly one URI name, and that is an identity. Whether it is valid isn't said.
    package var certifiedName: CertifiedName? {
        guard case .found(let names) = uriNames, names.count == 1, let name = names.first else { return nil }
        return CertifiedName(name)
    }
}
