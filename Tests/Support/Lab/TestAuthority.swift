// SPDX-License-Identifier: Apache-2.0

/// A certificate authority of the tests' own making, as files in the places where `warren ca init` puts them. Made once per run.
package struct TestAuthority: Sendable {
    /// File name to text.
    private let files: [String: String]

    package static let shared = Result { try TestAuthority() }
    /// Of the same make, but trusted by nobody who trusts `shared`.
    package static let stranger = Result { try TestAuthority() }

    private init() throws {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        let outcome = try RunningCommand.run(Peer.command("certificates", ["authority", folder]))
        guard outcome.succeeded else { throw LabFailure(description: "no authority: \(outcome)") }
        files = Dictionary(uniqueKeysWithValues: try Files.list(folder).map { ($0, try Files.text("\(folder)/\($0)")) })
    }

    /// Puts the files where a host's daemon looks for them.
    package func install(on place: some LabPlace) throws {
        for (name, text) in files {
            try place.write("\(LabConfig.caFolder)/\(name)", text, mode: name.contains("key") ? 0o600 : 0o644)
        }
    }
}

extension LabPlace {
    /// Makes a leaf certificate of a kind (see certificates.py) here; the prefix of its two files, for peers that run here.
    package func makeLeaf(_ kind: String = "good", identity: String = "spiffe://cluster.local/ns/default/sa/peer") throws
        -> String
    {
        let prefix = "/run/leaf-\(kind)-\(identity.split(separator: "/").last ?? "")"
        try TestAuthority.shared.get().install(on: self)
        let outcome = try run(
            Peer.command("certificates", ["leaf", kind, "--ca", LabConfig.caFolder, "--out", prefix, "--id", identity]))
        guard outcome.succeeded else { throw LabFailure(description: "no certificate \(kind): \(outcome)") }
        return prefix
    }
}
