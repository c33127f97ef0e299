// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// What a verified peer proved.
package struct PeerCertificate: Hashable, Sendable {
    /// Who the peer is.
    package let identity: SPIFFEID
    /// Until when all certificates between the peer and our root are valid, in Unix seconds (I09).
    package let notAfter: Int64
    /// Lower-case hexadecimal digits.
    package let serial: String
    /// The root that vouches for it: when it leaves the bundle, so does the trust in this peer (I09).
    package let root: Fingerprint

    /// As a session reports it, or as a test needs it.
    package init(identity: SPIFFEID, notAfter: Int64, serial: String, root: Fingerprint) {
        self.identity = identity
        self.notAfter = notAfter
        self.serial = serial
        self.root = root
    }
}
