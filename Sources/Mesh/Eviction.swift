// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// A host that was turned out: nothing is spoken any more with who shows a certificate that was issued to it (I22). A value.
package struct Eviction: Hashable, Sendable {
    /// In the certificates of its workloads.
    package let tag: HostTag
    /// What it was called.
    package let node: String

    package init(tag: HostTag, node: String) {
        self.tag = tag
        self.node = node
    }
}
