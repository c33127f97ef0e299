// SPDX-License-Identifier: Apache-2.0

/// What `warren token create` prints for a new host: `wj1.ID.SECRET.SHA256-OF-THE-ROOT`. The fingerprint lets the host know the control plane
/// before it shows the secret.
struct JoinToken: Hashable {
    let text: String
    /// By which the token is listed and revoked.
    let id: String
    /// 64 hexadecimal digits.
    let fingerprint: String

    private static let maximumLength = 512

    /// Nil for a text that is none.
    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard text.utf8.count <= Self.maximumLength, parts.count == 4, parts[0] == "wj1", !parts[1].isEmpty, !parts[2].isEmpty,
            Self.isFingerprint(parts[3]), text.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != 0x22 && $0 != 0x5c })
        else { return nil }
        self.text = text
        id = parts[1]
        fingerprint = parts[3]
    }

    static func isFingerprint(_ text: String) -> Bool {
        text.utf8.count == 64 && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}
