// SPDX-License-Identifier: Apache-2.0

package import Kernel
package import Store

/// A change of the store, as the publisher takes it. Of resources that mean nothing to hosts, too: the publisher knows which do.
package struct PublishedChange: Sendable {
    package let key: StoreKey
    /// The JSON text, shared with whoever holds it; nil if the object is no more.
    package let text: [UInt8]?
    package let revision: UInt64
    /// When it was accepted from whoever wrote it.
    package let accepted: Instant

    package init(key: StoreKey, text: [UInt8]?, revision: UInt64, accepted: Instant = .now()) {
        self.key = key
        self.text = text
        self.revision = revision
        self.accepted = accepted
    }
}
