// SPDX-License-Identifier: Apache-2.0

/// What a family of series counts, as OpenMetrics types it.
package enum MetricKind: String, Sendable {
    case counter
    case gauge
    case histogram
}

/// The metrics of a loop whose labels have a fixed set of values. Names are Warren's own where the field has none.
package enum MetricFamily: Int, Sendable, CaseIterable {
    case handshakes
    case handshakeSeconds
    case connectSeconds
    case hboneConnectSeconds
    case connectAnswers
    case tunnels
    case tunnelsOpened
    case tunnelsClosed
    case streams
    case streamRetries
    case endpointRetries
    case connections
    case refused
    case resets
    case splicedBytes
    case acceptPauses
    case paces
    case captureRestores
    case overflowed

    var kind: MetricKind {
        switch self {
        case .handshakeSeconds, .connectSeconds, .hboneConnectSeconds: .histogram
        case .tunnels, .streams: .gauge
        case .handshakes, .connectAnswers, .tunnelsOpened, .tunnelsClosed, .streamRetries, .endpointRetries, .connections,
            .refused, .resets, .splicedBytes, .acceptPauses, .paces, .captureRestores, .overflowed:
            .counter
        }
    }

    /// The name without the suffix that a sample of a counter has.
    var name: String {
        switch self {
        case .handshakes: "warren_tls_handshakes"
        case .handshakeSeconds: "warren_tls_handshake_seconds"
        case .connectSeconds: "warren_tcp_connect_seconds"
        case .hboneConnectSeconds: "warren_hbone_connect_seconds"
        case .connectAnswers: "warren_hbone_responses"
        case .tunnels: "warren_tunnels"
        case .tunnelsOpened: "warren_tunnels_opened"
        case .tunnelsClosed: "warren_tunnels_closed"
        case .streams: "warren_tunnel_streams"
        case .streamRetries: "warren_stream_retries"
        case .endpointRetries: "warren_endpoint_retries"
        case .connections: "warren_connections"
        case .refused: "warren_refused"
        case .resets: "warren_resets"
        case .splicedBytes: "warren_spliced_bytes"
        case .acceptPauses: "warren_accept_pauses"
        case .paces: "warren_begin_pauses"
        case .captureRestores: "warren_capture_restores"
        case .overflowed: "warren_series_overflowed"
        }
    }

    var help: String {
        switch self {
        case .handshakes: "TLS handshakes of tunnels, by how they ended."
        case .handshakeSeconds: "Time from the TCP connection to the tunnel's HTTP/2 SETTINGS, for handshakes that succeeded."
        case .connectSeconds: "Time that TCP connects took that succeeded."
        case .hboneConnectSeconds: "Time from CONNECT to its answer of 200."
        case .connectAnswers: "Answers to CONNECT: given as server, received as client."
        case .tunnels: "Tunnels that stand."
        case .tunnelsOpened: "Tunnels that came to stand."
        case .tunnelsClosed: "Tunnels that ended, by reason."
        case .streams: "Streams that are open in tunnels."
        case .streamRetries: "Streams tried again on a new tunnel because the peer provably did nothing."
        case .endpointRetries: "Connections that went to a further endpoint because the first refused."
        case .connections: "Connections by the way their bytes go."
        case .refused: "Connections and streams refused by a limit or a guard."
        case .resets: "Connections that ended by a reset instead of both ends' end."
        case .splicedBytes: "Bytes moved between sockets inside the kernel."
        case .acceptPauses: "Times that accepting paused because descriptors or memory ran out."
        case .paces: "Times that a workload's new connections waited because others need the loop too."
        case .captureRestores: "Times that redirection was found missing in a workload's namespace and put back."
        case .overflowed: "Connections counted in the series unknown because there were too many series."
        }
    }

    var unit: String? {
        switch self {
        case .handshakeSeconds, .connectSeconds, .hboneConnectSeconds: "seconds"
        case .splicedBytes: "bytes"
        case .handshakes, .connectAnswers, .tunnels, .tunnelsOpened, .tunnelsClosed, .streams, .streamRetries, .endpointRetries,
            .connections, .refused, .resets, .acceptPauses, .paces, .captureRestores, .overflowed:
            nil
        }
    }

    /// Label names with their values; the last one varies fastest in the array.
    var labels: [(name: String, values: [String])] {
        switch self {
        case .handshakes: [("side", words(TunnelSide.self)), ("result", words(HandshakeResult.self))]
        case .handshakeSeconds, .tunnels, .tunnelsOpened, .streams: [("side", words(TunnelSide.self))]
        case .connectSeconds: [("target", words(ConnectTarget.self))]
        case .connectAnswers: [("side", words(TunnelSide.self)), ("status", words(ConnectAnswer.self))]
        case .tunnelsClosed: [("side", words(TunnelSide.self)), ("reason", words(TunnelEnd.self))]
        case .connections: [("path", words(TrafficPath.self))]
        case .refused: [("reason", words(RefusalReason.self))]
        case .hboneConnectSeconds, .streamRetries, .endpointRetries, .resets, .splicedBytes, .acceptPauses, .paces,
            .captureRestores,
            .overflowed:
            []
        }
    }
}

private func words<Label: MetricLabel>(_ type: Label.Type) -> [String] { Label.allCases.map(\.word) }
