// SPDX-License-Identifier: Apache-2.0

/// Why a connection ended, in one word, for the label `response_flags` and the access log. The first eight are ztunnel's; the
/// others name what it has no word for.
package enum ResponseFlag: Int, Sendable, CaseIterable {
    case none
    /// Refused by a policy.
    case deny
    /// The application, or the peer, couldn't be reached.
    case connect
    case tlsFailure
    /// The tunnel's HTTP/2 didn't come to stand, or the CONNECT was refused.
    case http2HandshakeFailure
    /// A time-out that looks like a firewall between the hosts.
    case networkPolicy
    /// The peer isn't who it has to be.
    case identityError
    case certificateRevoked
    /// The CONNECT asked for what can't be.
    case badRequest
    /// A limit of connections, streams or memory.
    case limit
    /// The service has no endpoint that could be tried.
    case noEndpoint
    case timeout
    /// Either side reset, or was lost, before both had ended.
    case reset
    /// This daemon, or the workload's capture, came to its end.
    case shutdown

    package var word: String {
        switch self {
        case .none: "-"
        case .deny: "DENY"
        case .connect: "CONNECT"
        case .tlsFailure: "TLS_FAILURE"
        case .http2HandshakeFailure: "H2_HANDSHAKE_FAILURE"
        case .networkPolicy: "NETWORK_POLICY"
        case .identityError: "IDENTITY_ERROR"
        case .certificateRevoked: "CERT_REVOKED"
        case .badRequest: "BAD_REQUEST"
        case .limit: "LIMIT"
        case .noEndpoint: "NO_ENDPOINT"
        case .timeout: "TIMEOUT"
        case .reset: "RESET"
        case .shutdown: "SHUTDOWN"
        }
    }
}
