// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel
internal import Store

/// Puts a backup back, while no control plane runs: the authority first, then the store in one step. Tokens are gone with that; hosts go on by
/// their certificates, and take the store over since it has its identity and a revision above all that they have seen (I21, I22). Blocking.
struct Restore {
    let file: String
    let passphraseFile: String?
    /// Whatever there is goes.
    let replaces: Bool
    let configuration: ControlConfiguration

    /// What was done, in sentences.
    func run(now: Int64 = WallTime.now().seconds) throws(ControlFailure) -> String {
        // Etcd counts revisions itself, and hosts take none that is older than what they saw (I21).
        guard configuration.store.etcd.isEmpty else {
            throw ControlFailure(
                "a backup is put back into a store of SQLite, and store.etcd is set: restore etcd from a snapshot of its own, by `etcdutl`"
            )
        }
        let backup = try read()
        guard backup.trustDomain == configuration.mesh.trustDomain else {
            throw ControlFailure(
                "the backup is of trust domain \(backup.trustDomain), the configuration says \(configuration.mesh.trustDomain)")
        }
        try? File.makeDirectory(configuration.directory, mode: 0o755)
        let revision = backup.revisionAfterRestoring(now: now)
        // Taken first: its lock says that no control plane runs.
        let store = try Self.attempt { () throws(StoreFailure) in try SQLiteStore(path: configuration.storeFile) }
        let standing = try Self.attempt { () throws(StoreFailure) in try store.revision() }
        guard standing == 0 || replaces else {
            throw ControlFailure("\(configuration.storeFile) holds a mesh already: move it away, or say --replace")
        }
        let authority = try restoreAuthority(backup)
        let raised = max(revision, standing + 1)
        try Self.attempt { () throws(StoreFailure) in
            try store.restore(backup.objects, identity: backup.identity, revision: raised)
        }
        return """
            restored \(backup.objects.count) objects of \(timestamp(backup.created)), as revision \(raised).
            \(authority)
            Tokens aren't valid any more: make new ones. Hosts that joined after the backup join again; what was evicted or revoked after it is
            to be evicted again. Start warren-control.

            """
    }

    private static func attempt<Result>(_ body: () throws(StoreFailure) -> Result) throws(ControlFailure) -> Result {
        do throws(StoreFailure) { return try body() } catch {
            throw ControlFailure("the store can't be restored: \(ResourceServer.words(error))")
        }
    }

    private func read() throws(ControlFailure) -> Backup {
        let bytes: [UInt8]
        do throws(Errno) { bytes = try File.read(file, limit: Backup.limit) } catch {
            throw ControlFailure("\(file) can't be read: \(error)")
        }
        do throws(Backup.Failure) { return try Backup(bytes) } catch { throw ControlFailure("\(file): \(error)") }
    }

    private func restoreAuthority(_ backup: Backup) throws(ControlFailure) -> String {
        guard let sealed = backup.authority else {
            return
                "The authority's keys weren't in it: hosts take a control plane with the same keys in \(configuration.authorityDirectory) only."
        }
        guard let passphraseFile else {
            return "The authority's keys in it were left out, since no --passphrase-file was given."
        }
        let passphrase = try Self.passphrase(passphraseFile)
        do throws(AuthorityFailure) {
            try Authority.restore(
                sealed, passphrase: passphrase, context: Backup.context(identity: backup.identity),
                directory: configuration.authorityDirectory, replacing: replaces)
        } catch { throw ControlFailure(error.description) }
        return "The authority's keys are in \(configuration.authorityDirectory)."
    }

    /// The first line of a file that its owner alone may read.
    static func passphrase(_ path: String) throws(ControlFailure) -> [UInt8] {
        guard let status = try? File.status(path), status.mode & 0o077 == 0 else {
            throw ControlFailure("\(path) isn't there, or may be read by others than its owner: run `chmod 600 \(path)`")
        }
        do throws(Errno) { return Array(try File.read(path, limit: 4096).prefix { $0 != 0x0a }) } catch {
            throw ControlFailure("\(path) can't be read: \(error)")
        }
    }
}
