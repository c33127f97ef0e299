// SPDX-License-Identifier: Apache-2.0

internal import Kernel
internal import TLS

/// Why the authority can't be opened, or won't do what it was told: a sentence with what to do.
package struct AuthorityFailure: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// The directory in which the authority's keys lie: 0700, each key 0600, one control plane at a time. A file is new, whole and on the disk before
/// the state names it, so that a crash or a full disk at any moment leaves what was there before. Blocking.
final class AuthorityDirectory: Sendable {
    let path: String
    /// Held while this lives.
    private let lock: Descriptor
    private static let stateName = "authority.json"
    private static let stateLimit = 64 * 1024

    /// Who had it may be ending just now, or have begun a child that doesn't run its own program yet.
    private static func lock(_ file: String) throws(Errno) -> Descriptor {
        for _ in 0..<50 {
            do throws(Errno) { return try File.lock(file) } catch {
                guard error == .wouldBlock else { throw error }
                Thread.sleep(.milliseconds(20))
            }
        }
        return try File.lock(file)
    }

    /// Makes the directory where there is none.
    init(_ path: String) throws(AuthorityFailure) {
        self.path = path
        try Self.attempt("\(path) can't be used for the authority's keys") { () throws(Errno) in
            guard (try? File.status(path)) == nil else { return }
            try File.makeDirectory(path, mode: 0o700)
            try File.synchronise(directory: "\(path)/..")
        }
        try Self.check(path)
        do throws(Errno) {
            lock = try Self.lock("\(path)/lock")
        } catch {
            guard error == .wouldBlock else { throw AuthorityFailure("\(path)/lock can't be taken: \(error)") }
            throw AuthorityFailure("another control plane uses \(path): stop it first")
        }
    }

    /// Whether an authority lies there; nothing is made or taken.
    static func isThere(_ path: String) -> Bool { (try? File.status("\(path)/\(stateName)")) != nil }

    private static func check(_ path: String) throws(AuthorityFailure) {
        guard let status = try? File.status(path), status.kind == .directory else {
            throw AuthorityFailure("\(path) is no directory: name another for the authority's keys")
        }
        guard status.owner == Limits.userID else {
            throw AuthorityFailure("\(path) belongs to uid \(status.owner): give it to whom the control plane runs as")
        }
        guard status.mode & 0o077 == 0 else {
            throw AuthorityFailure("\(path) is open to others than its owner: run `chmod 700 \(path)`")
        }
    }

    // MARK: - State

    /// Nil if there is none.
    func readState() throws(AuthorityFailure) -> AuthorityState? {
        let file = "\(path)/\(Self.stateName)"
        let text: [UInt8]
        do throws(Errno) {
            text = try File.read(file, limit: Self.stateLimit)
        } catch {
            if error == .noSuchFile { return nil }
            throw AuthorityFailure("\(file) can't be read: \(error)")
        }
        guard let state = AuthorityState(text) else {
            throw AuthorityFailure("\(file) is damaged or of a newer version: restore it from a backup")
        }
        return state
    }

    func write(_ state: AuthorityState) throws(AuthorityFailure) { try write(Self.stateName, state.text, mode: 0o600) }

    /// Whether something is here that a state should name.
    func hasKeys() throws(AuthorityFailure) -> Bool { try names().contains { $0.hasSuffix(".key") } }

    /// Removes what the state doesn't name: of a change that was cut short, or over.
    func sweep(keeping state: AuthorityState) {
        let kept = state.files
        for name in (try? names()) ?? [] where (name.hasSuffix(".pem") || name.hasSuffix(".key")) && !kept.contains(name) {
            try? File.remove("\(path)/\(name)")
        }
    }

    private func names() throws(AuthorityFailure) -> [String] {
        do throws(Errno) { return try File.names(in: path) } catch { throw AuthorityFailure("\(path) can't be read: \(error)") }
    }

    // MARK: - Keys and certificates

    /// A key and its certificate, with those between it and a root behind it, as `NAME.key` and `NAME.pem`. No key for a root that others keep.
    func write(_ name: String, key: PrivateKey?, chain: [Certificate]) throws(AuthorityFailure) {
        if let key { try write("\(name).key", key.pem, mode: 0o600) }
        try write("\(name).pem", chain.pem, mode: 0o644)
    }

    func certificate(_ name: String) throws(AuthorityFailure) -> Certificate { try chain(name)[0] }

    /// At least one.
    func chain(_ name: String) throws(AuthorityFailure) -> [Certificate] {
        let file = "\(path)/\(name).pem"
        let chain = try AuthorityFiles.read(file) { pem throws(CertificateFailure) in try Certificate.chain(pem: pem) }
        guard !chain.isEmpty else { throw AuthorityFailure("\(file) holds no certificate") }
        return chain
    }

    func hasKey(_ name: String) -> Bool { (try? File.status("\(path)/\(name).key")) != nil }

    func key(_ name: String) throws(AuthorityFailure) -> PrivateKey { try AuthorityFiles.key("\(path)/\(name).key") }

    private func write(_ name: String, _ bytes: [UInt8], mode: UInt32) throws(AuthorityFailure) {
        let file = "\(path)/\(name)"
        try Self.attempt("\(file) can't be written") { () throws(Errno) in try File.replace(file, with: bytes, mode: mode) }
    }

    // MARK: - As a whole

    /// Everything that the state names, by name. The state is last, which is the order for writing it back.
    func export(_ state: AuthorityState) throws(AuthorityFailure) -> [(name: String, bytes: [UInt8])] {
        var files: [(name: String, bytes: [UInt8])] = []
        for name in state.files.sorted() where (try? File.status("\(path)/\(name)")) != nil {
            do throws(Errno) {
                files.append((name, try File.read("\(path)/\(name)", limit: Certificate.maximumFile)))
            } catch { throw AuthorityFailure("\(path)/\(name) can't be read: \(error)") }
        }
        return files + [(Self.stateName, state.text)]
    }

    /// Writes back what was exported; false for what is none of it, and then nothing is written. What was there before doesn't count any more.
    func restore(_ files: [(name: String, bytes: [UInt8])]) throws(AuthorityFailure) -> Bool {
        guard let last = files.last, last.name == Self.stateName, let state = AuthorityState(last.bytes),
            files.dropLast().allSatisfy({ state.files.contains($0.name) })
        else { return false }
        for file in files { try write(file.name, file.bytes, mode: file.name.hasSuffix(".pem") ? 0o644 : 0o600) }
        sweep(keeping: state)
        return true
    }

    private static func attempt(_ what: String, _ body: () throws(Errno) -> Void) throws(AuthorityFailure) {
        do throws(Errno) { try body() } catch { throw AuthorityFailure("\(what): \(error)") }
    }
}

/// Reading the files of an authority, ours or given. Blocking.
enum AuthorityFiles {
    static func read<Result>(
        _ file: String, _ parse: ([UInt8]) throws(CertificateFailure) -> Result
    ) throws(AuthorityFailure) -> Result {
        let pem: [UInt8]
        do throws(Errno) {
            pem = try File.read(file, limit: Certificate.maximumFile)
        } catch { throw AuthorityFailure("\(file) can't be read: \(error)") }
        return try parsed(file, pem, parse)
    }

    private static func parsed<Result>(
        _ file: String, _ pem: [UInt8], _ parse: ([UInt8]) throws(CertificateFailure) -> Result
    ) throws(AuthorityFailure) -> Result {
        do throws(CertificateFailure) {
            return try parse(pem)
        } catch { throw AuthorityFailure("\(file): \(error)") }
    }

    /// A key that others may read is no key of ours.
    static func key(_ file: String) throws(AuthorityFailure) -> PrivateKey {
        let pem: [UInt8]
        do throws(PrivateFile.Fault) {
            pem = try PrivateFile.read(file, limit: Certificate.maximumFile)
        } catch { throw AuthorityFailure(error.sentence(file)) }
        return try parsed(file, pem) { pem throws(CertificateFailure) in try PrivateKey(pem: pem) }
    }
}
