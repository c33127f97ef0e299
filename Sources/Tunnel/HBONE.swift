// SPDX-License-Identifier: Apache-2.0

/// What Istio ambient agrees on for HBONE: HTTP/2 CONNECT over mutual TLS on one port, and the ports of capture beside it.
package enum HBONE {
    /// Where tunnels end, inside each captured workload's namespace.
    package static let port: UInt16 = 15008
    /// Where redirected outbound connections arrive, inside each captured workload's namespace.
    package static let outboundPort: UInt16 = 15001
    /// Where redirected plaintext arrives, inside each captured workload's namespace.
    package static let inboundPort: UInt16 = 15006

    /// Never the target of anything: a connection to one of them would come back to us.
    package static func isOwnPort(_ port: UInt16) -> Bool { port == Self.port || port == outboundPort || port == inboundPort }

    /// The mark of sockets with which we leave a workload's namespace: redirection leaves them alone. Istio's own number.
    package static let leavingMark: UInt32 = 0x539
    /// The mark of sockets with which we reach an application from its client's address: answers to it come back to us.
    package static let returningMark: UInt32 = 0x111

    /// How a CONNECT is answered.
    package enum Status {
        package static let accepted = 200
        /// The target can't be meant: no address and port, another workload's address, one of our own ports.
        package static let badTarget = 400
        /// A policy says no.
        package static let denied = 401
        /// Not a CONNECT.
        package static let notConnect = 405
        /// The application can't be reached, or nobody is there to be asked.
        package static let unavailable = 503
    }
}
