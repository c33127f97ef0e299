// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import HTTP
internal import Kernel
internal import Loop
internal import Mesh
internal import Telemetry
internal import Tunnel

/// A connection that a captured workload opened, from its redirection to its end.
///
///     routing ─┬─► tunnelling ──► asking ──200──► carried (stream) ──► over
///              ├─► dialling (plain, same host) ──► carried (sockets) ──►
///              └─◄─ resting ◄── every way failed, time is left
///
/// Nothing of the application is sent before the other end is reached, so every attempt before that may be repeated elsewhere (I13), all within one
/// deadline. A destination that the mesh calls HBONE is never dialled in plain: refused, it is tried again until the deadline (I01). The
/// listener that accepted says whose connection it is; nothing that the application sends is asked.
final class OutboundConnection: ProxiedConnection {
    enum State {
        case routing
        case tunnelling(TunnelKey)
        case asking(StreamRelay, Token)
        case dialling(Dial)
        case resting(Token)
        case streaming(StreamRelay)
        case relaying(SocketRelay)
        case over
    }

    enum Tag {
        static let deadline: UInt32 = 0
        static let rest: UInt32 = 1
        static let reply: UInt32 = 2
    }

    let workload: WorkerWorkload
    var destination: WorkerWorkload? { attempt.local }
    /// In a tunnel it has one, plainly or within the host two. One is counted: what is plain has its own bound in the kernel's ports.
    let descriptors = 1
    let worker: Worker
    let original: SocketAddress
    var state = State.routing
    var application: Descriptor?
    var registration: Token?
    var deadline: Token?
    var record: Record
    /// The destination of the attempt that runs: where it leads, and what carries it.
    var attempt = Attempt()
    var tried: [EndpointKey] = []
    var lastFailure: ConnectionFailure?
    var hasRepeatedStream = false
    var rests = 0

    struct Attempt {
        var destination: SocketAddress?
        var workload: MeshWorkload?
        var service: MeshService?
        /// Set when the destination is a captured workload of this host.
        var local: WorkerWorkload?
        /// The tunnel that was asked.
        var tunnel: TunnelConnection?
        var began = Instant(nanoseconds: 0)
    }

    /// The destination's side of a connection within this host: its own line and its own counters. Most connections have none.
    final class Arrival {
        var record: Record
        init(_ record: Record) { self.record = record }
    }

    var arrival: Arrival?

    init(_ worker: Worker, _ workload: WorkerWorkload, _ peer: SocketAddress, _ original: SocketAddress) {
        self.worker = worker
        self.workload = workload
        self.original = original
        record = Record(.outbound, source: peer, began: worker.loop.now)
        record.destination = original
        record.sourceIdentity = workload.shared.identity
    }

    func start(_ application: consuming Descriptor) {
        self.application = consume application
        registration = worker.register(self, path: .plain)
        deadline = worker.loop.arm(worker.settings.reachTimeout, self, tag: Tag.deadline)
        route()
    }

    var source: MeshWorkload? { worker.snapshot.workload(uid: workload.shared.uid).map { worker.snapshot[$0] } }

    // MARK: - Routing

    func route() {
        state = .routing
        forgetAttempt()
        attempt.began = Instant.now()
        let route = worker.snapshot.route(to: original, from: source?.id, random: &worker.random, excluding: tried)
        switch route {
        case .refused(.allEndpointsTried): rest()
        case .refused(let refusal):
            // The line names the service that has nothing to offer.
            attempt.service = worker.snapshot.service(at: original.ip, from: source?.id).map { worker.snapshot[$0] }
            finish(lastFailure ?? ConnectionFailure(.noRoute, refusal.reason))
        case .passthrough(let address): dialPlain(address)
        case .plain(let address, let workload, let service):
            aim(at: workload, service)
            dialPlain(address)
        case .tunnel(let id, let address, let service, let accepted):
            aim(at: id, service)
            reach(id, address, accepted)
        }
    }

    /// A destination of this host counts the connection too, and ends it when it goes.
    func forgetAttempt() {
        attempt.local?.open -= 1
        attempt = Attempt()
    }

    /// Keeps what was chosen: its place in this snapshot would mean something else in the next.
    func aim(at workload: WorkloadID, _ service: ServiceID?) {
        attempt.workload = worker.snapshot[workload]
        attempt.service = service.map { worker.snapshot[$0] }
    }

    func reach(_ id: WorkloadID, _ address: SocketAddress, _ accepted: [SPIFFEID]) {
        attempt.destination = address
        guard !HBONE.isOwnPort(address.port) else {
            worker.metrics.refused(.loop)
            finish(ConnectionFailure(.noRoute, "port \(address.port) belongs to the mesh, not to an application"))
            return
        }
        record.destinationIdentity = worker.snapshot[id].identity
        let local = worker.workloads[worker.snapshot[id].workload.uid]
        if let local, !worker.settings.tunnelsOnSameHost {
            reachLocally(local, id, address)
        } else {
            tunnel(to: address, network: worker.snapshot[id].workload.network, accepted)
        }
    }

    // MARK: - Tunnels

    func tunnel(to address: SocketAddress, network: String, _ accepted: [SPIFFEID]) {
        record.path = .hbone
        guard let sourceAddress = sourceAddress(address.ip.family) else {
            finish(ConnectionFailure(.noRoute, "the workload has no address of the family of \(address.ip)"))
            return
        }
        let remote = SocketAddress(address.ip, HBONE.port)
        record.hboneAddress = address.description
        record.destination = remote
        let key = TunnelKey(
            source: workload.shared.uid, sourceNamespace: workload.shared.place.namespace.identity, sourceAddress: sourceAddress,
            remote: remote, network: network, accepted: accepted)
        state = .tunnelling(key)
        worker.pool.acquire(key, wallSeconds: WallTime.now().seconds, for: self)
    }

    func sourceAddress(_ family: IPAddress.Family) -> IPAddress? {
        let addresses = workload.shared.addresses
        return addresses.contains(record.source.ip) && record.source.ip.family == family
            ? record.source.ip : addresses.first { $0.family == family }
    }

    func head(for destination: SocketAddress) -> HTTP2RequestHead {
        var headers = source.map { worker.labels.baggage($0) } ?? [:]
        // `traceparent` has 66 bytes; `forwarded` has two addresses or a service's name.
        headers.reserve(fields: 2, bytes: 192)
        let host = attempt.service?.service.hostname
        headers.append("forwarded", Forwarded(source: record.source, host: host).description)
        let trace = TraceContext.make(random: &worker.random)
        record.trace = trace.traceID
        headers.append("traceparent", trace.description)
        let authority = record.hboneAddress ?? destination.description
        return HTTP2RequestHead(method: "CONNECT", authority: authority, headers: headers)
    }

    // MARK: - Plain, and within the host

    func dialPlain(_ address: SocketAddress) {
        record.path = .plain
        record.destination = address
        attempt.destination = address
        guard !isOwnListener(address) else {
            worker.metrics.refused(.loop)
            finish(ConnectionFailure(.noRoute, "\(address) is where warrend itself listens"))
            return
        }
        do throws(Errno) {
            let socket = try worker.leavingSocket(workload.shared, address.ip.family, from: record.source.ip)
            dial(socket, address)
        } catch {
            failed(.some(error))
        }
    }

    /// What is redirected to 15001 and 15006 comes back to us; 15008 at the workload's own addresses too.
    func isOwnListener(_ address: SocketAddress) -> Bool {
        let isOwnAddress = address.ip.isLoopback || workload.shared.addresses.contains(address.ip)
        return HBONE.isOwnPort(address.port) && (address.port != HBONE.port || isOwnAddress)
    }

    /// Both workloads are of this host: the destination's policies are asked here, with the identity that the kernel attests.
    func reachLocally(_ local: WorkerWorkload, _ id: WorkloadID, _ address: SocketAddress) {
        record.path = .sameHost
        record.destination = address
        attempt.local = local
        local.open += 1
        var arrival = Record(.inbound, source: record.source, began: record.began)
        arrival.destination = address
        arrival.path = .sameHost
        arrival.sourceIdentity = workload.shared.identity
        arrival.destinationIdentity = local.shared.identity
        arrival.open(on: worker, source: source, destination: attempt.workload, service: attempt.service, security: .mutualTLS)
        self.arrival = Arrival(arrival)
        if let denial = judgeArrival(id, address, isFirst: true) {
            finish(denial)
            return
        }
        do throws(Errno) {
            let socket = try worker.returningSocket(local.shared, from: record.source.ip, to: address.ip)
            dial(socket, address)
        } catch {
            failed(.some(error))
        }
    }

    func judgeArrival(_ id: WorkloadID, _ address: SocketAddress, isFirst: Bool) -> ConnectionFailure? {
        let request = AuthorizationRequest(
            source: workload.shared.identity, sourceAddress: record.source.ip, destinationAddress: address.ip,
            destinationPort: address.port)
        let verdict = worker.snapshot.authorize(request, destination: id)
        arrival?.record.verdict = verdict
        record.verdict = verdict
        return worker.note(verdict, isFirst: isFirst)
    }

    func dial(_ socket: consuming Descriptor, _ address: SocketAddress) {
        let dial = Dial(worker.loop, socket, waiter: self)
        state = .dialling(dial)
        dial.start(to: address, within: worker.settings.connectTimeout, nearby: record.path == .sameHost)
    }

    // MARK: - Failures and further attempts

    func failed(_ cause: Errno?) {
        let target = attempt.destination.map(\.description) ?? "the destination"
        let why = cause.map(\.description) ?? "no answer within \(worker.settings.connectTimeout.seconds) s"
        if cause == .addressNotAvailable { worker.metrics.refused(.sourcePorts) }
        let kind: ConnectionFailure.Kind = cause == nil ? .timeout : cause == .addressNotAvailable ? .limit : .connect
        tryElsewhere(ConnectionFailure(kind, "connecting to \(target): \(why)"))
    }

    /// The next endpoint of the service, if there is one that wasn't tried.
    func tryElsewhere(_ failure: ConnectionFailure) {
        lastFailure = failure
        if let arrival = arrival.take() { close(arrival.record, Tally(), failure) }
        let isTunnelled = record.path == .hbone && failure.kind != .refused
        if attempt.service != nil, let destination = attempt.destination {
            tried.append(destination)
            worker.metrics.endpointRetried()
            route()
        } else if isTunnelled, failure.kind == .connect || failure.kind == .tunnelLost || failure.kind == .notTaken {
            rest()
        } else {
            finish(failure)
        }
    }

    /// Every way failed. A tunnel's end may only just be coming up: the label was set on this host a moment before the other. So it is tried
    /// again within the time that a connect may take, and never in plain (I01).
    func rest() {
        let isInTime = Instant.now().since(record.began) < worker.settings.connectTimeout
        guard record.path == .hbone, lastFailure?.kind != .refused, isInTime else {
            finish(lastFailure ?? ConnectionFailure(.noRoute, "no endpoint could be reached"))
            return
        }
        tried.removeAll()
        let pause = Interval.milliseconds(min(1000, 50 << UInt64(min(rests, 5))))
        rests += 1
        state = .resting(worker.loop.arm(pause, self, tag: Tag.rest))
    }

    // MARK: - The end

    var tally: Tally {
        switch state {
        case .streaming(let relay): relay.tally(asClient: true)
        case .relaying(let relay): relay.tally
        case .routing, .tunnelling, .asking, .dialling, .resting, .over: Tally()
        }
    }

    func reached(_ security: ConnectionSecurity) {
        if let deadline = deadline.take() { worker.loop.cancel(deadline) }
        let target: ConnectTarget = record.path == .hbone ? .tunnel : record.path == .sameHost ? .application : .plain
        worker.metrics.connected(target, took: Instant.now().since(attempt.began))
        record.open(on: worker, source: source, destination: attempt.workload, service: attempt.service, security: security)
    }

    func finish(_ failure: ConnectionFailure?) {
        let tally = tally
        if case .over = state { return }
        release()
        state = .over
        application = nil
        if record.series == nil {
            let security: ConnectionSecurity = record.path == .plain ? .unknown : .mutualTLS
            record.open(on: worker, source: source, destination: attempt.workload, service: attempt.service, security: security)
        }
        close(record, tally, failure)
        if let arrival = arrival.take() { close(arrival.record, tally, failure) }
        attempt.local?.open -= 1
        attempt.local = nil
        attempt.tunnel = nil
        if let registration = registration.take() { worker.unregister(registration) }
    }

    func close(_ record: Record, _ tally: Tally, _ failure: ConnectionFailure?) {
        var record = record
        record.close(on: worker, tally, failure)
    }

    func release() {
        if let deadline = deadline.take() { worker.loop.cancel(deadline) }
        switch state {
        case .tunnelling(let key): worker.pool.forget(self, key: key)
        case .asking(_, let timer), .resting(let timer): worker.loop.cancel(timer)
        case .dialling(let dial): dial.cancel()
        case .routing, .streaming, .relaying, .over: break
        }
    }
}
