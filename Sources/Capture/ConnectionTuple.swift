// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// The addresses and ports of a connection as its own end sees it: local first.
package struct ConnectionTuple: Hashable, Sendable {
    package let local: SocketAddress
    package let remote: SocketAddress

    /// The most that a set of the rules holds; a namespace has seldom a hundredth of it open when it is labelled.
    package static let maximumCount = 65_535

    package init(local: SocketAddress, remote: SocketAddress) {
        self.local = local
        self.remote = remote
    }

    package typealias Family = IPAddress.Family

    package var family: Family { local.ip.family }

    /// The same connection as the other end sees it.
    package var mirrored: ConnectionTuple { ConnectionTuple(local: remote, remote: local) }
}

extension ConnectionTuple: CustomStringConvertible {
    /// As an element of an nftables set: `10.0.0.1 . 80 . 10.0.0.2 . 40000`.
    package var description: String { "\(local.ip) . \(local.port) . \(remote.ip) . \(remote.port)" }
}
