// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import Kernel
internal import Synchronization
package import TLS

/// How long what the authority signs is good for, in seconds.
package struct AuthoritySettings: Hashable, Sendable {
    /// At most, and where nothing is asked for. Istio's agents ask for a day.
    package var workloadLifetime: Int64 = 86_400
    package var nodeLifetime: Int64 = 86_400
    /// Of the control plane's own; renewed after half of it.
    package var serverLifetime: Int64 = 7 * 86_400
    package var intermediateLifetime = CertificateAuthority.intermediateLifetime

    package init() {}

    /// After so long everyone has a certificate that was issued since, and with it the roots that were trusted then.
    var overlap: Int64 { max(workloadLifetime, nodeLifetime) }
}

/// A certificate with what goes with it.
package struct IssuedCertificate: Sendable {
    /// The leaf, then the intermediates.
    package let chain: [Certificate]
    /// Who is trusted.
    package let roots: [Certificate]

    package var leaf: Certificate? { chain.first }
}

/// The authority of the mesh: signs certificates of workloads, of hosts and of the control plane itself. Its keys lie in a directory of its own,
/// never in the store (I22), or are given as files. Safe from any thread; issuing takes about 100 µs of a processor, and everything that touches
/// the disk blocks: from a loop only `signer`, `roots` and `status` are asked for.
package final class Authority: Sendable {
    /// Keys in a directory of the control plane's own.
    struct Own {
        let directory: AuthorityDirectory
        var state: AuthorityState
    }

    struct Held {
        /// Nil while the keys are given as files.
        var own: Own?
        var signer: CertificateAuthority
    }

    package let trustDomain: String
    package let settings: AuthoritySettings
    /// Where keys of its own lie, or will.
    let path: String
    let held: Mutex<Held>
    /// Taken for the whole of a change, while `held` is only taken to look and to swap.
    let changing = Mutex(())
    private let observers = Mutex<[@Sendable () -> Void]>([])

    private init(_ trustDomain: String, _ settings: AuthoritySettings, _ path: String, _ held: Held) {
        self.trustDomain = trustDomain
        self.settings = settings
        self.path = path
        self.held = Mutex(held)
    }

    /// What signs now. Immutable: a change makes another.
    package var signer: CertificateAuthority { held.withLock { $0.signer } }
    /// Who is trusted now: one root, two during a change.
    package var roots: [Certificate] { signer.roots }

    /// The SHA-256 of the root that what is signed now chains to: what join tokens carry.
    package var rootDigest: String { Self.root(of: signer).fingerprint.description }

    static func root(of signer: CertificateAuthority) -> Certificate {
        let top = signer.intermediates.last ?? signer.certificate
        return signer.roots.first { $0 == top || top.isSigned(by: $0) } ?? top
    }

    /// Has `notify` called, on any thread, when what signs or who is trusted has changed.
    package func observe(_ notify: @escaping @Sendable () -> Void) { observers.withLock { $0.append(notify) } }

    func changed() { for notify in observers.withLock({ $0 }) { notify() } }

    // MARK: - Opening

    /// The authority in a directory; root and intermediate are made at the first start. `now` in Unix seconds.
    package static func open(
        directory path: String, trustDomain: String, settings: AuthoritySettings = AuthoritySettings(), now: Int64
    ) throws(AuthorityFailure) -> Authority {
        guard SPIFFEID.isTrustDomain(trustDomain) else { throw AuthorityFailure("\"\(trustDomain)\" is no trust domain") }
        let directory = try AuthorityDirectory(path)
        let state = try directory.readState()
        if state == nil, try directory.hasKeys() {
            throw AuthorityFailure(
                "\(path) holds keys but no authority.json that says which count: restore it, or move the keys away for a new authority"
            )
        }
        guard let state, state.phase != .making else {
            return try make(in: directory, trustDomain, settings, now)
        }
        guard state.trustDomain == trustDomain else {
            throw AuthorityFailure(
                "the authority in \(path) is of trust domain \(state.trustDomain), not \(trustDomain): set the one that it has")
        }
        let signer = try load(state, from: directory)
        directory.sweep(keeping: state)
        return Authority(trustDomain, settings, path, Held(own: Own(directory: directory, state: state), signer: signer))
    }

    private static func make(
        in directory: AuthorityDirectory, _ trustDomain: String, _ settings: AuthoritySettings, _ now: Int64
    ) throws(AuthorityFailure) -> Authority {
        var state = AuthorityState(
            phase: .making, since: now, trustDomain: trustDomain, next: 3, roots: ["root-1"], intermediate: "intermediate-2")
        try directory.write(state)
        let root = try attempt { () throws(CertificateFailure) in
            try CertificateAuthority.createRoot(trustDomain: trustDomain, now: now)
        }
        let intermediate = try attempt { () throws(CertificateFailure) in
            try root.createIntermediate(trustDomain: trustDomain, now: now, lifetime: settings.intermediateLifetime)
        }
        try directory.write("root-1", key: root.key, chain: [root.certificate])
        try directory.write(state.intermediate, key: intermediate.key, chain: [intermediate.certificate])
        state.phase = .steady
        try directory.write(state)
        return Authority(
            trustDomain, settings, directory.path, Held(own: Own(directory: directory, state: state), signer: intermediate))
    }

    static func load(
        _ state: AuthorityState, from directory: AuthorityDirectory
    ) throws(AuthorityFailure) -> CertificateAuthority {
        var roots: [Certificate] = []
        for name in state.roots { roots.append(try directory.certificate(name)) }
        let key = try directory.key(state.intermediate)
        let chain = try directory.chain(state.intermediate)
        do throws(CertificateFailure) {
            return try CertificateAuthority(key: key, chain: chain, roots: roots)
        } catch { throw AuthorityFailure("the authority in \(directory.path) can't be used: \(error)") }
    }

    /// An authority that others made: the chain begins with the certificate of the key. It is read once; changes of it take a restart. What was
    /// adopted from these files into the directory counts in their place.
    package static func files(
        certificate: String, key: String, roots: String, directory: String, trustDomain: String,
        settings: AuthoritySettings = AuthoritySettings(), now: Int64
    ) throws(AuthorityFailure) -> Authority {
        guard SPIFFEID.isTrustDomain(trustDomain) else { throw AuthorityFailure("\"\(trustDomain)\" is no trust domain") }
        if try isAdopted(certificate, in: directory) {
            return try open(directory: directory, trustDomain: trustDomain, settings: settings, now: now)
        }
        let chain = try AuthorityFiles.read(certificate) { pem throws(CertificateFailure) in try Certificate.chain(pem: pem) }
        let trusted = try AuthorityFiles.read(roots) { pem throws(CertificateFailure) in try Certificate.roots(pem: pem) }
        let secret = try AuthorityFiles.key(key)
        do throws(CertificateFailure) {
            let signer = try CertificateAuthority(key: secret, chain: chain, roots: trusted)
            return Authority(trustDomain, settings, directory, Held(own: nil, signer: signer))
        } catch {
            throw AuthorityFailure("the authority in \(certificate), \(key) and \(roots) can't be used: \(error)")
        }
    }

    /// Files that are gone are those that were adopted; others are a new wish.
    private static func isAdopted(_ certificate: String, in directory: String) throws(AuthorityFailure) -> Bool {
        guard (try? File.status(directory)) != nil, let state = try AuthorityDirectory(directory).readState(),
            let adopted = state.adopted, state.phase != .making
        else { return false }
        guard (try? File.status(certificate)) != nil else { return true }
        let chain = try AuthorityFiles.read(certificate) { pem throws(CertificateFailure) in try Certificate.chain(pem: pem) }
        return chain.first?.fingerprint.description == adopted
    }

    static func attempt<Result>(_ body: () throws(CertificateFailure) -> Result) throws(AuthorityFailure) -> Result {
        do throws(CertificateFailure) { return try body() } catch { throw AuthorityFailure("\(error)") }
    }
}

// MARK: - Issuing

extension Authority {
    /// A certificate for this name and key. `lifetime` in seconds: what is 0 or less, or longer than the settings allow, becomes what they say.
    /// - Parameter tag: of the host that a workload's certificate is given to.
    package func issue(
        _ name: CertifiedName, publicKey: PublicKey, tag: HostTag? = nil, lifetime: Int64 = 0, now: Int64
    ) throws(AuthorityFailure) -> IssuedCertificate {
        guard name.trustDomain == trustDomain else {
            throw AuthorityFailure("\(name) is of another trust domain than \(trustDomain)")
        }
        if let weakness = publicKey.weakness { throw AuthorityFailure(weakness) }
        let signer = signer
        let chain = try Self.attempt { () throws(CertificateFailure) in
            switch name {
            case .workload(let identity):
                let lifetime = Self.clamp(lifetime, settings.workloadLifetime)
                return try signer.issue(
                    identity: identity, publicKey: publicKey, tag: tag, now: now, lifetime: lifetime)
            case .node(let identity):
                let lifetime = Self.clamp(lifetime, settings.nodeLifetime)
                return try signer.issue(node: identity, publicKey: publicKey, now: now, lifetime: lifetime)
            }
        }
        return IssuedCertificate(chain: chain, roots: signer.roots)
    }

    private static func clamp(_ wanted: Int64, _ most: Int64) -> Int64 { wanted <= 0 ? most : min(wanted, most) }

    /// Who the control plane is to hosts, whatever name they reach it by.
    package var serverIdentity: SPIFFEID? {
        SPIFFEID(trustDomain: trustDomain, namespace: "warren-system", serviceAccount: "warren-control")
    }

    /// What the control plane serves with; the root is sent too, for hosts that know its digest from their token.
    package func serverCredential(
        hosts: [String], addresses: [IPAddress], now: Int64
    ) throws(AuthorityFailure) -> Credential {
        guard let identity = serverIdentity else { throw AuthorityFailure("\"\(trustDomain)\" is no trust domain") }
        let signer = signer
        return try Self.attempt { () throws(CertificateFailure) in
            try signer.serverCredential(
                for: identity, hosts: hosts, addresses: addresses, now: now, lifetime: settings.serverLifetime)
        }
    }
}
