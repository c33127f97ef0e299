// SPDX-License-Identifier: Apache-2.0

/// The ports and marks that ambient meshes agree on. Fixed: both ends of a tunnel, and every tool that looks at one, count on
/// them.
package enum Ports {
    /// Outbound TCP of a workload is redirected here, in its namespace.
    package static let outbound: UInt16 = 15001
    /// Inbound plaintext TCP of a workload is redirected here, in its namespace.
    package static let inboundPlain: UInt16 = 15006
    /// HBONE: tunnels of other hosts arrive here, in the workload's namespace, without redirection.
    package static let hbone: UInt16 = 15008
    /// Metrics, in the host's namespace, unless configured otherwise.
    package static let metrics: UInt16 = 15020
    /// Readiness, in the host's namespace, unless configured otherwise.
    package static let readiness: UInt16 = 15021

    /// What no CONNECT and no captured connection may lead to: it would come back to us.
    package static func isOwn(_ port: UInt16) -> Bool { port == outbound || port == inboundPlain || port == hbone }
}
