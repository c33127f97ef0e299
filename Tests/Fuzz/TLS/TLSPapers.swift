// SPDX-License-Identifier: Apache-2.0

import Bytes
import Kernel
import TLS

/// Who takes part in the handshakes: an authority, a server and a client of one mesh, made once per process at a time of their own.
struct TLSPapers: Sendable {
    /// What "now" is, in Unix seconds.
    static let now: Int64 = 1_800_000_000

    let authority: CertificateAuthority
    let server: TLSContext
    let client: TLSContext
    let serverIdentity: SPIFFEID
    let clientIdentity: SPIFFEID

    static let shared: TLSPapers = {
        guard let papers = try? TLSPapers() else { bug("no certificates to fuzz with") }
        return papers
    }()

    private init() throws {
        let root = try CertificateAuthority.createRoot(trustDomain: "cluster.local", now: Self.now - 3600)
        authority = try root.createIntermediate(trustDomain: "cluster.local", now: Self.now - 3600)
        serverIdentity = try Self.identity("db")
        clientIdentity = try Self.identity("web")
        server = try TLSContext(
            role: .server, credential: authority.credential(for: serverIdentity, now: Self.now, lifetime: 3600))
        client = try TLSContext(
            role: .client, credential: authority.credential(for: clientIdentity, now: Self.now, lifetime: 3600))
    }

    private static func identity(_ account: String) throws -> SPIFFEID {
        guard let identity = SPIFFEID(trustDomain: "cluster.local", namespace: "shop", serviceAccount: account) else {
            throw CertificateFailure.identity(account)
        }
        return identity
    }
}
