// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel
internal import Synchronization
internal import TLS
internal import Wire

/// The authority's keys in a backup: sealed, or not there (I22). Blocking.
extension Authority {
    /// Nil if its keys are given as files: those are for whoever keeps them.
    func sealed(passphrase: [UInt8], context: [UInt8]) throws(AuthorityFailure) -> [UInt8]? {
        let files = try changing.withLock { _ throws(AuthorityFailure) in
            try held.withLock { $0.own }.map { own throws(AuthorityFailure) in try own.directory.export(own.state) }
        }
        guard let files else { return nil }
        let document = Value.object(files.map { ($0.name, .string(Base64.encode($0.bytes))) })
        return SealedBox.seal(document.jsonBytes, passphrase: passphrase, context: context)
    }

    /// Writes the keys of a backup into a directory in which there are none, or the same.
    static func restore(
        _ sealed: [UInt8], passphrase: [UInt8], context: [UInt8], directory path: String, replacing: Bool
    ) throws(AuthorityFailure) {
        guard let plain = SealedBox.open(sealed, passphrase: passphrase, context: context),
            let entries = (try? JSON.read(plain))?.mappingValue
        else {
            throw AuthorityFailure("the authority's keys in the backup can't be opened: another passphrase, or another backup")
        }
        var files: [(name: String, bytes: [UInt8])] = []
        for entry in entries {
            guard let bytes = entry.value.stringValue.flatMap({ Base64.decode($0) }) else {
                throw AuthorityFailure("the authority's keys in the backup are damaged")
            }
            files.append((entry.key, bytes))
        }
        let directory = try AuthorityDirectory(path)
        if !replacing, let standing = try directory.readState(), standing.text != files.last?.bytes {
            throw AuthorityFailure("\(path) holds another authority than the backup: move it away, or say --replace")
        }
        guard try directory.restore(files) else { throw AuthorityFailure("the authority's keys in the backup are damaged") }
    }
}
