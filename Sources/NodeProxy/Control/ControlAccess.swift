// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Discovery
internal import HTTP
internal import Kernel
internal import TLS

/// What one connection to a control plane is made with.
struct ControlAccess {
    /// Gets what goes with each call, and may take a while for it; called on the loop, answers there.
    typealias Metadata = (@escaping (Result<HTTPHeaders, ControlFailure>) -> Void) -> Void

    /// What this host shows in the handshake; nil: nothing.
    let shown: ShownCertificates?
    let roots: [Certificate]
    /// Who the control plane must be.
    let check: ServiceCheck
    /// What this host is called in discovery.
    let node: DiscoveryNode
    /// Nil: the handshake says everything.
    let metadata: Metadata?
}

/// How this host stands to its control plane. On the node's loop.
enum ControlStanding {
    /// To `warren-control`: a member, by its certificate.
    case member(NodeCredential)
    /// To istiod: a client with a service account's token.
    case client(IstiodAccount)
}

extension NodeCredential {
    /// What a connection to `warren-control` is made with, or why there can't be one.
    /// - Parameter node: what this host is called.
    func access(as node: String, now: WallTime = .now()) -> Result<ControlAccess, ControlFailure> {
        guard notAfter > now.seconds else {
            return .failure(ControlFailure("the certificate of this host (\(identity)) has expired: run `warren join` again"))
        }
        guard let controlPlane else { return .failure(ControlFailure("the certificate of this host names no trust domain")) }
        do throws(CertificateFailure) {
            return .success(
                ControlAccess(
                    shown: try ShownCertificates(key: key, chain: chain), roots: roots, check: .identity(controlPlane),
                    node: DiscoveryNode(
                        id: node,
                        metadata: [
                            ("NAME", node), ("NAMESPACE", "warren-system"), ("NODE_NAME", node),
                            ("WARREN_VERSION", warrenVersion),
                        ]), metadata: nil))
        } catch { return .failure(ControlFailure("the certificate of this host can't be used: \(error)")) }
    }
}
