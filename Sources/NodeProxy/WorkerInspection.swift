// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import HTTP
internal import Kernel
internal import Loop
internal import Mesh
internal import TLS
internal import Telemetry
internal import Tunnel

extension TunnelInfo {
    /// A tunnel that this host opened.
    init(outbound tunnel: TunnelConnection, _ key: TunnelKey, _ worker: Worker) {
        let shared = worker.workloads[key.source]?.shared
        self.init(
            tunnel, .client, workload: shared?.name ?? key.source, local: SocketAddress(key.sourceAddress, 0),
            identity: shared?.identity, worker)
    }

    /// A tunnel that ends here; nil once it has.
    init?(inbound: InboundTunnel, _ worker: Worker) {
        guard let tunnel = inbound.tunnel else { return nil }
        let shared = inbound.workload.shared
        let address = inbound.local ?? shared.addresses.first ?? .anyV4
        self.init(
            tunnel, .server, workload: shared.name, local: SocketAddress(address, HBONE.port), identity: shared.identity, worker)
    }

    private init(
        _ tunnel: TunnelConnection, _ side: TunnelSide, workload: String, local: SocketAddress, identity: SPIFFEID?,
        _ worker: Worker
    ) {
        self.init(
            id: UInt64(UInt(bitPattern: ObjectIdentifier(tunnel).hashValue)), side: side, workload: workload, local: local,
            remote: tunnel.remote, localIdentity: identity?.description ?? "", remoteIdentity: tunnel.peer?.identity.description,
            streams: tunnel.openStreams, opened: tunnel.streamsOpened, state: "\(tunnel.state)",
            age: worker.loop.now.since(tunnel.opened), received: tunnel.bytesReceived, sent: tunnel.bytesSent,
            cipher: tunnel.cipher,
            loop: worker.number)
    }
}

extension Token {
    /// The same number in the log, the CLI and the API while the connection lives.
    var number: UInt64 { UInt64(generation) << 32 | UInt64(slot) }
}

extension Baggage {
    /// What baggage says of a workload.
    init(_ workload: Workload) {
        self.init()
        cluster = workload.clusterID
        namespace = workload.namespace
        workloadKind =
            switch workload.kind {
            case .deployment: .deployment
            case .cronJob: .cronjob
            case .pod: .pod
            case .job: .job
            }
        workloadName = workload.workloadName
        service = workload.canonicalName
        revision = workload.canonicalRevision
        region = workload.locality?.region
        zone = workload.locality?.zone
    }
}

extension HandshakeResult {
    /// How a handshake ended, by the failure that ended the tunnel.
    init(_ failure: ConnectionFailure?) {
        guard let failure else {
            self = .ok
            return
        }
        switch failure.kind {
        case .timeout: self = .timeout
        case .http2, .flood: self = .preface
        case .tunnelLost: self = .closed
        case .identity, .tls: self.init(reason: failure.handshake)
        case .denied, .noRoute, .connect, .refused, .limit, .reset, .notTaken, .shutdown: self = .other
        }
    }

    private init(reason: String?) {
        self =
            switch reason {
            case "certificate_expired": .expired
            case "certificate_not_yet_valid": .notYetValid
            case "issuer_not_valid", "unknown_authority", "invalid_chain", "wrong_signature": .untrusted
            case "certificate_is_authority", "wrong_key_usage", "wrong_purpose": .badUsage
            case "no_identity", "several_identities", "malformed_identity": .badIdentity
            case "foreign_trust_domain": .wrongTrustDomain
            case "unexpected_identity", "no_expected_identity": .unexpectedIdentity
            case "no_certificate": .noCertificate
            case "not_tls": .plaintext
            case "protocol_version": .protocolVersion
            case "no_application_protocol": .noApplicationProtocol
            case "alert": .alert
            case "closed_in_handshake", "truncated": .closed
            default: .other
            }
    }
}

extension TunnelEnd {
    init(_ failure: ConnectionFailure?) {
        guard let failure else {
            self = .peer
            return
        }
        switch failure.kind {
        case .http2: self = .protocolError
        case .flood: self = .flood
        case .shutdown: self = .drained
        case .timeout: self = .ping
        case .denied, .noRoute, .connect, .tls, .identity, .refused, .limit, .reset, .notTaken, .tunnelLost: self = .lost
        }
    }
}

extension Worker {
    /// Every tunnel of this loop, for people who look.
    func describeTunnels() -> [TunnelInfo] {
        var all: [TunnelInfo] = []
        pool.forEach { key, tunnel in all.append(TunnelInfo(outbound: tunnel, key, self)) }
        for workload in workloads.values {
            for tunnel in workload.inboundTunnels.values { if let info = TunnelInfo(inbound: tunnel, self) { all.append(info) } }
        }
        return all
    }
}
