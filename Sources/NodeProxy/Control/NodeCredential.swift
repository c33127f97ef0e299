// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Kernel
internal import TLS

/// What a host proves itself with to its control plane, and whom it takes for one: the content of `control.directory`. Immutable.
struct NodeCredential: Sendable {
    let key: PrivateKey
    /// Leaf first, then intermediates.
    let chain: [Certificate]
    let roots: [Certificate]
    let identity: NodeIdentity

    var leaf: Certificate { chain[0] }
    /// Until when all of the chain is valid, in Unix seconds.
    var notAfter: Int64 { chain.reduce(Int64.max) { min($0, $1.notAfter) } }

    /// SHA-256 of the public key, in hexadecimal digits: another one after each joining.
    var keyDigest: String { key.publicKey.fingerprint.description }

    /// Who a control plane of this mesh is.
    var controlPlane: SPIFFEID? {
        SPIFFEID(trustDomain: identity.trustDomain, namespace: "warren-system", serviceAccount: "warren-control")
    }

    init(key: PrivateKey, chain: [Certificate], roots: [Certificate]) throws(ControlFailure) {
        guard let leaf = chain.first else { throw ControlFailure("there is no certificate") }
        guard let publicKey = leaf.publicKey, key.matches(publicKey) else {
            throw ControlFailure("the certificate isn't that of the key")
        }
        guard case .node(let identity)? = leaf.certifiedName else {
            throw ControlFailure("the certificate names no host (spiffe://TRUST-DOMAIN/node/NAME)")
        }
        guard Self.leads(chain, to: roots) else { throw ControlFailure("the certificate doesn't lead to any of the roots") }
        self.key = key
        self.chain = chain
        self.roots = roots
        self.identity = identity
    }

    /// Whether each certificate of the chain is signed by the next and the last by a root. Dates aren't looked at.
    static func leads(_ chain: [Certificate], to roots: [Certificate]) -> Bool {
        var below: Certificate?
        for certificate in chain {
            if let below, !below.isSigned(by: certificate) { return false }
            if roots.contains(where: { $0 == certificate || certificate.isSigned(by: $0) }) { return true }
            below = certificate
        }
        return false
    }

    /// Half of the lifetime, and up to a tenth of it later by chance, so that hosts that were set up together don't come together.
    var renewal: Int64 { Self.renewal(notBefore: leaf.notBefore, notAfter: notAfter, chance: randomFraction()) }

    static func renewal(notBefore: Int64, notAfter: Int64, chance: Double) -> Int64 {
        let issued = notBefore + CertificateAuthority.backdating
        let lifetime = Double(max(2, notAfter - issued))
        return issued + Int64(lifetime * (0.5 + 0.1 * chance))
    }
}

/// From 0 up to 1, by chance.
func randomFraction() -> Double {
    Double(randomBytes(4).reduce(0 as UInt32) { $0 << 8 | UInt32($1) }) / 4_294_967_296
}

/// Why something that takes a control plane isn't possible, in words for people.
struct ControlFailure: Error, Hashable, Sendable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// `control.directory`: made by `warren join`, or for what istiod tells. Blocking; run as an errand.
struct NodeDirectory: Sendable {
    let path: String

    private static let limit = Certificate.maximumFile

    func load() -> Result<NodeCredential, ControlFailure> {
        do throws(ControlFailure) {
            let (key, chain, roots) = (try readKey(), try read("certificate.pem"), try read("roots.pem"))
            do throws(CertificateFailure) {
                let (key, chain) = (try PrivateKey(pem: key), try Certificate.chain(pem: chain))
                let roots = try Certificate.roots(pem: roots)
                do throws(ControlFailure) {
                    return .success(try NodeCredential(key: key, chain: chain, roots: roots))
                } catch { return .failure(ControlFailure("\(path): \(error)")) }
            } catch { throw ControlFailure("what lies in \(path) can't be used: \(error)") }
        } catch { return .failure(error) }
    }

    /// For a client of istiod, which mustn't be a member of another mesh at the same time: the roots that its workloads had last, and istiod's before
    /// the first.
    func prepareForIstiod(_ settings: IstiodSettings) -> Result<[Certificate], ControlFailure> {
        for name in ["key.pem", "certificate.pem"] where (try? File.status("\(path)/\(name)")) != nil {
            return .failure(
                ControlFailure(
                    "control.istiod.token makes this host a client of istiod, but \(path)/\(name) makes it a member of another mesh:"
                        + " run `warren leave`, or remove control.istiod"))
        }
        do throws(Errno) { try File.makeDirectory(path, mode: 0o700) } catch {
            return .failure(ControlFailure("\(path), where the mesh is to be kept, can't be made: \(error)"))
        }
        guard let pem = try? File.read("\(path)/roots.pem", limit: Self.limit) else { return IstiodRoots.read(settings.roots) }
        do throws(CertificateFailure) {
            return .success(try Certificate.roots(pem: pem))
        } catch {
            return .failure(ControlFailure("\(path)/roots.pem can't be used: \(error). Remove it: istiod tells the roots again"))
        }
    }

    private func read(_ name: String) throws(ControlFailure) -> [UInt8] {
        do throws(Errno) { return try File.read("\(path)/\(name)", limit: Self.limit) } catch {
            throw ControlFailure("\(path)/\(name) can't be read: \(error). `warren join` makes it")
        }
    }

    private func readKey() throws(ControlFailure) -> [UInt8] {
        do throws(PrivateFile.Fault) { return try PrivateFile.read("\(path)/key.pem", limit: Self.limit) } catch {
            let remedy = if case .unreadable = error { ". `warren join` makes it" } else { "" }
            throw ControlFailure(error.sentence("\(path)/key.pem") + remedy)
        }
    }

    /// A renewed certificate. The key stays: it and the certificate are two files, and a power cut between two writes would lock the host out.
    func save(certificate chain: [Certificate]) throws(Errno) {
        try File.replace("\(path)/certificate.pem", with: chain.pem, mode: 0o600)
    }

    func save(roots: [Certificate]) throws(Errno) { try File.replace("\(path)/roots.pem", with: roots.pem, mode: 0o644) }
}
