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

/// One data-path thread: the connections that it accepted, its tunnels, its copy of what the node knows.
///
/// Everything here lives and dies on its loop; the node speaks to it by messages. It never waits and never takes a lock.
final class Worker {
    let number: Int
    let loop: Loop
    let settings: WorkerSettings
    let log: Log
    let metrics: MetricShard
    let windows: WindowBudget
    let relays: RelayContext
    private let fleet: WorkerFleet
    let node: Mailbox<NodeMessage>
    var standing: StandingPlace

    private(set) var snapshot = MeshSnapshot.empty
    private(set) var labels = LabelCache()
    private(set) var workloads: [String: WorkerWorkload] = [:]
    private(set) var connections = Slots<any ProxiedConnection>()
    private(set) lazy var pool = TunnelPool(settings: settings.tunnel, dialer: self)
    private var isShuttingDown = false
    /// Another daemon accepts, until `serve`.
    private var isWaiting: Bool
    private(set) var descriptorsInUse = 0
    private var probeListeners: [ProbeListener] = []
    var mailbox: Mailbox<WorkerMessage> { fleet.mailbox(of: number) }
    /// TLS handshakes under way that peers began, and tunnels that they have here.
    var handshakes = 0
    let peers: PeerLedger
    var tunnelLines = LogQuota()
    var refusalLines = LogQuota()
    var inboundTunnels = 0 {
        didSet {
            fleet.carries(inboundTunnels, .tunnels, worker: number)
            if inboundTunnels == 0 { tellIfIdle() }
        }
    }
    var random = RandomStore()

    init(
        number: Int, settings: WorkerSettings, log: Log, fleet: WorkerFleet, node: Mailbox<NodeMessage>, waits: Bool = false
    ) throws(Errno) {
        isWaiting = waits
        self.number = number
        self.settings = settings
        self.log = log
        self.fleet = fleet
        self.node = node
        loop = try Loop(pace: settings.pace)
        standing = try StandingPlace()
        metrics = MetricShard(number: number, options: settings.metrics)
        peers = PeerLedger(settings.peers)
        windows = WindowBudget(bytes: settings.tunnel.windowBudget, held: settings.tunnel.heldBudget)
        relays = RelayContext(
            loop: loop, bounds: settings.tunnel, windows: windows, pipes: PipePool(limit: settings.splicePipes, loop: loop))
        windows.onRefusal = { [unowned self] in metrics.refused(.heldBytes) }
        try mailbox.attach(to: loop) { [unowned self] in receive($0) }
    }

    func run() { loop.run() }

    private func receive(_ message: WorkerMessage) {
        switch message {
        case .snapshot(let snapshot): adopt(snapshot)
        case .enrol(let shared, let credential): enrol(shared, credential)
        case .replace(let shared, let credential): replace(shared, credential)
        case .renew(let uid, let credential): renew(uid, credential)
        case .drain(let uid, let retiring): drain(uid, retiring: retiring)
        case .resume(let uid): workloads[uid]?.isDraining = false
        case .remove(let uid, let failure): remove(uid, failure)
        case .passed(let connection): passed(connection)
        case .probes(let listeners): watch(listeners)
        case .census: node.send(.census(worker: number, open: workloads.mapValues(\.open), tunnels: inboundTunnels + pool.count))
        case .metrics:
            connections.giveBack()
            loop.giveBack()
            connections.forEach { _, connection in connection.account() }
            node.send(.metrics(worker: number, metrics.snapshot(now: loop.now)))
        case .connections: node.send(.connections(worker: number, describeConnections()))
        case .tunnels: node.send(.tunnels(worker: number, describeTunnels()))
        case .serve: serve()
        case .handedOver(let workloads): handedOver(workloads)
        case .confirmIdle(let round): node.send(.stillIdle(worker: number, round: round, isIdle))
        case .shutdown: shutdown()
        case .halt: halt()
        }
    }
}

// MARK: - What the node says

extension Worker {
    private func adopt(_ new: MeshSnapshot) {
        let old = snapshot
        snapshot = new
        labels = LabelCache()
        // First what must not be judged by anything else.
        if new.evicted != old.evicted { cutEvicted() }
        connections.forEach { _, connection in connection.judge() }
        node.send(.returned(old))
    }

    private func enrol(_ shared: EnrolledWorkload, _ credential: WorkloadCredential) {
        let workload = WorkerWorkload(shared, credential, loop.makeTenant())
        workloads[shared.uid] = workload
        if !isWaiting { listen(workload) }
    }

    private func listen(_ workload: WorkerWorkload) {
        guard let listeners = workload.shared.place.listeners else { return }
        for port in WorkloadListener.Port.allCases {
            let listener = WorkloadListener(port, listeners, workload, worker: self)
            do throws(Errno) {
                try listener.start()
                workload.listeners.append(listener)
            } catch {
                log.error("can't watch a listener of \(workload.shared.name): \(error)")
            }
        }
    }

    private func serve() {
        isWaiting = false
        for workload in workloads.values { listen(workload) }
    }

    private func handedOver(_ changed: [EnrolledWorkload]) {
        shutdown()
        for shared in changed {
            guard let workload = workloads[shared.uid] else { continue }
            workload.replace(shared, workload.credential)
        }
        stopProbes()
    }

    private func renew(_ uid: String, _ credential: WorkloadCredential) {
        guard let workload = workloads[uid] else { return }
        workload.credential = credential
        retireTunnels(of: workload)
    }

    private func replace(_ shared: EnrolledWorkload, _ credential: WorkloadCredential) {
        guard let workload = workloads[shared.uid] else { return }
        workload.replace(shared, credential)
        retireTunnels(of: workload)
    }

    /// No new stream on what was made with an old certificate; open ones finish (I09).
    private func retireTunnels(of workload: WorkerWorkload) {
        pool.retire(source: workload.shared.uid)
        for tunnel in workload.inboundTunnels.values { tunnel.retire() }
    }

    private func drain(_ uid: String, retiring: Bool) {
        guard let workload = workloads[uid] else { return }
        workload.isDraining = true
        if retiring { retireTunnels(of: workload) }
    }

    private func remove(_ uid: String, _ failure: ConnectionFailure) {
        guard let workload = workloads.removeValue(forKey: uid) else { return }
        // A thread that stands in a namespace keeps it.
        standing.goHome()
        for listener in workload.listeners { listener.stop() }
        // Listeners and workload hold each other, and together the listening sockets and the namespace.
        workload.listeners = []
        connections.forEach { _, connection in
            if connection.workload === workload || connection.destination === workload { connection.cut(failure) }
        }
        for tunnel in workload.inboundTunnels.values { tunnel.close(failure) }
        pool.close(source: uid, failure)
    }

    /// Listeners close with the process; until then what they queue is for the process that follows.
    private func shutdown() {
        isShuttingDown = true
        for workload in workloads.values {
            for listener in workload.listeners { listener.stop() }
            workload.listeners = []
            for tunnel in workload.inboundTunnels.values { tunnel.retire() }
        }
        pool.retireAll()
        tellIfIdle()
    }

    private func halt() {
        let failure = ConnectionFailure(.shutdown, "warrend is ending")
        for uid in Array(workloads.keys) { remove(uid, failure) }
        loop.stop()
    }

    func tellIfIdle() { if isIdle { node.send(.idle(worker: number)) } }

    /// A connection's last bytes may still be in its tunnel: the tunnels say goodbye by themselves.
    private var isIdle: Bool { isShuttingDown && connections.count == 0 && pool.isEmpty && inboundTunnels == 0 }
}

// MARK: - Connections

extension Worker {
    /// A fresh connection at one of the workload's listeners: for this loop, or for one that has less to do. After that it never moves.
    func arrived(_ accepted: consuming Accepted, at port: WorkloadListener.Port, for workload: WorkerWorkload) {
        arrives(workload, port)
        if let other = fleet.lessBusy(than: number, port == .hbone ? .tunnels : .connections) {
            other.send(.passed(PassedConnection(accepted, at: port, uid: workload.shared.uid)))
        } else {
            self.accepted(accepted, at: port, for: workload)
        }
    }

    /// What a connection costs of the workload's pace. Whether a tunnel is let in is for it to say.
    private func arrives(_ workload: WorkerWorkload, _ port: WorkloadListener.Port) {
        if port == .hbone { loop.turnedAway(workload.tenant, .tunnel) } else { loop.began(workload.tenant, port.beginning) }
    }

    private func passed(_ connection: PassedConnection) {
        // Its workload may be gone by now: nobody takes it then. Accepted is accepted: also in a daemon that accepts no more.
        guard let workload = workloads[connection.uid], let accepted = connection.take() else { return }
        arrives(workload, connection.port)
        self.accepted(accepted, at: connection.port, for: workload)
    }

    /// A connection for one of the workload's listeners.
    func accepted(_ accepted: consuming Accepted, at port: WorkloadListener.Port, for workload: WorkerWorkload) {
        let peer = accepted.peer
        loop.work(for: workload.tenant)
        switch port {
        case .hbone:
            InboundTunnel(self, workload, peer).start(accepted.take())
        case .outbound, .inbound:
            guard let destination = destination(of: accepted.descriptor, at: port, peer, workload.shared) else {
                refuse(
                    .notRedirected,
                    "\(peer) at \(workload.shared.name): a direct call to a port that serves captured connections only")
                return
            }
            if let refusal = limitReached(workload) {
                refuse(refusal, "a connection of \(workload.shared.name): \(refusal.word) is at its limit")
                return
            }
            switch port {
            case .outbound: OutboundConnection(self, workload, peer, destination).start(accepted.take())
            case .inbound: InboundConnection(self, workload, peer, destination).start(accepted.take())
            case .hbone: break
            }
        }
    }

    /// Where a captured connection was going. What leaves the workload is handed to us as it is, so our end's address says it; what arrives
    /// was redirected, and the kernel remembers. Nil for a direct call: it would come back to us.
    private func destination(
        of socket: borrowing Descriptor, at port: WorkloadListener.Port, _ peer: SocketAddress, _ workload: EnrolledWorkload
    ) -> SocketAddress? {
        switch port {
        case .outbound:
            guard let local = socket.localAddress() else { return nil }
            // The port that was dialled is kept, so our own means a call to ourselves, at whatever address.
            let isOurs = local.port == HBONE.outboundPort || local.ip.isLoopback || workload.addresses.contains(local.ip)
            return isOurs ? nil : local
        case .inbound, .hbone:
            guard let original = socket.originalDestination(peer.ip.family) else { return nil }
            return HBONE.isOwnPort(original.port) ? nil : original
        }
    }

    private func watch(_ listeners: ProbeListeners) {
        for family in [IPAddress.Family.v4, .v6] {
            let listener = ProbeListener(self, listeners, family)
            do throws(Errno) {
                try listener.start()
                probeListeners.append(listener)
            } catch {
                log.error("can't watch the probes' listener: \(error)")
            }
        }
    }

    private func stopProbes() {
        for listener in probeListeners { listener.stop() }
        probeListeners = []
    }

    /// A connection that the rules for probes redirected. Whoever calls the port directly has no destination and is refused.
    func probed(_ accepted: consuming Accepted) {
        let peer = accepted.peer
        guard let target = accepted.descriptor.originalDestination(peer.ip.family),
            let workload = workloads.values.first(where: { $0.shared.addresses.contains(target.ip) }),
            !HBONE.isOwnPort(target.port)
        else {
            metrics.refused(.notRedirected)
            return
        }
        InboundConnection(self, workload, peer, target, isProbe: true).start(accepted.take())
    }

    func register(_ connection: any ProxiedConnection, path: TrafficPath) -> Token {
        connection.workload.open += 1
        connection.workload.descriptors += connection.descriptors
        descriptorsInUse += connection.descriptors
        let token = connections.insert(connection)
        fleet.carries(connections.count, .connections, worker: number)
        return token
    }

    func unregister(_ token: Token) {
        if let connection = connections.remove(token) {
            connection.workload.open -= 1
            connection.workload.descriptors -= connection.descriptors
            descriptorsInUse -= connection.descriptors
            fleet.carries(connections.count, .connections, worker: number)
        }
        tellIfIdle()
    }

    private func describeConnections() -> [ConnectionInfo] {
        var all: [ConnectionInfo] = []
        connections.forEach { _, connection in
            // What nobody would see costs the traffic nothing.
            if all.count < AdminDocument.maximumRows { all.append(connection.describe()) }
        }
        return all
    }
}

// MARK: - Tunnels of our own

extension Worker: TunnelDialer {
    func dial(_ key: TunnelKey, owner: any TunnelOwner) -> Result<TunnelConnection, ConnectionFailure> {
        guard let workload = workloads[key.source] else {
            return .failure(ConnectionFailure(.shutdown, "the workload is no longer captured here"))
        }
        guard workload.credential.credential.notAfter > WallTime.now().seconds else {
            metrics.handshake(.client, .noOwnCertificate, took: .zero)
            // Of the kind that is tried again: it is being renewed.
            return .failure(ConnectionFailure(.connect, "the certificate of \(workload.shared.identity) has expired"))
        }
        do throws(Errno) {
            let socket = try leavingSocket(workload.shared, key.remote.ip.family, from: key.sourceAddress)
            _ = try socket.connect(to: key.remote)
            let tls = TLSSession(connecting: workload.credential.client, expecting: Set(key.accepted))
            let tunnel = TunnelConnection(
                role: .client, loop: loop, settings: settings.tunnel, socket: socket, remote: key.remote, tls: tls,
                http2: settings.clientHTTP2, owner: owner)
            tunnel.expires = workload.credential.credential.notAfter
            tunnel.holder = workload.held
            return .success(tunnel)
        } catch {
            return .failure(ConnectionFailure(.connect, "connecting to \(key.remote): \(error)"))
        }
    }

    func dialEnded(_ key: TunnelKey, _ tunnel: TunnelConnection, _ failure: ConnectionFailure?) {
        metrics.handshake(.client, HandshakeResult(failure), took: tunnel.handshakeTime ?? .zero)
        if let failure {
            log.debug("no tunnel from \(key.source) to \(key.remote): \(failure.reason)")
        } else {
            metrics.tunnelOpened(.client)
        }
    }

    func tunnelEnded(_ key: TunnelKey, _ failure: ConnectionFailure?, wasOpen: Bool) {
        if wasOpen { metrics.tunnelClosed(.client, TunnelEnd(failure)) }
        tellIfIdle()
    }
}
