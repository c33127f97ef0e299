// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Kernel
internal import Loop
internal import Mesh
internal import Telemetry
internal import Tunnel

/// What is known of a connection from its first to its last moment, for metrics and the access log. Each connection has one, and closes it once.
struct Record {
    let direction: AccessLogRecord.Direction
    let source: SocketAddress
    let began: Instant
    private(set) var series: TrafficSeries?
    var destination: SocketAddress?
    var hboneAddress: String?
    var sourceIdentity: SPIFFEID?
    var destinationIdentity: SPIFFEID?
    var path = TrafficPath.plain
    var verdict: Verdict?
    var trace: String?
    /// As the snapshot of the connection's beginning had them: in a later one the workload may be another.
    private var sourceWorkload: MeshWorkload?
    private var destinationWorkload: MeshWorkload?
    private var service: MeshService?
    private var counted = Tally()

    init(_ direction: AccessLogRecord.Direction, source: SocketAddress, began: Instant) {
        self.direction = direction
        self.source = source
        self.began = began
    }

    /// Both ends are known as far as they will be: counts the connection as opened. Once.
    mutating func open(
        on worker: Worker, source: MeshWorkload?, destination: MeshWorkload?, service: MeshService?, security: ConnectionSecurity
    ) {
        guard series == nil else { return }
        (sourceWorkload, destinationWorkload, self.service) = (source, destination, service)
        let labels = TrafficLabels(
            reporter: direction == .outbound ? .source : .destination,
            source: source.map { worker.labels.peer($0) } ?? worker.labels.peer(sourceIdentity),
            destination: worker.labels.peer(destination), service: worker.labels.service(service), security: security)
        series = worker.metrics.open(labels)
        worker.metrics.began(path)
    }

    /// Counts what went by since the last time, so that long connections show in metrics while they live.
    mutating func account(on worker: Worker, _ tally: Tally) {
        guard let series else { return }
        let (received, sent) = (tally.received &- counted.received, tally.sent &- counted.sent)
        worker.metrics.add(received: Int(clamping: received), sent: Int(clamping: sent), to: series)
        // Within a host two records tell of the same bytes.
        if direction == .outbound || path != .sameHost { worker.metrics.spliced(Int(clamping: tally.spliced &- counted.spliced)) }
        counted = tally
    }

    /// The connection is over: counts it and writes its line.
    mutating func close(on worker: Worker, _ tally: Tally, _ failure: ConnectionFailure?) {
        let flag = failure.map(ResponseFlag.init) ?? .none
        if series == nil { open(on: worker, source: nil, destination: nil, service: nil, security: .unknown) }
        account(on: worker, tally)
        if let series = series.take() { worker.metrics.close(series, flag, now: worker.loop.now) }
        if failure?.kind == .reset { worker.metrics.wasReset() }
        guard worker.log.wantsAccess(failed: failure != nil) else { return }
        worker.log.access(line(tally, failure, flag))
    }

    private func line(_ tally: Tally, _ failure: ConnectionFailure?, _ flag: ResponseFlag) -> AccessLogRecord {
        var line = AccessLogRecord(
            time: WallTime.now(), direction: direction, duration: Instant.now().since(began), source: source)
        line.sourceWorkload = sourceWorkload?.workload.workloadName
        line.sourceNamespace = sourceWorkload?.workload.namespace ?? sourceIdentity?.namespace
        line.sourceIdentity = sourceIdentity?.description
        line.sourceCluster = sourceWorkload?.workload.clusterID
        line.destination = destination
        line.hboneAddress = hboneAddress
        line.destinationService = service?.service.hostname
        line.destinationWorkload = destinationWorkload?.workload.workloadName
        line.destinationNamespace = destinationWorkload?.workload.namespace
        line.destinationIdentity = destinationIdentity?.description
        line.destinationCluster = destinationWorkload?.workload.clusterID
        line.path = path
        line.bytesReceived = tally.received
        line.bytesSent = tally.sent
        line.flag = flag
        line.policy = failure?.policy
        if case .denied(.byRule(let rule)) = verdict { line.rule = "\(rule.rule)" }
        line.error = failure?.reason
        line.trace = trace
        return line
    }
}

extension ResponseFlag {
    init(_ failure: ConnectionFailure) {
        self =
            switch failure.kind {
            case .denied: .deny
            // With a status it was the CONNECT that asked for what can't be.
            case .noRoute: failure.status == nil ? .noEndpoint : .badRequest
            case .connect: .connect
            case .tls: .tlsFailure
            case .identity: .identityError
            case .http2, .flood: .http2HandshakeFailure
            case .refused: Self.refused(failure.status)
            case .limit: .limit
            case .timeout: .timeout
            case .reset, .notTaken, .tunnelLost: .reset
            case .shutdown: .shutdown
            }
    }

    /// The other side's answer to our CONNECT.
    private static func refused(_ status: Int?) -> ResponseFlag {
        switch status {
        case HBONE.Status.denied, 403: .deny
        case HBONE.Status.unavailable: .connect
        case HBONE.Status.badTarget, HBONE.Status.notConnect: .badRequest
        default: .http2HandshakeFailure
        }
    }
}
