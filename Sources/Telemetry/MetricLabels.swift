// SPDX-License-Identifier: Apache-2.0

/// A label whose values are known beforehand: the series of its metrics are places in an array.
package protocol MetricLabel: CaseIterable, RawRepresentable where RawValue == Int {
    var word: String { get }
}

/// Which end of a tunnel we are.
package enum TunnelSide: Int, Sendable, MetricLabel {
    case client
    case server

    package var word: String { self == .client ? "client" : "server" }
}

/// How a TLS handshake ended, with what the tunnel's HTTP/2 preface adds to it.
package enum HandshakeResult: Int, Sendable, MetricLabel {
    case ok
    case timeout
    /// The peer closed or reset before the end.
    case closed
    /// What came was no TLS.
    case plaintext
    case protocolVersion
    case noApplicationProtocol
    case noCertificate
    case untrusted
    case expired
    case notYetValid
    /// A CA certificate as a leaf, or one whose use doesn't fit.
    case badUsage
    /// None, several or odd SPIFFE identities.
    case badIdentity
    case wrongTrustDomain
    /// A good identity that isn't the one that was asked for.
    case unexpectedIdentity
    /// The peer refused us with an alert.
    case alert
    /// TLS stood, but the HTTP/2 preface or SETTINGS didn't come, or were wrong.
    case preface
    /// We have no certificate (yet).
    case noOwnCertificate
    case other

    package var word: String {
        switch self {
        case .ok: "ok"
        case .timeout: "timeout"
        case .closed: "closed"
        case .plaintext: "plaintext"
        case .protocolVersion: "protocol_version"
        case .noApplicationProtocol: "no_application_protocol"
        case .noCertificate: "no_certificate"
        case .untrusted: "untrusted"
        case .expired: "expired"
        case .notYetValid: "not_yet_valid"
        case .badUsage: "bad_usage"
        case .badIdentity: "bad_identity"
        case .wrongTrustDomain: "wrong_trust_domain"
        case .unexpectedIdentity: "unexpected_identity"
        case .alert: "alert"
        case .preface: "preface"
        case .noOwnCertificate: "no_own_certificate"
        case .other: "other"
        }
    }
}

/// Which limit refused a connection or a stream.
package enum RefusalReason: Int, Sendable, MetricLabel {
    case workloadConnections
    case daemonConnections
    case streams
    case handshakes
    case descriptors
    /// One workload has its part of the descriptors.
    case workloadDescriptors
    /// Too many bytes wait for applications that don't read.
    case heldBytes
    /// One peer address has its part of handshakes or tunnels.
    case peer
    /// No local port was left towards the application (I15).
    case sourcePorts
    /// A neighbour's direct call to a port that serves only what was redirected.
    case notRedirected
    /// A call to one of our own ports, which would go round in circles.
    case loop

    package var word: String {
        switch self {
        case .workloadConnections: "workload_connections"
        case .daemonConnections: "daemon_connections"
        case .streams: "streams"
        case .handshakes: "handshakes"
        case .descriptors: "descriptors"
        case .workloadDescriptors: "workload_descriptors"
        case .heldBytes: "held_bytes"
        case .peer: "peer"
        case .sourcePorts: "source_ports"
        case .notRedirected: "not_redirected"
        case .loop: "loop"
        }
    }
}

/// Why a tunnel ended.
package enum TunnelEnd: Int, Sendable, MetricLabel {
    case idle
    /// The other end sent GOAWAY or closed in order.
    case peer
    /// Either end's certificate was renewed, expired or lost its root.
    case certificate
    case drained
    case maximumAge
    /// No answer to PING.
    case ping
    /// The peer sent what HTTP/2 forbids.
    case protocolError
    /// The peer reset streams, or asked for work, faster than is honest.
    case flood
    case lost

    package var word: String {
        switch self {
        case .idle: "idle"
        case .peer: "peer"
        case .certificate: "certificate"
        case .drained: "drained"
        case .maximumAge: "maximum_age"
        case .ping: "ping"
        case .protocolError: "protocol_error"
        case .flood: "flood"
        case .lost: "lost"
        }
    }
}

/// How a CONNECT was answered: by us as server, to us as client.
package enum ConnectAnswer: Int, Sendable, MetricLabel {
    case ok
    case badRequest
    case unauthorized
    case forbidden
    case methodNotAllowed
    case unavailable
    case otherStatus
    /// RST_STREAM or the tunnel's end instead of an answer.
    case reset
    case timeout

    package init(status: Int) {
        switch status {
        case 200: self = .ok
        case 400: self = .badRequest
        case 401: self = .unauthorized
        case 403: self = .forbidden
        case 405: self = .methodNotAllowed
        case 503: self = .unavailable
        default: self = .otherStatus
        }
    }

    package var word: String {
        switch self {
        case .ok: "200"
        case .badRequest: "400"
        case .unauthorized: "401"
        case .forbidden: "403"
        case .methodNotAllowed: "405"
        case .unavailable: "503"
        case .otherStatus: "other"
        case .reset: "reset"
        case .timeout: "timeout"
        }
    }
}

/// How a connection's bytes go.
package enum TrafficPath: Int, Sendable, MetricLabel {
    /// In a tunnel.
    case hbone
    /// As they came, to or from outside the mesh.
    case plain
    /// Between two workloads of this host, in the kernel.
    case sameHost

    package var word: String {
        switch self {
        case .hbone: "hbone"
        case .plain: "tcp"
        case .sameHost: "local"
        }
    }
}

/// Whom a TCP connect was for.
package enum ConnectTarget: Int, Sendable, MetricLabel {
    case application
    case tunnel
    case plain

    package var word: String {
        switch self {
        case .application: "application"
        case .tunnel: "tunnel"
        case .plain: "plain"
        }
    }
}

/// What a policy decided.
package enum PolicyDecision: Int, Sendable, MetricLabel {
    case allowed
    case denied

    package var word: String { self == .allowed ? "allowed" : "denied" }
}
