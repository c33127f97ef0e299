// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// Why a connection didn't come about or ended before both applications had finished: one sentence for the operator, and the kind that
/// metrics count and retries look at.
package struct ConnectionFailure: Error, Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        /// A policy said no.
        case denied
        /// No route: a service without endpoints, a port that nobody serves, an address that must not be dialled.
        case noRoute
        /// The TCP connection to the other side wasn't made.
        case connect
        /// The TLS handshake failed for another reason than identity.
        case tls
        /// The peer isn't who it must be.
        case identity
        /// The peer doesn't speak HTTP/2 as it should.
        case http2
        /// The peer floods us: streams reset by the hundred, control frames without end.
        case flood
        /// The other side answered the CONNECT with something else than 200.
        case refused
        /// A limit of ours: connections, streams, descriptors, ports.
        case limit
        /// A wait ended without what was waited for.
        case timeout
        /// One of the applications reset its connection.
        case reset
        /// The peer provably did nothing with the stream: it may be tried on another tunnel (RFC 9113 §8.7).
        case notTaken
        /// The tunnel under the stream was lost.
        case tunnelLost
        /// We are going, or the workload is.
        case shutdown
    }

    package let kind: Kind
    /// A clause without a full stop, as it stands in the log: `connecting to 10.0.0.5:5432: connection refused`.
    package let reason: String
    /// The status of the CONNECT's answer, if it was that.
    package let status: Int?
    /// The policy that denied, `NAMESPACE/NAME`.
    package let policy: String?

    /// One word for why a TLS handshake failed, as metrics count it.
    package let handshake: String?

    package init(
        _ kind: Kind, _ reason: String, status: Int? = nil, policy: String? = nil, handshake: String? = nil
    ) {
        self.kind = kind
        self.reason = reason
        self.status = status
        self.policy = policy
        self.handshake = handshake
    }
}
