// SPDX-License-Identifier: Apache-2.0

/// What a packet's mark tells the rules and the routing about who sent it. Only the twelve bits of `mask` are ours; the others stay
/// as whoever set them left them.
package enum Mark {
    /// From us, or an answer to something from the wire: leaves the namespace by its ordinary routes. Every socket that `warrend` makes in
    /// a workload's namespace has it (tunnels, connections to the outside, listeners), but the one below. Istio's 1337.
    package static let outside: UInt32 = 0x539

    /// Between us and the application: the sockets with which we dial the application from the client's own address have it. The
    /// application's accepted socket inherits it (`tcp_fwmark_accept`), so its answers return to us, although they bear a foreign address.
    package static let inside: UInt32 = 0x111

    /// Between an application that dialled and us: the sockets that answer it from the address that it dialled. Routed as `inside`, but without a
    /// conntrack zone of its own: the kernel puts this mark on what it sends for a socket that is gone (`fwmark_reflect`), and in another zone
    /// the last acknowledgement of a closed connection would be taken for a new connection and translated to another port.
    package static let answering: UInt32 = 0x1111

    package static let mask: UInt32 = 0xfff
    /// Tells `inside` from `answering`.
    package static let zoneMask: UInt32 = 0x1fff
}

/// Where `warrend` listens in a workload's namespace: Istio's numbers, which peers and policies know.
package struct CapturePorts: Equatable, Sendable {
    /// What the application dials.
    package var outbound: UInt16 = 15001
    /// What dials the application in plain.
    package var inbound: UInt16 = 15006
    /// Tunnels of other hosts; the only port that isn't captured.
    package var tunnel: UInt16 = 15008

    package init() {}
}
