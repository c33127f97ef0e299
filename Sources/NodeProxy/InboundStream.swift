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

/// One CONNECT that arrived in a tunnel: judged by the certificate's identity, then carried to the application from the client's own address.
///
///     new ──400, 401, 405, 503──► over
///      └──► dialling ──200──► streaming ──► over
final class InboundStream: ProxiedConnection {
    private enum State {
        case new
        case dialling(Dial)
        case streaming
        case over
    }

    let workload: WorkerWorkload
    let destination: WorkerWorkload? = nil
    let descriptors = 1
    private let worker: Worker
    private let owner: InboundTunnel
    private let tunnel: TunnelConnection
    private let stream: Int32
    private var state = State.new
    private var relay: StreamRelay?
    private var target: SocketAddress?
    private var registration: Token?
    private var record: Record
    private let began: Instant

    init(
        _ worker: Worker, _ workload: WorkerWorkload, _ owner: InboundTunnel, _ tunnel: TunnelConnection, _ stream: Int32
    ) {
        self.worker = worker
        self.workload = workload
        self.owner = owner
        self.tunnel = tunnel
        self.stream = stream
        began = worker.loop.now
        record = Record(.inbound, source: tunnel.remote, began: began)
        record.path = .hbone
        record.sourceIdentity = tunnel.peer?.identity
        record.destinationIdentity = workload.shared.identity
    }

    func start(_ head: HTTP2RequestHead, local: IPAddress?) {
        // Asked before it counts itself.
        let limit = worker.limitReached(workload)
        registration = worker.register(self, path: .hbone)
        record.hboneAddress = InboundTarget.printable(head.authority)
        guard head.method == "CONNECT" else {
            refuse(
                HBONE.Status.notConnect,
                ConnectionFailure(
                    .noRoute, "the method is \(InboundTarget.printable(head.method)), not CONNECT",
                    status: HBONE.Status.notConnect))
            return
        }
        switch InboundTarget.resolve(head.authority, at: local, for: workload.shared.uid, in: worker.snapshot) {
        case .failure(let failure): refuse(HBONE.Status.badTarget, failure)
        case .success(let target):
            self.target = target
            record.destination = target
            open(head, target)
            if let limit {
                worker.metrics.refused(limit)
                refuse(HBONE.Status.unavailable, ConnectionFailure(.limit, "\(limit.word) is at its limit"))
            } else if let denial = verdict(target, isFirst: true) {
                refuse(HBONE.Status.denied, denial)
            } else {
                dial(target)
            }
        }
    }

    private func open(_ head: HTTP2RequestHead, _ target: SocketAddress) {
        let snapshot = worker.snapshot
        record.trace = head.headers["traceparent"].flatMap(TraceContext.init)?.traceID
        let id = snapshot.workload(uid: workload.shared.uid)
        let host = head.headers["forwarded"].flatMap(Forwarded.init)?.host
        let service = id.flatMap { snapshot.serviceHint(forInbound: $0, port: target.port, forwardedHost: host) }
        // The address names the workload only if its identity is the one in the certificate.
        let source = snapshot.workload(at: tunnel.remote.ip, network: workload.shared.network)
        let known = source.flatMap { snapshot[$0].identity == record.sourceIdentity ? $0 : nil }
        record.open(
            on: worker, source: known.map { snapshot[$0] }, destination: id.map { snapshot[$0] },
            service: service.map { snapshot[$0] }, security: .mutualTLS)
    }

    private func verdict(_ target: SocketAddress, isFirst: Bool) -> ConnectionFailure? {
        guard let id = worker.snapshot.workload(uid: workload.shared.uid) else {
            return ConnectionFailure(.shutdown, "the workload left the mesh")
        }
        let request = AuthorizationRequest(
            source: record.sourceIdentity, sourceAddress: tunnel.remote.ip, destinationAddress: target.ip,
            destinationPort: target.port)
        let verdict = worker.snapshot.authorize(request, destination: id)
        record.verdict = verdict
        return worker.note(verdict, isFirst: isFirst)
    }

    private func dial(_ target: SocketAddress) {
        let relay = StreamRelay(worker.relays, owner: self)
        self.relay = relay
        tunnel.accept(stream, relay)
        worker.metrics.streamOpened(.server)
        do throws(Errno) {
            let socket = try worker.returningSocket(workload.shared, from: tunnel.remote.ip, to: target.ip)
            let dial = Dial(worker.loop, socket, waiter: self)
            state = .dialling(dial)
            dial.start(to: target, within: worker.settings.connectTimeout, nearby: true)
        } catch {
            dialFailed(.some(error))
        }
    }

    private func refuse(_ status: Int, _ failure: ConnectionFailure) {
        worker.metrics.answered(.server, ConnectAnswer(status: status), took: Instant.now().since(began))
        tunnel.refuse(stream, status: status)
        owner.answeredInVain()
        finish(failure)
    }

    private var tally: Tally { relay?.tally(asClient: false) ?? Tally() }

    private func finish(_ failure: ConnectionFailure?) {
        if case .over = state { return }
        if case .dialling(let dial) = state { dial.cancel() }
        state = .over
        if relay != nil { worker.metrics.streamClosed(.server) }
        record.close(on: worker, tally, failure)
        if let registration = registration.take() { worker.unregister(registration) }
        relay = nil
    }

    func judge() {
        // A workload that left the mesh drains; its capture's end cuts what is left then.
        guard let target, worker.snapshot.workload(uid: workload.shared.uid) != nil else { return }
        if let denial = verdict(target, isFirst: false) { cut(denial) }
    }

    func cut(_ failure: ConnectionFailure) {
        if let relay { relay.cut(failure) } else { finish(failure) }
    }

    func account() { record.account(on: worker, tally) }

    func describe() -> ConnectionInfo {
        var isOpen = false
        if case .streaming = state { isOpen = true }
        return ConnectionInfo(
            id: registration?.number ?? 0, workload: workload.shared.name, direction: .inbound, local: target ?? record.source,
            remote: tunnel.remote, target: record.hboneAddress ?? "", path: .hbone,
            localIdentity: record.destinationIdentity?.description, remoteIdentity: record.sourceIdentity?.description,
            received: tally.received, sent: tally.sent, age: worker.loop.now.since(began), policy: record.verdict?.policy,
            state: isOpen ? "open" : "connecting", loop: worker.number)
    }
}

extension InboundStream: DialWaiter {
    func dialled(_ socket: consuming Descriptor) {
        guard case .dialling = state, let relay else { return }
        state = .streaming
        let took = Instant.now().since(began)
        worker.metrics.connected(.application, took: took)
        worker.metrics.answered(.server, .ok, took: took)
        tunnel.respond(stream, headers: worker.responseHeaders(workload))
        relay.begin(socket, hasSpoken: false)
    }

    func dialFailed(_ cause: Errno?) {
        let failure = worker.dialFailure(target, cause)
        worker.metrics.answered(.server, .unavailable, took: Instant.now().since(began))
        tunnel.refuse(stream, status: HBONE.Status.unavailable)
        owner.answeredInVain()
        finish(failure)
    }
}

extension InboundStream: StreamOwner {
    func streamAccepted(_ headers: HTTPHeaders) {}

    func streamEnded(_ failure: ConnectionFailure?) { finish(failure) }
}
