// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Kernel
internal import Loop
internal import Mesh
internal import TLS
internal import Telemetry
internal import Tunnel

/// The host's side of everything that isn't traffic: mesh, enrolment, certificates, signals, metrics, the admin API. It owns the workers and speaks to
/// them by messages; what blocks it leaves to its errands. Lives on its own loop, on the program's first thread.
final class Node {
    let configuration: DaemonConfiguration
    let log: Log
    let loop: Loop
    let metrics = MetricShard(number: -1)
    let registry: MetricRegistry
    let logWriter: LogWriter
    let started = WallTime.now()
    private let began = Instant.now()
    let workers: [Mailbox<WorkerMessage>]
    private let inbox: Mailbox<NodeMessage>
    private let errands: Errands
    private(set) lazy var enrolment = Enrolment(node: self)
    private(set) lazy var hostGuard = HostGuard(node: self)
    private(set) lazy var probes = ProbeGate(node: self)
    /// The mesh from files on this host; nil with a control plane.
    private(set) lazy var files = control == nil ? MeshKeeper(node: self) : nil
    /// Nil: mesh and certificates are made on this host.
    private(set) var control: ControlClient?
    private lazy var controlWork = ControlWork(node: self)
    private(set) lazy var census = Census(node: self)
    /// The CA on this host; nil with a control plane.
    private(set) var authority: Authority?
    private(set) var readiness = ReadinessState(pending: [Pending.mesh, Pending.workloads])
    private(set) var isLeaving = false
    /// systemd, where that started us.
    private let notify = ServiceNotify { path, bytes in try? UnixSocket.send(bytes, to: path) }
    private var hasReleasedLeftovers = false
    private var idleWorkers: Set<Int> = []
    private var exitCode: CInt = 0
    private var timers: [NodeTimer] = []

    private enum Pending {
        static let mesh = "mesh"
        static let workloads = "workloads"
    }

    init(
        configuration: DaemonConfiguration, authority: Authority?, log: Log, logWriter: LogWriter, loop: Loop,
        inbox: Mailbox<NodeMessage>, workers: [Mailbox<WorkerMessage>]
    ) throws(Errno) {
        self.configuration = configuration
        self.authority = authority
        self.log = log
        self.logWriter = logWriter
        self.loop = loop
        self.inbox = inbox
        self.workers = workers
        registry = MetricRegistry(
            options: MetricOptions(maximumSeries: configuration.metrics.maximumSeries, idle: configuration.metrics.idle))
        errands = try Errands()
        try inbox.attach(to: loop) { [unowned self] in receive($0) }
    }

    var captureDirectory: String { "\(configuration.runDirectory)/capture" }
    var uptime: Interval { Instant.now().since(began) }

    /// The mesh and certificates come from there. Before `run`.
    func use(_ control: ControlClient) { self.control = control }

    // MARK: - Messages

    private func receive(_ message: NodeMessage) {
        switch message {
        case .census(let worker, let open): enrolment.counted(worker: worker, open: open, workers: workers.count)
        case .metrics(let worker, let snapshot):
            registry.absorb(snapshot, now: loop.now)
            census.answered(worker, .metrics)
        case .connections(let worker, let connections): census.answered(worker, .connections(connections))
        case .tunnels(let worker, let tunnels): census.answered(worker, .tunnels(tunnels))
        case .returned(let snapshot):
            // Freeing a large mesh takes time; the errands have it.
            errands.run { withExtendedLifetime(snapshot) {} }
        case .idle(let worker):
            idleWorkers.insert(worker)
            if isLeaving, idleWorkers.count == workers.count { end() }
        case .done(let body): body(self)
        }
    }

    func tell(_ message: WorkerMessage) { for worker in workers { worker.send(message) } }

    /// Runs the work where it may block and the rest here with its result.
    func errand<Result: Sendable>(
        _ work: @escaping @Sendable () -> Result, then: @escaping @Sendable (Node, Result) -> Void
    ) {
        let inbox = inbox
        errands.run {
            let result = work()
            inbox.send(.done { node in then(node, result) })
        }
    }

    /// The same for those who live on this loop: what follows isn't sent anywhere.
    func work<Result: Sendable>(_ work: @escaping @Sendable () -> Result, then: @escaping (Result) -> Void) {
        controlWork.run(work, then: then)
    }

    func finished(_ number: UInt64, _ result: any Sendable) { controlWork.finished(number, result) }

    // MARK: - Life

    /// Begins everything and serves until told to end. Returns the program's exit code.
    func run(signals: consuming SignalDescriptor) throws(Errno) -> CInt {
        let signals = try SignalSource(signals, node: self)
        let namespaces = try NamespaceWatch(node: self)
        try mesh?.start()
        control?.start()
        every(.seconds(1)) { node in
            if node.enrolment.isDraining { node.tell(.census) }
            node.enrolment.renewDue()
            node.control?.identity.renewIfDue()
        }
        every(configuration.capture.checkInterval) { $0.enrolment.verify() }
        // So that series expire though nobody scrapes, and refused workloads are tried again.
        every(.seconds(5)) { node in
            node.reconcile()
            node.probes.update()
        }
        every(.seconds(30)) { node in
            node.tell(.metrics)
            // What a burst took goes back to the system.
            node.errands.run { Limits.trimMemory() }
        }
        if let interval = notify?.watchdogInterval {
            // Fed only when every loop turned since.
            every(interval) { node in
                node.census.metrics { isComplete in if isComplete { node.notify?.alive() } }
            }
        }
        loop.run()
        withExtendedLifetime((signals, namespaces)) {}
        return exitCode
    }

    private func every(_ interval: Interval, _ body: @escaping (Node) -> Void) {
        timers.append(NodeTimer(interval, node: self, body))
    }

    func reload() {
        log.info("reading the mesh and the CA again")
        mesh?.changed()
        if let control {
            control.identity.reload()
            control.keeper.tryNow()
            return
        }
        let configuration = configuration
        errand {
            Authority.load(configuration)
        } then: { node, result in
            switch result {
            case .success(let authority):
                guard authority != node.authority else { break }
                node.authority = authority
                node.log.info("the CA changed: every certificate is made anew")
                node.enrolment.renewAll()
            case .failure(let failure): node.log.error("the CA as it was goes on: \(failure)")
            }
        }
    }

    /// Lets what is open finish, within the drain's bound, and ends. Capture stays (I07).
    func leave() {
        guard !isLeaving else { return end() }
        isLeaving = true
        notify?.stopping()
        readiness.waits(for: "shutdown")
        enrolment.stopListening()
        log.info("ending: no new connections; open ones have \(configuration.timeouts.drain.seconds) s")
        tell(.shutdown)
        let limit = configuration.timeouts.drain
        timers.append(NodeTimer(limit, node: self) { $0.end() })
    }

    private func end() {
        tell(.halt)
        loop.stop()
    }

    // MARK: - Mesh

    private var mesh: (any MeshSource)? { control?.mesh ?? files }

    /// The mesh in use.
    var snapshot: MeshSnapshot? { mesh?.snapshot }
    var meshLoaded: WallTime? { mesh?.loaded }
    var meshRefusal: MeshRefusal? { mesh?.refusal }
    var isMeshAuthoritative: Bool { mesh?.isAuthoritative ?? false }

    func meshArrived(_ snapshot: MeshSnapshot) {
        tell(.snapshot(snapshot))
        reconcile()
        if !hasReleasedLeftovers { hasReleasedLeftovers = enrolment.releaseLeftovers() }
        readiness.done(Pending.mesh)
        workloadsSettled()
    }

    func reconcile() {
        if let snapshot, !isLeaving { enrolment.reconcile(snapshot) }
        control?.reporter.changed()
    }

    /// Ready means: whatever this host has to capture is captured, or refused with a reason.
    func workloadsSettled() {
        probes.update()
        control?.reporter.changed()
        guard snapshot != nil else { return }
        let isPreparing = enrolment.enrollees.values.contains { if case .preparing = $0.phase { true } else { false } }
        if !isPreparing, !readiness.isReady {
            readiness.done(Pending.workloads)
            if readiness.isReady {
                log.info("ready")
                notify?.ready()
            }
        }
    }

    /// What only the node counts, as of now.
    func refreshMetrics() {
        registry.absorb(metrics.snapshot(now: loop.now), now: loop.now)
        registry.set(ProcessMetrics.read())
        registry.set(.build, ["warrend", warrenVersion], to: 1)
        registry.set(.started, to: Double(started.seconds))
        registry.set(.logDropped, to: Double(logWriter.dropped))
        let phases = enrolment.enrollees.values.map(\.captureState)
        registry.set(.activeProxies, to: Double(phases.count { $0 == .captured }))
        registry.set(.pendingProxies, to: Double(phases.count { $0 == .pending }))
        registry.clear(.certificateExpiry)
        for enrollee in enrolment.enrollees.values {
            guard let credential = enrollee.credential?.credential else { continue }
            registry.set(.certificateExpiry, [credential.identity.description], to: Double(credential.notAfter))
        }
        guard let snapshot, let loaded = meshLoaded else { return }
        registry.set(.meshLoaded, to: Double(loaded.seconds))
        registry.set(.meshObjects, ["workload"], to: Double(snapshot.workloadCount))
        registry.set(.meshObjects, ["service"], to: Double(snapshot.serviceCount))
        registry.set(.meshObjects, ["policy"], to: Double(snapshot.policies.count))
    }

    func needCensus() { tell(.census) }
}

/// Something done again and again, or once when its time comes.
private final class NodeTimer: TimerTarget {
    private let interval: Interval
    private unowned let node: Node
    private let body: (Node) -> Void

    init(_ interval: Interval, node: Node, _ body: @escaping (Node) -> Void) {
        self.interval = interval
        self.node = node
        self.body = body
        _ = node.loop.arm(interval, self, tag: 0)
    }

    func timerFired(_ tag: UInt32) {
        _ = node.loop.arm(interval, self, tag: 0)
        body(node)
    }
}

/// SIGHUP, SIGTERM and SIGINT as events of the node's loop.
private final class SignalSource: EventSource {
    private let signals: SignalDescriptor
    private unowned let node: Node

    init(_ signals: consuming SignalDescriptor, node: Node) throws(Errno) {
        self.signals = signals
        self.node = node
        _ = try node.loop.watch(self.signals.descriptor.number, for: .read, source: self)
    }

    func ready(_ readiness: Readiness) {
        while let signal = try? signals.next() {
            switch signal {
            case .reload: node.reload()
            case .terminate, .interrupt: node.leave()
            }
        }
    }
}

/// Notices network namespaces that come, go or change their meaning.
private final class NamespaceWatch: EventSource {
    private let watch: DirectoryWatch
    private unowned let node: Node

    init(node: Node) throws(Errno) {
        self.node = node
        watch = try DirectoryWatch()
        // Where no namespace was ever made the folder is missing; there is nothing to watch before it exists.
        try? File.makeDirectory("/run/netns", mode: 0o755)
        try watch.add("/run/netns")
        _ = try node.loop.watch(watch.descriptor.number, for: .read, source: self)
    }

    func ready(_ readiness: Readiness) {
        if (try? watch.drain()) == true { node.enrolment.namespacesChanged() }
    }
}
