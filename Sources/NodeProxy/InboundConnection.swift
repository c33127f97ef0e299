// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Kernel
internal import Loop
internal import Mesh
internal import Telemetry
internal import Tunnel

/// A plaintext connection from outside towards a captured workload: judged without an identity, then relayed to the application from the client's
/// own address.
final class InboundConnection: ProxiedConnection {
    private enum State {
        case new
        case dialling(Dial)
        case relaying(SocketRelay)
        case over
    }

    let workload: WorkerWorkload
    let destination: WorkerWorkload? = nil
    let descriptors = 2
    private let worker: Worker
    private let target: SocketAddress
    private var state = State.new
    private var client: Descriptor?
    private var registration: Token?
    private var record: Record
    private let began: Instant

    /// The kernel says that it comes from a process of this host that `probes.allow` names: no policy is asked.
    private let isProbe: Bool

    init(
        _ worker: Worker, _ workload: WorkerWorkload, _ peer: SocketAddress, _ target: SocketAddress, isProbe: Bool = false
    ) {
        self.isProbe = isProbe
        self.worker = worker
        self.workload = workload
        self.target = target
        began = worker.loop.now
        record = Record(.inbound, source: peer, began: began)
        record.destination = target
        record.destinationIdentity = workload.shared.identity
    }

    func start(_ client: consuming Descriptor) {
        self.client = consume client
        registration = worker.register(self, path: .plain)
        open()
        if let denial = verdict(isFirst: true) {
            finish(denial)
            return
        }
        dial()
    }

    private func open() {
        let snapshot = worker.snapshot
        let id = snapshot.workload(uid: workload.shared.uid)
        let service = id.flatMap { snapshot.serviceHint(forInbound: $0, port: target.port) }
        // Who calls in plaintext is known by address only: good enough for a label, never for a decision.
        let source = snapshot.workload(at: record.source.ip, network: workload.shared.network)
        record.open(
            on: worker, source: source.map { snapshot[$0] }, destination: id.map { snapshot[$0] },
            service: service.map { snapshot[$0] }, security: .unknown)
    }

    private func verdict(isFirst: Bool) -> ConnectionFailure? {
        if isProbe { return nil }
        guard let id = worker.snapshot.workload(uid: workload.shared.uid) else {
            return ConnectionFailure(.shutdown, "the workload left the mesh")
        }
        let request = AuthorizationRequest(
            source: nil, sourceAddress: record.source.ip, destinationAddress: target.ip, destinationPort: target.port)
        let verdict = worker.snapshot.authorize(request, destination: id)
        record.verdict = verdict
        return worker.note(verdict, isFirst: isFirst)
    }

    private func dial() {
        do throws(Errno) {
            let socket = try worker.returningSocket(workload.shared, from: record.source.ip, to: target.ip)
            let dial = Dial(worker.loop, socket, waiter: self)
            state = .dialling(dial)
            dial.start(to: target, within: worker.settings.connectTimeout, nearby: true)
        } catch {
            dialFailed(.some(error))
        }
    }

    private var tally: Tally {
        if case .relaying(let relay) = state { relay.tally } else { Tally() }
    }

    private func finish(_ failure: ConnectionFailure?) {
        if case .over = state { return }
        let tally = tally
        if case .dialling(let dial) = state { dial.cancel() }
        state = .over
        client = nil
        record.close(on: worker, tally, failure)
        if let registration = registration.take() { worker.unregister(registration) }
    }

    func judge() {
        // A workload that left the mesh drains; its capture's end cuts what is left then.
        guard worker.snapshot.workload(uid: workload.shared.uid) != nil else { return }
        if let denial = verdict(isFirst: false) { cut(denial) }
    }

    func cut(_ failure: ConnectionFailure) {
        if case .relaying(let relay) = state { relay.cut(failure) } else { finish(failure) }
    }

    func account() { record.account(on: worker, tally) }

    func describe() -> ConnectionInfo {
        var isOpen = false
        if case .relaying = state { isOpen = true }
        return ConnectionInfo(
            id: registration?.number ?? 0, workload: workload.shared.name, direction: .inbound, local: target,
            remote: record.source,
            target: target.description, path: .plain, localIdentity: record.destinationIdentity?.description,
            received: tally.received, sent: tally.sent, age: worker.loop.now.since(began), policy: record.verdict?.policy,
            state: isOpen ? "open" : "connecting", loop: worker.number)
    }
}

extension InboundConnection: DialWaiter {
    func dialled(_ socket: consuming Descriptor) {
        guard case .dialling = state, let client = client.take() else { return }
        worker.metrics.connected(.application, took: Instant.now().since(began))
        let relay = SocketRelay(worker.relays, client: client, server: socket, owner: self)
        state = .relaying(relay)
        relay.start()
    }

    func dialFailed(_ cause: Errno?) { finish(worker.dialFailure(target, cause)) }
}

extension InboundConnection: RelayOwner {
    func relayEnded(_ failure: ConnectionFailure?) { finish(failure) }
}
