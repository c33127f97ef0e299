// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Kernel
import Support
import TLS
import Testing

@testable import ControlPlane

/// Changing the keys of an authority with overlap.
@Suite struct AuthorityRotationTests {
    static let now = JoiningFixture.now
    static let day: Int64 = 86_400
    let folder: String

    init() throws { folder = try Files.makeTemporaryFolder() }

    func open() throws -> Authority { try Authority.open(directory: "\(folder)/ca", trustDomain: "cluster.local", now: Self.now) }

    func refusal(_ authority: Authority, _ step: RotationStep, _ now: Int64) -> String? {
        do throws(AuthorityFailure) {
            try authority.rotate(step, now: now)
            return nil
        } catch { return error.description }
    }

    /// A workload's credential as it stands then.
    func workload(_ authority: Authority, _ now: Int64) throws -> Credential {
        let key = PrivateKey.generate()
        let name = CertifiedName.workload(try #require(SPIFFEID("spiffe://cluster.local/ns/shop/sa/web")))
        let issued = try authority.issue(name, publicKey: key.publicKey, now: now)
        return try Credential(key: key, chain: issued.chain, roots: issued.roots)
    }

    /// Whether each trusts the other.
    func meet(_ a: Credential, _ b: Credential) -> Bool {
        let trusts = { (one: Credential, other: Credential) in
            one.roots.contains { other.intermediates.last?.isSigned(by: $0) == true }
        }
        return trusts(a, b) && trusts(b, a)
    }

    @Test func `a change of the root cuts nobody who renews in time`() throws {
        defer { Files.remove(folder) }
        let authority = try open()
        let before = authority.rootDigest
        let old = try workload(authority, Self.now)
        try authority.rotate(.introduceRoot, now: Self.now)
        #expect(authority.roots.count == 2 && authority.rootDigest == before)
        let informed = try workload(authority, Self.now + Self.day / 2)
        #expect(meet(old, informed))
        #expect(refusal(authority, .useRoot, Self.now + Self.day - 1)?.contains("must wait until") == true)
        // By then whoever has a valid certificate has the second root with it.
        try authority.rotate(.useRoot, now: Self.now + Self.day)
        #expect(authority.rootDigest != before && authority.roots.count == 2)
        let new = try workload(authority, Self.now + Self.day)
        #expect(meet(informed, new) && new.intermediates.count == 1)
        #expect(refusal(authority, .dropRoot, Self.now + 2 * Self.day - 1)?.contains("must wait until") == true)
        try authority.rotate(.dropRoot, now: Self.now + 2 * Self.day)
        #expect(authority.roots.count == 1)
        #expect(meet(new, try workload(authority, Self.now + 2 * Self.day)))
        #expect(
            try File.names(in: "\(folder)/ca") == [
                "authority.json", "intermediate-4.key", "intermediate-4.pem", "lock", "root-3.key", "root-3.pem",
            ])
    }

    @Test func `each step survives a restart`() throws {
        defer { Files.remove(folder) }
        for (step, after) in zip([RotationStep.introduceRoot, .useRoot, .intermediate, .dropRoot, .intermediate], 1...) {
            let digest: String
            let certificate: Certificate
            do {
                let authority = try open()
                try authority.rotate(step, force: true, now: Self.now + Int64(after))
                (digest, certificate) = (authority.rootDigest, authority.signer.certificate)
            }
            let again = try open()
            #expect(again.rootDigest == digest && again.signer.certificate == certificate, "\(step)")
        }
    }

    @Test func `steps out of turn are refused and change nothing`() throws {
        defer { Files.remove(folder) }
        let authority = try open()
        for step in [RotationStep.useRoot, .dropRoot, .abandonRoot] {
            #expect(refusal(authority, step, Self.now)?.contains("introduce-root begins one") == true)
        }
        try authority.rotate(.introduceRoot, now: Self.now)
        #expect(refusal(authority, .introduceRoot, Self.now)?.contains("use-root or abandon-root follows") == true)
        try authority.rotate(.abandonRoot, now: Self.now)
        #expect(authority.roots.count == 1)
        try authority.rotate(.introduceRoot, now: Self.now)
        try authority.rotate(.useRoot, force: true, now: Self.now)
        #expect(refusal(authority, .abandonRoot, Self.now)?.contains("drop-root follows") == true)
    }

    @Test func `a step that can't be written leaves what was there`() throws {
        defer { Files.remove(folder) }
        let authority = try open()
        let certificate = authority.signer.certificate
        try File.makeDirectory("\(folder)/ca/intermediate-3.pem/held", mode: 0o700)
        #expect(refusal(authority, .intermediate, Self.now)?.contains("can't be written") == true)
        #expect(authority.signer.certificate == certificate)
        Files.remove("\(folder)/ca/intermediate-3.pem")
        // A root whose key was taken away can't sign, and says so.
        try File.remove("\(folder)/ca/root-1.key")
        #expect(refusal(authority, .intermediate, Self.now)?.contains("root-1.key can't be read") == true)
        #expect(authority.signer.certificate == certificate)
    }

    @Test func `the intermediate renews itself when two thirds of its time are over`() throws {
        defer { Files.remove(folder) }
        let authority = try open()
        let first = authority.signer.certificate
        let told = Flag()
        authority.observe { told.set() }
        #expect(try authority.upkeep(now: Self.now + 200 * Self.day) == false)
        #expect(!told.isSet)
        #expect(try authority.upkeep(now: Self.now + 250 * Self.day))
        #expect(told.isSet && authority.signer.certificate != first)
        #expect(authority.signer.certificate.notAfter > first.notAfter)
    }

    @Test func `the state says what comes next`() throws {
        defer { Files.remove(folder) }
        let authority = try open()
        try authority.rotate(.introduceRoot, now: Self.now)
        let status = authority.status(now: Self.now)
        #expect(status["phase"]?.stringValue == "introduced" && status["roots"]?.sequenceValue?.count == 2)
        #expect(status["roots"]?.sequenceValue?.map { $0["signs"]?.boolValue } == [true, false])
        #expect(!status.json.contains("PRIVATE"))
    }

    // MARK: - Files of others

    /// Root, issuing certificate and its key, as `warren ca init` makes them; the root's key is elsewhere.
    private func writeFiles() throws -> CertificateAuthority {
        let root = try CertificateAuthority.createRoot(trustDomain: "cluster.local", now: Self.now)
        let issuing = try root.createIntermediate(trustDomain: "cluster.local", now: Self.now)
        try File.replace("\(folder)/root.pem", with: root.roots.pem, mode: 0o644)
        try File.replace("\(folder)/issuing.pem", with: issuing.certificate.pem, mode: 0o644)
        try File.replace("\(folder)/issuing.key", with: issuing.key.pem, mode: 0o600)
        return issuing
    }

    private func openFiles() throws -> Authority {
        try Authority.files(
            certificate: "\(folder)/issuing.pem", key: "\(folder)/issuing.key", roots: "\(folder)/root.pem",
            directory: "\(folder)/ca", trustDomain: "cluster.local", now: Self.now)
    }

    @Test func `an authority that was given as files is adopted, and its root changed`() throws {
        defer { Files.remove(folder) }
        let given = try writeFiles()
        let digest: String
        do {
            let authority = try openFiles()
            let old = try workload(authority, Self.now)
            #expect(refusal(authority, .introduceRoot, Self.now)?.contains("`adopt` makes it the control plane's own") == true)
            try authority.rotate(.adopt, now: Self.now)
            #expect(authority.signer.certificate == given.certificate && authority.roots == given.roots)
            #expect(refusal(authority, .adopt, Self.now)?.contains("own already") == true)
            #expect(refusal(authority, .intermediate, Self.now)?.contains("was never given to the control plane") == true)
            // Nobody can renew it, and nobody is told so each minute.
            #expect(try authority.upkeep(now: Self.now + 300 * Self.day) == false)
            #expect(meet(old, try workload(authority, Self.now)))
        }
        do {
            // The files still stand in the configuration, and what was adopted from them counts.
            let authority = try openFiles()
            #expect(authority.signer.certificate == given.certificate)
            try authority.rotate(.introduceRoot, now: Self.now)
            try authority.rotate(.useRoot, now: Self.now + Self.day)
            let informed = try workload(authority, Self.now + Self.day)
            try authority.rotate(.dropRoot, now: Self.now + 2 * Self.day)
            #expect(authority.roots.count == 1 && Set(authority.roots).isDisjoint(with: given.roots))
            #expect(meet(informed, try workload(authority, Self.now + 2 * Self.day)))
            digest = authority.rootDigest
        }
        for name in ["issuing.pem", "issuing.key", "root.pem"] { Files.remove("\(folder)/\(name)") }
        #expect(try openFiles().rootDigest == digest, "the files may go")
        // Other files are another wish.
        let other = try writeFiles()
        #expect(try openFiles().signer.certificate == other.certificate)
        #expect(refusal(try openFiles(), .adopt, Self.now)?.contains("holds an authority already") == true)
    }

    @Test func `an adoption that was cut short begins anew`() throws {
        defer { Files.remove(folder) }
        let given = try writeFiles()
        do {
            let authority = try openFiles()
            try File.makeDirectory("\(folder)/ca", mode: 0o700)
            try File.makeDirectory("\(folder)/ca/intermediate-2.pem/held", mode: 0o700)
            #expect(refusal(authority, .adopt, Self.now)?.contains("can't be written") == true)
            #expect(authority.signer.certificate == given.certificate)
        }
        Files.remove("\(folder)/ca/intermediate-2.pem")
        try openFiles().rotate(.adopt, now: Self.now)
        #expect(try openFiles().status(now: Self.now)["source"]?.stringValue == "directory")
    }
}

/// Set by one thread, read by another.
final class Flag: Sendable {
    private let value = FakeClock(0)
    func set() { value.seconds = 1 }
    var isSet: Bool { value.seconds == 1 }
}
