// SPDX-License-Identifier: Apache-2.0

/// Where a control plane's state stands: which store, and how many changes it has seen. `IDENTITY/REVISION` in `system_version_info`.
package struct StorePosition: Hashable, Sendable, CustomStringConvertible {
    /// Made with the store, never changed.
    package let identity: String
    package let revision: UInt64

    package init(identity: String, revision: UInt64) {
        self.identity = identity
        self.revision = revision
    }

    /// Nil for the words of a control plane that has no such thing: istiod says the time of its push.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, (1...128).contains(parts[0].utf8.count), parts[0].utf8.allSatisfy({ (0x21...0x7e).contains($0) }),
            let revision = UInt64(parts[1])
        else { return nil }
        self.init(identity: String(parts[0]), revision: revision)
    }

    package var description: String { "\(identity)/\(revision)" }
}
