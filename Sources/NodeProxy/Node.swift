// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Kernel
internal import Loop
internal import Mesh
internal import TLS
internal import Telemetry
internal import Tunnel

/// The host's side of everything that isn't traffic: mesh, enrolment, certificates, signals, metrics, the admin API. It owns the workers and speaks
/// to them by messages; what blocks it leaves to its errands. Lives on its own loop, on the program's first thread.
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
    /// Rules, disk, keys and signatures.
    private let errands: Errands
    /// Reading, building and freeing the mesh: half a second of work at a time if it is large, which nobody's rules and certificates wait for, and
    /// which makes way for traffic.
    private let meshErrands: Errands
    /// A third of what another thread gets of a processor that isn't enough for both.
    private static let meshNiceness: CInt = 5
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
    /// systemd, where that started us and this is its main process.
    var notify = ServiceNotify { path, bytes in try? UnixSocket.send(bytes, to: path) }
    var duty: Duty
    /// The lock of "one daemon per host", while that is this one.
    var lock: Descriptor?
    /// From whom this process took over, or is about to.
    let takeover: Takeover?
    private(set) lazy var services = NodeServices(node: self)
    private(set) lazy var handover = HandoverServer(node: self)
    private(set) lazy var earlier = EarlierGenerations(node: self)
    /// What this process tells of itself once it handed over.
    var generation: DrainingGeneration?
    private var underWay = 0
    private var onSettled: (() -> Void)?
    private var hasReleasedLeftovers = false
    private var idleWorkers: Set<Int> = []
    private var farewell = Farewell()
    private var exitCode: CInt = 0
    private var timers: [NodeTimer] = []

    private enum Pending {
        static let mesh = "mesh"
        static let workloads = "workloads"
    }

    init(
        configuration: DaemonConfiguration, authority: Authority?, log: Log, logWriter: LogWriter, loop: Loop,
        inbox: Mailbox<NodeMessage>, workers: [Mailbox<WorkerMessage>], lock: consuming Descriptor, takeover: Takeover?
    ) throws(Errno) {
        self.lock = consume lock
        self.takeover = takeover
        duty = takeover == nil ? .serving : .building
        self.configuration = configuration
        self.authority = authority
        self.log = log
        self.logWriter = logWriter
        self.loop = loop
        self.inbox = inbox
        self.workers = workers
        registry = MetricRegistry(
            options: MetricOptions(maximumSeries: configuration.metrics.maximumSeries, idle: configuration.metrics.idle))
        errands = try Errands("errands")
        meshErrands = try Errands("mesh", niceness: Self.meshNiceness)
        try inbox.attach(to: loop) { [unowned self] in receive($0) }
    }

    var captureDirectory: String { "\(configuration.runDirectory)/capture" }
    var uptime: Interval { Instant.now().since(began) }

    /// The mesh and certificates come from there. Before `run`.
    func use(_ control: ControlClient?) { self.control = control }

    // MARK: - Messages

    private func receive(_ message: NodeMessage) {
        switch message {
        case .census(let worker, let open, let tunnels):
            enrolment.counted(worker: worker, open: open, workers: workers.count)
            generation?.counted(worker: worker, open: open, tunnels: tunnels)
        case .metrics(let worker, let snapshot):
            registry.absorb(snapshot, now: loop.now)
            census.answered(worker, .metrics)
        case .connections(let worker, let connections): census.answered(worker, .connections(connections))
        case .tunnels(let worker, let tunnels): census.answered(worker, .tunnels(tunnels))
        case .returned(let snapshot):
            // Freeing a large mesh takes time.
            meshErrands.run { withExtendedLifetime(snapshot) {} }
        case .idle(let worker):
            idleWorkers.insert(worker)
            askIfIdle()
        case .stillIdle(let worker, let round, let isIdle): stillIdle(worker, round, isIdle)
        case .done(let body): body(self)
        }
    }

    func tell(_ message: WorkerMessage) { for worker in workers { worker.send(message) } }

    /// Runs the work where it may block and the rest here with its result.
    func errand<Result: Sendable>(
        _ work: @escaping @Sendable () -> Result, then: @escaping @Sendable (Node, Result) -> Void
    ) {
        run(work, by: errands, then: then)
    }

    /// The same for the mesh; in its own order.
    func meshErrand<Result: Sendable>(
        _ work: @escaping @Sendable () -> Result, then: @escaping @Sendable (Node, Result) -> Void
    ) {
        run(work, by: meshErrands, then: then)
    }

    private func run<Result: Sendable>(
        _ work: @escaping @Sendable () -> Result, by errands: Errands, then: @escaping @Sendable (Node, Result) -> Void
    ) {
        let inbox = inbox
        underWay += 1
        errands.run {
            let result = work()
            inbox.send(
                .done { node in
                    then(node, result)
                    node.errandEnded()
                })
        }
    }

    private func errandEnded() {
        underWay -= 1
        if underWay == 0, let then = onSettled.take() { then() }
    }

    /// Calls back when no errand is under way.
    func whenSettled(_ then: @escaping () -> Void) { if underWay == 0 { then() } else { onSettled = then } }

    /// The same for those who live on this loop: what follows isn't sent anywhere.
    func work<Result: Sendable>(_ work: @escaping @Sendable () -> Result, then: @escaping (Result) -> Void) {
        controlWork.run(ofMesh: false, work, then: then)
    }

    func meshWork<Result: Sendable>(_ work: @escaping @Sendable () -> Result, then: @escaping (Result) -> Void) {
        controlWork.run(ofMesh: true, work, then: then)
    }

    func finished(_ number: UInt64, _ result: any Sendable) { controlWork.finished(number, result) }

    // MARK: - Life

    /// Begins everything and serves until told to end. Returns the program's exit code.
    func run(signals: consuming SignalDescriptor) throws(Errno) -> CInt {
        let signals = try SignalSource(signals, node: self)
        let namespaces = try NamespaceWatch(node: self)
        try takeover?.attach(to: self)
        earlier.look()
        try mesh?.start()
        control?.start()
        every(.seconds(1)) { node in
            if node.enrolment.isDraining || node.duty == .draining { node.tell(.census) }
            node.enrolment.renewDue()
            if node.isInCharge { node.control?.member?.identity.renewIfDue() }
            if node.duty == .serving { node.earlier.look() }
        }
        // The one that serves renews this host's certificate: for the next connection to the control plane.
        every(.seconds(60)) { node in if node.duty == .draining { node.control?.member?.identity.reload() } }
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

    /// Once, though it may be called again if the program lives as long again.
    func after(_ interval: Interval, _ body: @escaping (Node) -> Void) { every(interval, body) }

    func reload() {
        log.info("reading the mesh and the CA again")
        mesh?.changed()
        if let control {
            control.reload()
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
        guard !isLeaving, duty != .building else { return end(code: exitCode) }
        isLeaving = true
        notify?.stopping()
        readiness.waits(for: "shutdown")
        // While another process has the listeners it would be refused whom that one serves.
        if duty == .serving {
            enrolment.stopListening()
            handover.stop()
            earlier.endAll()
        }
        log.info("ending: no new connections; open ones have \(configuration.timeouts.drain.seconds) s")
        tell(.shutdown)
        after(configuration.timeouts.drain) { $0.end(code: $0.exitCode) }
    }

    func end(code: CInt) {
        exitCode = code
        generation?.leave()
        tell(.halt)
        loop.stop()
    }

    /// Nothing is left to be finished, as far as the workers said: one may have passed a connection to another since.
    func askIfIdle() {
        guard isLeaving || duty == .draining, idleWorkers.count == workers.count else { return }
        tell(.confirmIdle(round: farewell.begin()))
    }

    private func stillIdle(_ worker: Int, _ round: Int, _ isIdle: Bool) {
        if !isIdle { idleWorkers.remove(worker) }
        if farewell.answered(worker, round, isIdle, of: workers.count) { endIfAlone() }
    }

    /// The daemons before this one, which were told to end with it, have their time too.
    func endIfAlone() {
        guard farewell.isComplete, duty == .draining || earlier.all.isEmpty else { return }
        if duty == .draining { log.info("all connections have ended") }
        end(code: exitCode)
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
        releaseLeftovers()
        readiness.done(Pending.mesh)
        workloadsSettled()
    }

    /// Once, with the first mesh.
    func releaseLeftovers() {
        if !hasReleasedLeftovers, isInCharge, snapshot != nil { hasReleasedLeftovers = enrolment.releaseLeftovers() }
    }

    /// Rules, records, keys and what the control plane hears of this host are ours to change.
    var isInCharge: Bool { duty == .serving }

    func reconcile() {
        if let snapshot, !isLeaving { enrolment.reconcile(snapshot) }
        control?.member?.reporter.changed()
    }

    /// Ready means: whatever this host has to capture is captured, or refused with a reason.
    func workloadsSettled() {
        probes.update()
        control?.member?.reporter.changed()
        guard snapshot != nil else { return }
        let isPreparing = enrolment.enrollees.values.contains { if case .preparing = $0.phase { true } else { false } }
        guard !isPreparing, !readiness.isReady, !isLeaving else { return }
        if duty == .building {
            if hasWholeInheritance { takeover?.built() }
        } else {
            becomeReady()
        }
    }

    /// Whoever follows may ask from now on.
    func becomeReady() {
        readiness.done(Pending.workloads)
        guard readiness.isReady else { return }
        log.info("ready")
        notify?.ready()
        handover.start()
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
