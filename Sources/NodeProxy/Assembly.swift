// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import HTTP
internal import Kernel
internal import Loop
internal import TLS
internal import Telemetry
internal import Tunnel

/// Builds `warrend` from its configuration and runs it.
enum Assembly {
    /// Serves until a signal ends it. Returns the exit code.
    /// - Parameter takesOver: from a daemon that serves, if there is one.
    static func run(
        _ configuration: DaemonConfiguration, signals: consuming SignalDescriptor, takesOver: Bool
    ) throws(Errno) -> CInt {
        let descriptors = Limits.raiseDescriptors()
        let logWriter = try LogWriter(format: configuration.log.format, levels: configuration.log.levels)
        try logWriter.start()
        defer { logWriter.stop() }
        let log = logWriter.makeLog(.daemon)
        log.info("warrend \(warrenVersion) on \(configuration.node): \(descriptors) descriptors")
        let identity: HostIdentity
        switch HostIdentity.load(configuration) {
        case .success(let loaded): identity = loaded
        case .failure(let failure):
            log.error(failure.description)
            return ExitCode.configuration
        }
        try? File.makeDirectory(configuration.runDirectory, mode: 0o755)
        var takeover: Takeover?
        switch takesOver ? Takeover.ask(configuration) : .nobody {
        case .nobody: break
        case .inherited(let found): takeover = found
        case .refused(let failure):
            log.error("the daemon that serves doesn't hand over: \(failure)")
            return ExitCode.unavailable
        }
        let inherited = takeover?.inheritance.claim(.lock)
        guard let lock = inherited ?? takeLock(in: configuration.runDirectory, log) else { return ExitCode.unavailable }

        let loop = try Loop()
        let inbox = try Mailbox<NodeMessage>()
        let count = configuration.loopCount(processors: Limits.processors)
        var mailboxes: [Mailbox<WorkerMessage>] = []
        for _ in 0..<count { mailboxes.append(try Mailbox<WorkerMessage>()) }
        let fleet = WorkerFleet(mailboxes)
        var threads: [Thread] = []
        for number in 0..<count {
            let settings = WorkerSettings(configuration, workers: count, descriptors: descriptors)
            let workerLog = logWriter.makeLog(.outbound)
            let waits = takeover != nil
            threads.append(
                try Thread(name: "loop-\(number)") {
                    do throws(Errno) {
                        try Worker(number: number, settings: settings, log: workerLog, fleet: fleet, node: inbox, waits: waits)
                            .run()
                    } catch {
                        bug("loop \(number) can't be made: \(error)")
                    }
                })
        }
        let node = try Node(
            configuration: configuration, authority: identity.authority, log: log, logWriter: logWriter, loop: loop, inbox: inbox,
            workers: mailboxes, lock: lock, takeover: takeover)
        if configuration.control.isUsed {
            node.use(try control(of: node, identity, silence: configuration.control.silence))
        }
        guard node.services.prepare(), takeover != nil || node.services.start() else { return ExitCode.unavailable }
        let code = try node.run(signals: signals)
        for thread in threads { thread.join() }
        return code
    }

    private static func control(of node: Node, _ identity: HostIdentity, silence: Interval) throws(Errno) -> ControlClient? {
        let dialler = try TLSDialler(loop: node.loop, silence: silence)
        switch identity {
        case .alone: return nil
        case .joined(let credential):
            let control = ControlClient(host: node, dialler: dialler, credential: credential)
            control.member?.reporter.workloads = { [unowned node] in node.workloadReports }
            return control
        case .istiod(let roots): return ControlClient(istiodFor: node, dialler: dialler, roots: roots)
        }
    }

    /// One daemon serves a host. The lock ends with the process.
    private static func takeLock(in directory: String, _ log: Log) -> Descriptor? {
        do throws(Errno) {
            return try File.lock("\(directory)/warrend.lock")
        } catch {
            let other = "another warrend runs with \(directory): one serves a host. `warrend upgrade` or `--take-over` follow it"
            log.error(error == .wouldBlock ? other : "\(directory)/warrend.lock: \(error)")
            return nil
        }
    }
}

/// What this host proves and issues certificates with: a CA of its own, or what it got when it joined a control plane, or an account at istiod.
enum HostIdentity {
    case alone(Authority)
    case joined(NodeCredential)
    /// Nothing but an account's token, which is read when it is needed; and the roots that workloads' certificates are trusted by at first.
    case istiod(roots: [Certificate])

    var authority: Authority? { if case .alone(let authority) = self { authority } else { nil } }

    static func load(_ configuration: DaemonConfiguration) -> Result<HostIdentity, AuthorityFailure> {
        guard configuration.control.isUsed else { return Authority.load(configuration).map { .alone($0) } }
        let directory = NodeDirectory(path: configuration.control.directory)
        let loaded: Result<HostIdentity, ControlFailure> =
            configuration.control.istiod.isUsed
            ? directory.prepareForIstiod(configuration.control.istiod).map { .istiod(roots: $0) }
            : directory.load().map { .joined($0) }
        return loaded.mapError { AuthorityFailure($0.description) }
    }
}

/// As sysexits.h has them, so that systemd and scripts can tell.
enum ExitCode {
    static let usage: CInt = 64
    static let unavailable: CInt = 69
    static let configuration: CInt = 78
}

extension WorkerSettings {
    /// One worker's share of what is configured.
    init(_ configuration: DaemonConfiguration, workers: Int, descriptors: Int) {
        self.init()
        let (timeouts, limits) = (configuration.timeouts, configuration.limits)
        tunnel.connectTimeout = timeouts.connect
        tunnel.handshakeTimeout = timeouts.tlsHandshake
        tunnel.settingsTimeout = timeouts.http2
        tunnel.replyTimeout = timeouts.connectReply
        tunnel.pingInterval = configuration.tunnel.pingInterval
        tunnel.pingTimeout = configuration.tunnel.pingTimeout
        tunnel.idleTimeout = configuration.tunnel.idleRelease
        tunnel.streamsPerTunnel = limits.streamsPerTunnel
        tunnel.tunnelsPerPair = limits.tunnelsPerPair
        tunnel.largestStreamWindow = limits.streamWindow.bytes
        tunnel.windowBudget = limits.windowMemory.bytes / workers
        tunnel.heldBudget = limits.heldMemory.bytes / workers
        congestionControl = configuration.tunnel.congestionControl.isEmpty ? nil : configuration.tunnel.congestionControl
        reachTimeout = timeouts.establish
        connectTimeout = timeouts.connect
        connections = max(1, limits.connections / workers)
        connectionsPerWorkload = max(1, limits.workloadConnections / workers)
        splicePipes = limits.splicePipes / workers
        self.descriptors = max(64, (descriptors - limits.reservedDescriptors - 2 * limits.splicePipes) / workers)
        descriptorsPerWorkload = max(32, self.descriptors / 8 * 7)
        handshakes = limits.handshakes
        handshakesPerWorkload = max(1, limits.handshakes / 4)
        peers.handshakes = max(1, limits.handshakes / 16)
        peers.tunnels = limits.peerTunnels
        peers.allowance = limits.peerHandshakes
        peers.failures = limits.peerFailures
        pace = limits.busyPace
        metrics = MetricOptions(maximumSeries: configuration.metrics.maximumSeries, idle: configuration.metrics.idle)
        tunnel.halfClosedTimeout = timeouts.halfClosed
        tunnel.streamAge = configuration.tunnel.maxStreamAge
        keepalive = configuration.keepalive
        serverHTTP2.limits.resets.burst = limits.resetRate
        serverHTTP2.limits.resets.perSecond = max(1, limits.resetRate / 10)
        tunnelsOnSameHost = configuration.sameHost == .tunnel
        node = configuration.node
        clientHTTP2.maxHeaderListSize = UInt32(clamping: limits.headerList.bytes)
        serverHTTP2.maxConcurrentStreams = UInt32(clamping: configuration.tunnel.advertisedStreams)
    }
}
