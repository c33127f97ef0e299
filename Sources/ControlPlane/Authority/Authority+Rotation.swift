// SPDX-License-Identifier: Apache-2.0

package import Documents
internal import Synchronization
internal import TLS

/// One step of a change of the authority's keys.
package enum RotationStep: String, Hashable, Sendable, CaseIterable {
    /// A fresh intermediate under the root that signs. What the old one signed stays good: each leaf brings its own.
    case intermediate
    /// A second root, trusted beside the first and told with each certificate from now on. The first still signs.
    case introduceRoot = "introduce-root"
    /// The second root signs from now on, by a fresh intermediate. The first stays trusted.
    case useRoot = "use-root"
    /// The first root is trusted no more, and its key is gone.
    case dropRoot = "drop-root"
    /// Takes back an introduction.
    case abandonRoot = "abandon-root"
    /// What was given as files becomes the control plane's own: copied into its directory, and changed by the other steps from then on.
    case adopt
}

/// Changing the keys with overlap, so that no handshake fails meanwhile. Each step is on the disk before it counts. Blocking.
extension Authority {
    /// Does a step, if it is its turn. `force` spares the time that hosts need to follow: for a root whose key is lost or stolen, at the price of
    /// connections.
    package func rotate(_ step: RotationStep, force: Bool = false, now: Int64) throws(AuthorityFailure) {
        try changing.withLock { _ throws(AuthorityFailure) in
            if step == .adopt { return try adopt(now) }
            guard let own = held.withLock({ $0.own }) else {
                throw AuthorityFailure(
                    "the authority is given as files: `adopt` makes it the control plane's own, or replace them there and restart it"
                )
            }
            let directory = own.directory
            var state = own.state
            try check(step, state, force: force, now: now)
            switch step {
            case .intermediate: try renewIntermediate(&state, directory, now)
            case .introduceRoot:
                let name = state.take("root")
                let root = try Self.attempt { () throws(CertificateFailure) in
                    try CertificateAuthority.createRoot(
                        trustDomain: trustDomain, commonName: "Warren root \(name.dropFirst("root-".count))", now: now)
                }
                try directory.write(name, key: root.key, chain: [root.certificate])
                state.roots.append(name)
                (state.phase, state.since) = (.introduced, now)
            case .useRoot:
                (state.phase, state.since) = (.inUse, now)
                try renewIntermediate(&state, directory, now)
            case .dropRoot:
                state.roots = state.roots.suffix(1)
                (state.phase, state.since) = (.steady, now)
            case .abandonRoot:
                state.roots.removeLast()
                (state.phase, state.since) = (.steady, now)
            case .adopt: break
            }
            let signer = try Self.load(state, from: directory)
            try directory.write(state)
            held.withLock { $0 = Held(own: Own(directory: directory, state: state), signer: signer) }
            directory.sweep(keeping: state)
        }
        changed()
    }

    private func check(
        _ step: RotationStep, _ state: AuthorityState, force: Bool, now: Int64
    ) throws(AuthorityFailure) {
        let wanted: AuthorityState.Phase? =
            switch step {
            case .intermediate, .adopt: nil
            case .introduceRoot: .steady
            case .useRoot, .abandonRoot: .introduced
            case .dropRoot: .inUse
            }
        if let wanted, state.phase != wanted {
            throw AuthorityFailure("\(step.rawValue) isn't the next step: \(Self.next(state.phase))")
        }
        guard step == .useRoot || step == .dropRoot, !force else { return }
        let ready = state.since + settings.overlap
        guard now >= ready else {
            let why =
                step == .useRoot
                ? "hosts that haven't renewed their certificates don't know the new root yet"
                : "certificates under the old root are still in use"
            throw AuthorityFailure("\(step.rawValue) must wait until \(timestamp(ready)): \(why); `force` cuts their connections")
        }
    }

    private static func next(_ phase: AuthorityState.Phase) -> String {
        switch phase {
        case .making, .steady: "no change of the root is under way, and introduce-root begins one"
        case .introduced: "a new root was introduced, and use-root or abandon-root follows"
        case .inUse: "the new root is in use, and drop-root follows"
        }
    }

    private func renewIntermediate(
        _ state: inout AuthorityState, _ directory: AuthorityDirectory, _ now: Int64
    ) throws(AuthorityFailure) {
        let certificate = try directory.certificate(state.signingRoot)
        guard directory.hasKey(state.signingRoot) || state.adopted == nil else {
            throw AuthorityFailure(
                "the key of the root that signs was never given to the control plane: introduce-root begins the change to a root of its own"
            )
        }
        let key = try directory.key(state.signingRoot)
        let name = state.take("intermediate")
        let made = try Self.attempt { () throws(CertificateFailure) in
            try CertificateAuthority(key: key, chain: [certificate], roots: [certificate])
                .createIntermediate(trustDomain: trustDomain, now: now, lifetime: settings.intermediateLifetime)
        }
        try directory.write(name, key: made.key, chain: [made.certificate])
        state.intermediate = name
    }

    /// Copies what was given as files, the root that signs as the first. The files aren't touched.
    private func adopt(_ now: Int64) throws(AuthorityFailure) {
        let (isOwn, signer) = held.withLock { ($0.own != nil, $0.signer) }
        guard !isOwn else { throw AuthorityFailure("the authority is the control plane's own already") }
        let directory = try AuthorityDirectory(path)
        let before = try directory.readState()
        guard before == nil ? try !directory.hasKeys() : before?.phase == .making else {
            throw AuthorityFailure("\(path) holds an authority already: move it away, or remove the settings of the files")
        }
        let top = Self.root(of: signer)
        let roots = [top] + signer.roots.filter { $0 != top }
        var state = AuthorityState(
            phase: .making, since: now, trustDomain: trustDomain, next: roots.count + 2,
            roots: (1...roots.count).map { "root-\($0)" },
            intermediate: "intermediate-\(roots.count + 1)", adopted: signer.certificate.fingerprint.description)
        try directory.write(state)
        for (name, root) in zip(state.roots, roots) {
            try directory.write(name, key: root == signer.certificate ? signer.key : nil, chain: [root])
        }
        let chain = signer.intermediates.isEmpty ? [signer.certificate] : signer.intermediates
        try directory.write(state.intermediate, key: signer.key, chain: chain)
        let loaded = try Self.load(state, from: directory)
        state.phase = .steady
        try directory.write(state)
        held.withLock { $0 = Held(own: Own(directory: directory, state: state), signer: loaded) }
    }

    /// Renews the intermediate when two thirds of its time are over. To be called now and then; true if it did.
    package func upkeep(now: Int64) throws(AuthorityFailure) -> Bool {
        let certificate = signer.certificate
        // Without the key of an adopted root there can be none.
        guard let own = held.withLock({ $0.own }), own.state.adopted == nil || own.directory.hasKey(own.state.signingRoot),
            now >= certificate.notBefore + (certificate.notAfter - certificate.notBefore) / 3 * 2
        else {
            return false
        }
        // One that ends with its root is not made longer by a fresh one.
        guard certificate.notAfter < Self.root(of: signer).notAfter else { return false }
        try rotate(.intermediate, now: now)
        return true
    }

    /// How it stands, for people and programs. `notAfter` are RFC 3339.
    package func status(now: Int64) -> Value {
        let (state, signer) = held.withLock { ($0.own?.state, $0.signer) }
        let top = Self.root(of: signer)
        let roots = signer.roots.map { root in
            Value.object([
                ("subject", .string(root.subject)), ("sha256", .string(root.fingerprint.description)),
                ("notAfter", .string(timestamp(root.notAfter))), ("signs", .bool(root == top)),
            ])
        }
        return .object(present: [
            ("trustDomain", .string(trustDomain)), ("source", .string(state == nil ? "files" : "directory")),
            ("phase", state.map { .string($0.phase.rawValue) }), ("since", state.map { .string(timestamp($0.since)) }),
            (
                "next",
                .string(
                    state.map { Self.next($0.phase) }
                        ?? "the keys are given as files, and adopt makes them the control plane's own")
            ), ("roots", .array(roots)),
            (
                "intermediate",
                .object([
                    ("subject", .string(signer.certificate.subject)), ("serial", .string(signer.certificate.serial)),
                    ("notAfter", .string(timestamp(signer.certificate.notAfter))),
                ])
            ),
        ])
    }
}
