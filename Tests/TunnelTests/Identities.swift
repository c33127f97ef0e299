// SPDX-License-Identifier: Apache-2.0

import Bytes
import TLS

/// Two workloads under one authority, at a time of their own: no test depends on the clock of the machine.
struct Identities {
    /// What "now" is for certificates, in Unix seconds.
    static let now: Int64 = 1_800_000_000
    static let hour: Int64 = 3600

    let web: Credential
    let db: Credential
    let client: TLSContext
    let server: TLSContext

    private static let made = Result { try Identities() }
    static func shared() throws -> Identities { try made.get() }

    private init() throws {
        let root = try CertificateAuthority.createRoot(trustDomain: "cluster.local", now: Self.now - Self.hour)
        let authority = try root.createIntermediate(trustDomain: "cluster.local", now: Self.now - Self.hour)
        web = try authority.credential(for: Self.identity("web"), now: Self.now, lifetime: 24 * Self.hour)
        db = try authority.credential(for: Self.identity("db"), now: Self.now, lifetime: 12 * Self.hour)
        client = try TLSContext(role: .client, credential: web)
        server = try TLSContext(role: .server, credential: db)
    }

    static func identity(_ account: String) throws -> SPIFFEID {
        guard let identity = SPIFFEID(trustDomain: "cluster.local", namespace: "shop", serviceAccount: account) else {
            throw CertificateFailure.identity(account)
        }
        return identity
    }

    /// web's end of a session with db, or with whom is named.
    func connecting(expecting account: String = "db") throws -> TLSSession {
        TLSSession(connecting: client, expecting: [try Self.identity(account)], now: Self.now)
    }

    /// db's end.
    func accepting() -> TLSSession { TLSSession(accepting: server, now: Self.now) }
}
