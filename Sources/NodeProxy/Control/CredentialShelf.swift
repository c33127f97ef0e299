// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Kernel
internal import TLS

/// Where keys of workloads rest besides memory, so that a restarted daemon serves at once (I10). Blocking; run as errands.
struct CredentialShelf: Sendable {
    /// Bytes of a PEM file that is read at most.
    private static let limit = Certificate.maximumFile

    /// Nil: nothing is kept.
    private let directory: String?
    /// The first line of what is kept, and nil where there is none.
    private let mark: String?

    /// - Parameter host: the digest of the key by which this host is a member, or how else it is known: what was kept before it joined anew is
    ///   another host's.
    init(_ settings: IdentitySettings, runDirectory: String, host: String? = nil) {
        mark = host.map { "host \($0)\n" }
        directory =
            switch settings.persist {
            case .run: "\(runDirectory)/identity"
            case .disk: settings.directory
            case .never: nil
            }
    }

    /// One file per identity. SPIFFE's character set makes its parts safe as a name, and has no comma, so that `a_b/c` isn't `a/b_c`.
    private func path(_ identity: SPIFFEID) -> String? {
        directory.map { "\($0)/\(identity.trustDomain),\(identity.namespace),\(identity.serviceAccount).pem" }
    }

    /// What was kept of this identity, as our own file and unread by others; whether it is valid or trusted is for the caller to say.
    func kept(_ identity: SPIFFEID, roots: [Certificate]) -> Credential? {
        guard let path = path(identity),
            let pem = try? PrivateFile.read(path, limit: Self.limit, owner: .own, followLink: false),
            pem.starts(with: (mark ?? "").utf8)
        else { return nil }
        guard let key = try? PrivateKey(pem: pem), let chain = try? Certificate.chain(pem: pem),
            let credential = try? Credential(key: key, chain: chain, roots: roots), credential.identity == identity
        else { return nil }
        return credential
    }

    func keep(_ credential: Credential) {
        guard let directory, let path = path(credential.identity) else { return }
        let pem = Array((mark ?? "").utf8) + credential.key.pem + credential.leaf.pem + credential.intermediates.pem
        // A key that can't be kept is made anew after a restart: slower, not wrong.
        try? File.makeDirectory(directory, mode: 0o700)
        try? File.replace(path, with: pem, mode: 0o600)
    }

    /// The workload left for good: its key goes too.
    func forget(_ identity: SPIFFEID) {
        if let path = path(identity) { try? File.remove(path) }
    }
}
