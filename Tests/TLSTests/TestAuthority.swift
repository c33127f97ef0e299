// SPDX-License-Identifier: Apache-2.0

import Bytes
import TLS

/// A root, an intermediate, and every kind of certificate under them, at a time of its own: no test depends on the clock of the machine.
struct TestAuthority {
    /// What "now" is, in Unix seconds.
    static let now: Int64 = 1_800_000_000
    static let hour: Int64 = 3600

    let root: CertificateAuthority
    let intermediate: CertificateAuthority

    init(trustDomain: String = "cluster.local", now: Int64 = TestAuthority.now) throws {
        root = try CertificateAuthority.createRoot(trustDomain: trustDomain, now: now - Self.hour)
        intermediate = try root.createIntermediate(trustDomain: trustDomain, now: now - Self.hour)
    }

    static func identity(_ account: String, trustDomain: String = "cluster.local") throws -> SPIFFEID {
        guard let identity = SPIFFEID(trustDomain: trustDomain, namespace: "shop", serviceAccount: account) else {
            throw CertificateFailure.identity(account)
        }
        return identity
    }

    func credential(_ account: String, trustDomain: String = "cluster.local") throws -> Credential {
        try intermediate.credential(
            for: Self.identity(account, trustDomain: trustDomain), now: Self.now, lifetime: 24 * Self.hour)
    }

    /// What a good workload has, for a peer that isn't ours.
    func papers(_ account: String) throws -> Papers {
        try papers(change: { $0.alternativeNames = [.uri(Array("spiffe://cluster.local/ns/shop/sa/\(account)".utf8))] })
    }

    /// What a workload has after a change, good or bad.
    func papers(_ algorithm: PrivateKey.Algorithm = .p256, change: (inout CertificateProfile) -> Void) throws -> Papers {
        let key = PrivateKey.generate(algorithm)
        var profile = CertificateProfile.workload(
            try Self.identity("web"), notBefore: Self.now - Self.hour, notAfter: Self.now + Self.hour)
        change(&profile)
        let leaf = try intermediate.sign(profile, for: key.publicKey)
        return Papers(key: key.pem, chain: ([leaf] + intermediate.intermediates).pem)
    }
}

/// A key and a chain in PEM, for a peer that isn't ours.
struct Papers {
    let key: [UInt8]
    let chain: [UInt8]
}

extension TestAuthority {
    static func webProfile() throws -> CertificateProfile {
        .workload(try identity("web"), notBefore: now - hour, notAfter: now + hour)
    }
}

extension CertificateAuthority {
    /// What a workload has that this authority signs, however long itself is valid.
    func papers() throws -> Papers {
        let workload = PrivateKey.generate()
        let leaf = try sign(TestAuthority.webProfile(), for: workload.publicKey)
        return Papers(key: workload.pem, chain: ([leaf] + intermediates).pem)
    }
}
