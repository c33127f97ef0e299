// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Kernel
internal import TLS

/// The CA on this host's disk, and what was issued by it. Blocking (files, signing): run as errands. Immutable.
struct Authority: CredentialSource, Equatable {
    private let authority: CertificateAuthority
    private let settings: IdentitySettings
    private let runDirectory: String

    /// The same signing certificate and the same trusted roots.
    static func == (a: Authority, b: Authority) -> Bool {
        a.authority.certificate == b.authority.certificate && a.authority.roots == b.authority.roots
    }

    /// Bytes of a PEM file that is read at most.
    private static let limit = Certificate.maximumFile

    static func load(_ configuration: DaemonConfiguration) -> Result<Authority, AuthorityFailure> {
        let paths = configuration.identity.ca
        do throws(AuthorityFailure) {
            let certificate = try read(paths.certificate)
            let key = try readKey(paths.key)
            let roots = try read(paths.roots)
            let authority: CertificateAuthority
            do throws(CertificateFailure) {
                authority = try CertificateAuthority(
                    key: PrivateKey(pem: key), chain: Certificate.chain(pem: certificate), roots: Certificate.roots(pem: roots))
            } catch {
                throw AuthorityFailure("the CA in \(paths.certificate), \(paths.key) and \(paths.roots) can't be used: \(error)")
            }
            return .success(
                Authority(authority: authority, settings: configuration.identity, runDirectory: configuration.runDirectory))
        } catch {
            return .failure(error)
        }
    }

    private static func read(_ path: String) throws(AuthorityFailure) -> [UInt8] {
        do throws(Errno) {
            return try File.read(path, limit: limit)
        } catch {
            throw AuthorityFailure("\(path) can't be read: \(error). `warren ca init` makes a CA")
        }
    }

    private static func readKey(_ path: String) throws(AuthorityFailure) -> [UInt8] {
        do throws(PrivateFile.Fault) { return try PrivateFile.read(path, limit: limit) } catch {
            let remedy = if case .unreadable = error { ". `warren ca init` makes a CA" } else { "" }
            throw AuthorityFailure(error.sentence(path) + remedy)
        }
    }

    /// The certificate of a workload: a kept one if it is good for a while, else a new one with a fresh key (I10).
    func credential(for identity: SPIFFEID, renew: Bool) -> Result<WorkloadCredential, AuthorityFailure> {
        if !renew, let kept = kept(identity) { return wrap(kept) }
        do throws(CertificateFailure) {
            let lifetime = Int64(settings.lifetime.nanoseconds / 1_000_000_000)
            let credential = try authority.credential(for: identity, now: WallTime.now().seconds, lifetime: lifetime)
            shelf.keep(credential)
            return wrap(credential)
        } catch {
            return .failure(AuthorityFailure("no certificate for \(identity): \(error)"))
        }
    }

    private func wrap(_ credential: Credential) -> Result<WorkloadCredential, AuthorityFailure> {
        do throws(CertificateFailure) {
            return .success(try WorkloadCredential(credential))
        } catch {
            return .failure(AuthorityFailure("the certificate of \(credential.identity) can't be used: \(error)"))
        }
    }

    // MARK: - Kept keys

    private var shelf: CredentialShelf { CredentialShelf(settings, runDirectory: runDirectory) }

    /// Good means: of this authority's roots, for this identity, and less than half used up.
    private func kept(_ identity: SPIFFEID) -> Credential? {
        guard let credential = shelf.kept(identity, roots: authority.roots), credential.leaf.isSigned(by: authority.certificate)
        else { return nil }
        let now = WallTime.now().seconds
        return credential.notBefore <= now && now < Self.renewal(of: credential) ? credential : nil
    }

    /// The workload left for good: its key goes too.
    func forget(_ identity: SPIFFEID) { shelf.forget(identity) }

    /// Half of the lifetime, by wall time; the time before issue that tolerates slow clocks doesn't count.
    static func renewal(of credential: Credential) -> Int64 {
        let issued = credential.notBefore + CertificateAuthority.backdating
        return issued + max(1, (credential.notAfter - issued) / 2)
    }
}

/// What gives a workload its certificate, in an errand.
protocol CredentialSource: Sendable {
    func credential(for identity: SPIFFEID, renew: Bool) -> Result<WorkloadCredential, AuthorityFailure>
}

struct AuthorityFailure: Error, Sendable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
