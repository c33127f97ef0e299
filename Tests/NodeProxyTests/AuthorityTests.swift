// SPDX-License-Identifier: Apache-2.0

import Bytes
import Daemon
import Kernel
import Support
import TLS
import Testing

@testable import NodeProxy

/// The CA on disk, what it issues, and what is kept of that.
@Suite struct AuthorityTests {
    /// A folder with a CA in it; removed with the value.
    private final class Place {
        let folder: String
        var configuration = DaemonConfiguration(node: "node-1")

        init(_ authority: TestAuthority, persist: IdentitySettings.Persistence = .run) throws {
            folder = try Files.makeTemporaryFolder()
            configuration.runDirectory = "\(folder)/run"
            configuration.identity.directory = "\(folder)/disk"
            configuration.identity.persist = persist
            configuration.identity.ca.certificate = "\(folder)/ca.pem"
            configuration.identity.ca.key = "\(folder)/ca-key.pem"
            configuration.identity.ca.roots = "\(folder)/roots.pem"
            try install(authority)
        }

        deinit { Files.remove(folder) }

        func install(_ authority: TestAuthority) throws {
            let chain = [authority.issuing.certificate] + authority.issuing.intermediates.dropFirst()
            try File.replace("\(folder)/ca.pem", with: chain.flatMap(\.pem), mode: 0o644)
            try File.replace("\(folder)/ca-key.pem", with: authority.issuing.key.pem, mode: 0o600)
            try File.replace("\(folder)/roots.pem", with: authority.root.certificate.pem, mode: 0o644)
        }

        func load() throws -> Authority { try Authority.load(configuration).get() }

        /// What a daemon that starts now serves for the account.
        func start(_ account: String = "web") throws -> Credential { try load().credential(account) }

        func path(_ account: String = "web") throws -> String {
            let folder = configuration.identity.persist == .disk ? "\(folder)/disk" : "\(folder)/run/identity"
            let names = try File.names(in: folder).filter { $0.hasSuffix("\(account).pem") }
            return "\(folder)/\(try #require(names.first))"
        }

        /// As if this had been kept by a daemon before.
        func keep(_ credential: Credential, mode: UInt32 = 0o600) throws {
            let pem = credential.key.pem + credential.leaf.pem + credential.intermediates.pem
            try File.replace(path(), with: pem, mode: mode)
        }
    }

    // MARK: - The CA

    @Test(arguments: ["ca.pem", "ca-key.pem", "roots.pem"]) func `a CA that lacks a file is refused by its name, with the remedy`(
        _ name: String
    ) throws {
        let place = try Place(TestAuthority())
        Files.remove("\(place.folder)/\(name)")
        let failure = #expect(throws: AuthorityFailure.self) { try place.load() }
        #expect(failure?.description.contains("\(place.folder)/\(name)") == true)
        #expect(failure?.description.contains("warren ca init") == true)
    }

    @Test(arguments: ["ca.pem", "ca-key.pem", "roots.pem"]) func `a CA with a damaged file is refused`(_ name: String) throws {
        let place = try Place(TestAuthority())
        for text in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            try File.replace("\(place.folder)/\(name)", with: Array(text.utf8), mode: 0o600)
            let failure = #expect(throws: AuthorityFailure.self) { try place.load() }
            #expect(failure?.description.contains("can't be used") == true)
        }
    }

    @Test func `a file of no sensible size is refused before it is read`() throws {
        let place = try Place(TestAuthority())
        try File.replace("\(place.folder)/roots.pem", with: [UInt8](repeating: 0x41, count: 8 << 20), mode: 0o644)
        let failure = #expect(throws: AuthorityFailure.self) { try place.load() }
        #expect(failure?.description.contains("roots.pem") == true)
    }

    @Test(arguments: [UInt32(0o644), 0o640, 0o660, 0o604])
    func `a CA key that others may read is refused with the command that helps`(_ mode: UInt32) throws {
        let authority = try TestAuthority()
        let place = try Place(authority)
        try File.replace("\(place.folder)/ca-key.pem", with: authority.issuing.key.pem, mode: mode)
        let failure = #expect(throws: AuthorityFailure.self) { try place.load() }
        #expect(failure?.description.contains("chmod 600 \(place.folder)/ca-key.pem") == true)
    }

    @Test func `another CA's key is refused`() throws {
        let place = try Place(TestAuthority())
        try File.replace("\(place.folder)/ca-key.pem", with: try TestAuthority().issuing.key.pem, mode: 0o600)
        #expect(throws: AuthorityFailure.self) { try place.load() }
    }

    @Test func `a CA that is over, or not yet begun, issues nothing and says so`() throws {
        let now = WallTime.now().seconds
        for begun in [now - 800 * 86_400, now + 86_400] {
            let place = try Place(TestAuthority(now: begun))
            let failure = #expect(throws: AuthorityFailure.self) { try place.start() }
            #expect(failure?.description.contains("spiffe://cluster.local/ns/shop/sa/web") == true)
        }
    }

    @Test func `two readings of the same CA are equal, and of another aren't`() throws {
        let place = try Place(TestAuthority())
        let first = try place.load()
        #expect(try place.load() == first)
        try place.install(TestAuthority())
        #expect(try place.load() != first)
    }

    // MARK: - What it issues

    @Test func `I11 a certificate begins five minutes ago and lasts as configured, never longer than its CA`() throws {
        let place = try Place(TestAuthority())
        place.configuration.identity.lifetime = .seconds(3600)
        let before = WallTime.now().seconds
        let credential = try place.start()
        #expect(abs(credential.notBefore - (before - 300)) <= 2)
        #expect(abs(credential.notAfter - (before + 3600)) <= 2)
        #expect(credential.identity == (try TestNode.identity("web")))

        let begun = before - 364 * 86_400
        let short = try Place(TestAuthority(now: begun))
        #expect(try short.start().notAfter == begun + 365 * 86_400, "the intermediate's last day is the certificate's")
    }

    @Test(arguments: [(Int64(3600), Int64(1800)), (10, 5), (1, 1), (86_400, 43_200)])
    func `I11 renewal is due at half of the lifetime, the time before issue not counted`(_ lifetime: Int64, _ half: Int64) throws
    {
        let now: Int64 = 1_800_000_000
        let credential = try TestAuthority(now: now - 86_400).credential("web", now: now, lifetime: lifetime)
        #expect(Authority.renewal(of: credential) == now + half)
    }

    @Test func `I10 every certificate has a key of its own`() throws {
        let place = try Place(TestAuthority())
        let authority = try place.load()
        let all = try (0..<3).map { _ in try authority.credential(for: TestNode.identity("web"), renew: true).get().credential }
        let others = [try authority.credential("db"), try authority.credential("api")]
        let keys = Set((all + others).map { $0.key.pem })
        #expect(keys.count == 5)
        #expect(Set((all + others).map(\.serial)).count == 5)
    }

    // MARK: - Kept keys

    @Test(arguments: [IdentitySettings.Persistence.run, .disk])
    func `I10 a restarted daemon serves with the key that was kept, readable by nobody else`(
        _ persist: IdentitySettings.Persistence
    ) throws {
        let place = try Place(TestAuthority(), persist: persist)
        let first = try place.start()
        let second = try place.start()
        #expect(second.serial == first.serial)
        #expect(second.key.pem == first.key.pem)
        let status = try File.status(place.path(), followLink: false)
        #expect(status.kind == .file)
        #expect(status.mode == 0o600)
        let folder = try place.path().split(separator: "/").dropLast().joined(separator: "/")
        #expect(try File.status("/\(folder)").mode == 0o700)
        #expect(Files.exists("\(place.folder)/disk") == (persist == .disk))
        #expect(Files.exists("\(place.folder)/run") == (persist == .run))
    }

    @Test func `I10 where keys aren't kept none is written anywhere`() throws {
        let place = try Place(TestAuthority(), persist: .never)
        let before = try Files.walk(place.folder)
        let first = try place.start()
        #expect(try place.start().serial != first.serial)
        #expect(try Files.walk(place.folder) == before)
    }

    @Test func `I10 a renewed certificate takes the kept one's place`() throws {
        let place = try Place(TestAuthority())
        let first = try place.start()
        let renewed = try place.load().credential(for: TestNode.identity("web"), renew: true).get().credential
        #expect(renewed.serial != first.serial)
        #expect(try place.start().serial == renewed.serial)
    }

    @Test(arguments: [UInt32(0o644), 0o640, 0o602])
    func `I10 a kept key that others could read or write isn't used, and is replaced`(_ mode: UInt32) throws {
        let authority = try TestAuthority()
        let place = try Place(authority)
        _ = try place.start()
        let loose = try authority.credential("web")
        try place.keep(loose, mode: mode)
        let fresh = try place.start()
        #expect(fresh.serial != loose.serial)
        #expect(try File.status(place.path()).mode == 0o600)
        #expect(try place.start().serial == fresh.serial)
    }

    @Test func `I10 a kept key behind a link isn't used, and what the link names stays as it is`() throws {
        let authority = try TestAuthority()
        let place = try Place(authority)
        _ = try place.start()
        let other = try authority.credential("web")
        try place.keep(other)
        let elsewhere = "\(place.folder)/elsewhere.pem"
        let bytes = try Files.read(place.path())
        try File.replace(elsewhere, with: bytes, mode: 0o600)
        let path = try place.path()
        Files.remove(path)
        try Files.link(path, to: elsewhere)
        #expect(try place.start().serial != other.serial)
        #expect(try Files.read(elsewhere) == bytes)
        #expect(try File.status(place.path(), followLink: false).kind == .file)
    }

    /// Seconds from now to the issue of the kept certificate, and its lifetime.
    @Test(arguments: [(Int64(-86_400), Int64(86_400)), (-50_000, 86_400), (-43_201, 86_400), (-10, 20), (-700_000, 86_400)])
    func `I10 I11 a kept certificate that is expired or half used up isn't used`(_ offset: Int64, _ lifetime: Int64) throws {
        let authority = try TestAuthority(now: WallTime.now().seconds - 30 * 86_400)
        let place = try Place(authority)
        _ = try place.start()
        let old = try authority.credential("web", now: WallTime.now().seconds + offset, lifetime: lifetime)
        try place.keep(old)
        let fresh = try place.start()
        #expect(fresh.serial != old.serial)
        #expect(fresh.notAfter > WallTime.now().seconds + 80_000)
    }

    @Test(arguments: [Int64(3600), Int64(172_800)])
    func `I11 after a clock that went back by an hour or two days what isn't valid yet isn't used`(_ jump: Int64) throws {
        let authority = try TestAuthority()
        let place = try Place(authority)
        _ = try place.start()
        let future = try authority.credential("web", now: WallTime.now().seconds + jump)
        try place.keep(future)
        let fresh = try place.start()
        #expect(fresh.serial != future.serial)
        #expect(fresh.notBefore <= WallTime.now().seconds)
    }

    @Test func `I11 a clock that is a few minutes off spoils no kept key`() throws {
        let authority = try TestAuthority()
        let place = try Place(authority)
        _ = try place.start()
        for offset: Int64 in [-240, 240] {
            let kept = try authority.credential("web", now: WallTime.now().seconds + offset)
            try place.keep(kept)
            #expect(try place.start().serial == kept.serial)
        }
    }

    @Test(arguments: [true, false]) func `I10 what another CA issued isn't used`(_ hasIntermediate: Bool) throws {
        let place = try Place(TestAuthority(hasIntermediate: hasIntermediate))
        let first = try place.start()
        #expect(try place.start().serial == first.serial)
        // The same names, other keys: only the signature tells.
        for other in [try TestAuthority(hasIntermediate: hasIntermediate), try TestAuthority(hasIntermediate: !hasIntermediate)] {
            let foreign = try other.credential("web")
            try place.keep(foreign)
            #expect(try place.start().serial != foreign.serial)
        }
    }

    @Test func `I10 after an exchange of the intermediate what the old one issued isn't used`() throws {
        let old = try TestAuthority()
        let place = try Place(old)
        let first = try place.start()
        let issuing = try old.root.createIntermediate(trustDomain: "cluster.local", now: WallTime.now().seconds - 60)
        try place.install(TestAuthority(root: old.root, issuing: issuing))
        let second = try place.start()
        #expect(second.serial != first.serial)
        #expect(second.intermediates == [issuing.certificate])
    }

    @Test func `I10 another workload's key isn't used, whatever its file is called`() throws {
        let authority = try TestAuthority()
        let place = try Place(authority)
        _ = try place.start()
        let db = try authority.credential("db")
        try place.keep(db)
        let credential = try place.start()
        #expect(credential.identity == (try TestNode.identity("web")))
        #expect(credential.serial != db.serial)
    }

    @Test(arguments: ["", "rubbish", "half"]) func `a damaged kept key is replaced`(_ damage: String) throws {
        let place = try Place(TestAuthority())
        let first = try place.start()
        let bytes = try Files.read(place.path())
        let path = try place.path()
        try File.replace(path, with: damage == "half" ? Array(bytes.prefix(bytes.count / 2)) : Array(damage.utf8), mode: 0o600)
        let second = try place.start()
        #expect(second.serial != first.serial)
        #expect(try place.start().serial == second.serial)
    }

    @Test func `identities whose names run together have files of their own`() throws {
        let place = try Place(TestAuthority())
        let authority = try place.load()
        let names = [("a_b", "c"), ("a", "b_c"), ("a.b", "c"), ("a-b", "c")]
        let identities = try names.map { namespace, account in try TestNode.identity(account, namespace: namespace) }
        let first = try identities.map { try authority.credential(for: $0, renew: false).get().credential.serial }
        #expect(try identities.map { try authority.credential(for: $0, renew: false).get().credential.serial } == first)
        authority.forget(identities[0])
        #expect(try File.names(in: "\(place.folder)/run/identity").count == 3)
    }

    @Test func `a key is forgotten with its workload`() throws {
        let place = try Place(TestAuthority())
        let first = try place.start()
        try place.load().forget(TestNode.identity("web"))
        #expect(try File.names(in: "\(place.folder)/run/identity") == [])
        #expect(try place.start().serial != first.serial)
        try place.load().forget(TestNode.identity("never-there"))
    }

    @Test func `where nothing can be written a workload is served all the same`() throws {
        let place = try Place(TestAuthority())
        // A file where the folder should be.
        try Files.makeFolder("\(place.folder)/run")
        try Files.write("in the way", to: "\(place.folder)/run/identity")
        #expect(try place.start().identity == TestNode.identity("web"))
    }
}

extension Authority {
    fileprivate func credential(_ account: String) throws -> Credential {
        try credential(for: TestNode.identity(account), renew: false).get().credential
    }
}

extension TestAuthority {
    fileprivate init(root: CertificateAuthority, issuing: CertificateAuthority) {
        self.root = root
        self.issuing = issuing
    }
}
