// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel
internal import Store

/// Puts a backup back, while no control plane runs: the authority first, then the store, which serves when it is whole. Tokens are gone with that;
/// hosts go on by their certificates, and take the store over since it has its identity and a revision above all that they have seen (I21, I22).
/// Blocking.
struct Restore {
    let file: String
    let passphraseFile: String?
    /// Whatever there is goes.
    let replaces: Bool
    let configuration: ControlConfiguration
    /// Told how far it is, in lines for people.
    let tell: (String) -> Void

    /// What was done, in sentences.
    func run(now: Int64 = WallTime.now().seconds) throws(ControlFailure) -> String {
        let backup = try read()
        guard backup.trustDomain == configuration.mesh.trustDomain else {
            throw ControlFailure(
                "the backup is of trust domain \(backup.trustDomain), the configuration says \(configuration.mesh.trustDomain)")
        }
        try? File.makeDirectory(configuration.directory, mode: 0o755)
        let (authority, raised) =
            if let settings = EtcdSettings(configuration.store) { try restore(backup, into: settings, now) } else {
                try restoreFile(backup, now)
            }
        return """
            restored \(backup.objects.count) objects of \(timestamp(backup.created)), as revision \(raised).
            \(authority)
            Tokens aren't valid any more: make new ones. Hosts that joined after the backup join again; what was evicted or revoked after it is
            to be evicted again. Start warren-control.

            """
    }

    private func restoreFile(_ backup: Backup, _ now: Int64) throws(ControlFailure) -> (authority: String, revision: UInt64) {
        // Taken first: its lock says that no control plane runs.
        let store = try Self.attempt { () throws(StoreFailure) in
            try SQLiteStore(path: configuration.storeFile, isMoving: true)
        }
        let standing = try Self.attempt { () throws(StoreFailure) in try store.revision() }
        guard standing == 0 || replaces else {
            throw ControlFailure("\(configuration.storeFile) holds a mesh already: move it away, or say --replace")
        }
        let authority = try restoreAuthority(backup)
        let raised = max(backup.revisionAfterRestoring(now: now), standing + 1)
        try Self.attempt { () throws(StoreFailure) in
            try store.restore(
                StoreContents(identity: backup.identity, revision: raised, objects: MovedObjects.own(backup.objects)))
        }
        return (authority, raised)
    }

    private func restore(
        _ backup: Backup, into settings: EtcdSettings, _ now: Int64
    ) throws(ControlFailure) -> (authority: String, revision: UInt64) {
        let authority = try restoreAuthority(backup)
        let standing = try Assembly.standingAuthority(configuration)
        let revision = try Self.attempt { () throws(StoreFailure) in
            let contents = StoreContents(
                identity: backup.identity, revision: backup.revisionAfterRestoring(now: now),
                objects: MovedObjects.shared(backup.objects, authority: standing))
            let move = try EtcdMove(contents, to: settings, tell: tell)
            if case .alreadyDone(let isUntouched) = try move.prepare(replacing: replaces) {
                guard isUntouched else {
                    throw .unusable(
                        "this backup was put back before, and the store has changed since: say --replace to lose that")
                }
                return UInt64?.none
            }
            return try move.finish()
        }
        guard let revision else { throw ControlFailure("this backup is in the store already: start warren-control") }
        return (authority, revision)
    }

    private static func attempt<Result>(_ body: () throws(StoreFailure) -> Result) throws(ControlFailure) -> Result {
        do throws(StoreFailure) { return try body() } catch {
            throw ControlFailure("the store can't be restored: \(error.text)")
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
        do throws(PrivateFile.Fault) {
            return Array(try PrivateFile.read(path, limit: 4096, takesPipe: true).prefix { $0 != 0x0a })
        } catch {
            throw ControlFailure(error.sentence(path))
        }
    }
}
