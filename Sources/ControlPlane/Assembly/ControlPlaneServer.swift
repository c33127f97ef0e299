// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Discovery
internal import HTTP
internal import Kernel
internal import Loop
internal import Mesh
internal import ResourceAPI
internal import Store
internal import TLS
internal import Telemetry
internal import Transport

/// Everything of the control plane that lives on its loop, and who answers what: joining and renewing, health, tokens, reports, the resource API,
/// gRPC.
final class ControlPlaneServer: TimerTarget {
    let loop: Loop
    let log: Log
    private let configuration: ControlConfiguration
    private let state: ControlState
    private let authenticator: Authenticator
    private let resources: ResourceServer
    private let audit: Audit
    private let joining: JoinService
    private let admin: AdminService
    private let certificates: CertificateService
    private let discovery: DiscoveryServer
    private let publishing: Publishing
    private let reports: NodeReports
    private let nodes: NodeStatusKeeper
    private let programmed: ProgrammedKeeper
    private let reporter: HostsReporter
    private let evictions: EvictionKeeper
    private let replicas: Replicas
    private let registrations: RegistrationKeeper
    private let backups: BackupService
    private let serving: ServingCredential
    private let counters = AuthorityCounters()
    private let notify = ServiceNotify { path, bytes in try? UnixSocket.send(bytes, to: path) }
    private var context: TLSContext
    private var servers: [HTTPServer] = []
    private var plainServers: [HTTP1Server] = []
    private var isLeaving = false

    private enum Tag {
        static let alive: UInt32 = 0
        static let end: UInt32 = 1
        static let trim: UInt32 = 2
    }

    init(
        _ configuration: ControlConfiguration, store: any Store, authority: Authority, loop: Loop, log: Log
    ) throws(ControlFailure) {
        self.configuration = configuration
        self.loop = loop
        self.log = log
        audit = Audit(log)
        do {
            state = try ControlState(store: store, loop: loop)
            let errands = try Errands(name: "errands", loop: loop)
            // Before all others: it only hands on what changed, and its thread translates while they take it over.
            discovery = DiscoveryServer(loop: loop, identity: store.identity)
            publishing = try Publishing(loop: loop, server: discovery, options: Self.options(configuration))
            state.observe(publishing)
            // Whoever hears of a change after it may ask it.
            let book = AccessBook(loop: loop)
            state.observe(book)
            authenticator = Authenticator(book: book, trustDomain: authority.trustDomain, audit: audit)
            joining = JoinService(
                authority: authority, store: store, book: book, errands: errands, authenticator: authenticator,
                counters: counters, audit: audit)
            admin = AdminService(authority: authority, store: store, book: book, errands: errands, audit: audit)
            certificates = CertificateService(
                authority: authority, book: book, errands: errands, authenticator: authenticator, counters: counters,
                audit: audit, loop: loop)
            resources = ResourceServer(
                state: state, loop: loop, book: book, audit: audit, settings: Self.resourceSettings(configuration))
            reports = NodeReports(state: state, server: discovery, publishing: publishing)
            replicas = try Replicas(store: store, loop: loop, host: hostName())
            nodes = NodeStatusKeeper(
                state: state, discovery: discovery, publishing: publishing, reports: reports, replicas: replicas, loop: loop,
                log: log, grace: configuration.hosts.grace)
            registrations = RegistrationKeeper(state: state, loop: loop, log: log)
            backups = BackupService(
                store: store, authority: authority, audit: audit, errands: try Errands(name: "backup", loop: loop, limit: 2))
            let programmed = ProgrammedKeeper(state: state, publishing: publishing, loop: loop, replicas: replicas)
            self.programmed = programmed
            reporter = HostsReporter(replicas, state: state, publishing: publishing, loop: loop) { programmed.newest }
            evictions = EvictionKeeper(
                state: state, book: book, trustDomain: authority.trustDomain, lifetime: authority.settings.overlap,
                loop: loop, log: log)
            serving = try ServingCredential(
                authority: authority, names: Self.names(configuration), errands: errands, counters: counters, audit: audit,
                loop: loop)
            context = try TLSContext(service: ShownCertificates(serving.current), clientRoots: authority.roots)
            serving.onRenewed = { [unowned self] credential in
                guard let next = try? TLSContext(service: ShownCertificates(credential), clientRoots: authority.roots) else {
                    return self.log.error("the renewed certificate of the control plane can't be used; the old one goes on")
                }
                self.context = next
            }
            registrations.isConnected = { [unowned self] in nodes.isConnected($0) }
            nodes.onExpired = { [unowned self] in registrations.expired($0) }
            book.onTokenLost = { [unowned self] id in resources.revoke("token:\(id)") }
            book.onNodeLost = { [unowned self] name in
                discovery.disconnect(node: name, GRPCStatus(.permissionDenied, "host \(name) is no member of the mesh any more"))
                if book.node(name)?.isEvicted == true { nodes.evicted(name) } else { nodes.forget(name) }
            }
        } catch {
            throw ControlFailure("the control plane can't begin: \(error)")
        }
    }

    private static func options(_ configuration: ControlConfiguration) -> MeshOptions {
        var options = MeshOptions()
        let mesh = configuration.mesh
        options.clusterName = mesh.clusterName
        options.clusterDomain = mesh.clusterDomain
        options.trustDomain = mesh.trustDomain
        options.rootNamespace = mesh.rootNamespace
        options.network = mesh.network
        return options
    }

    private static func resourceSettings(_ configuration: ControlConfiguration) -> ResourceServer.Settings {
        var settings = ResourceServer.Settings()
        settings.mesh = options(configuration)
        settings.ipv4 = configuration.services.ipv4
        settings.ipv6 = configuration.services.ipv6
        settings.quarantine = configuration.services.quarantine
        settings.version = warrenVersion
        return settings
    }

    private static func names(_ configuration: ControlConfiguration) -> ServingNames {
        let given =
            configuration.names.isEmpty ? [hostName()] + LocalAddresses.all().prefix(32).map(\.description) : configuration.names
        let all = given + ["localhost", "127.0.0.1", "::1"]
        var (hosts, addresses): ([String], [IPAddress]) = ([], [])
        for name in all {
            if let address = IPAddress(name) {
                if !addresses.contains(address) { addresses.append(address) }
            } else if !hosts.contains(name) {
                hosts.append(name)
            }
        }
        return ServingNames(hosts: hosts, addresses: addresses)
    }

    // MARK: - Life

    /// Opens everything that is answered; what isn't read yet is said to be.
    func start() throws(ControlFailure) {
        guard !SingleInstance.isServed(adminSocket: configuration.socket) else {
            throw ControlFailure("another warren-control answers at \(configuration.socket): one serves a host")
        }
        let (port, metrics, socket) = (configuration.port, configuration.metricsPort, configuration.socket)
        try listen("port \(port)") { () throws(Errno) in
            let listener = try Socket.listenEverywhere(port: port, backlog: 1024)
            try serve(listener, security: .tls { [unowned self] in context })
        }
        try listen("the socket \(socket)") { () throws(Errno) in
            try? File.makeDirectory("/" + socket.split(separator: "/").dropLast().joined(separator: "/"), mode: 0o755)
            try serve(UnixSocket.listen(path: socket, mode: 0o600, backlog: 128), security: .plain)
        }
        try listen("the metrics port \(metrics)") { () throws(Errno) in
            let server = HTTP1Server(loop: loop, listener: try Socket.listenEverywhere(port: metrics, backlog: 64)) {
                [unowned self] request, answer in answer(plain(request))
            }
            try server.start()
            plainServers.append(server)
        }
        publishing.onLoaded = { [unowned self] in
            log.info("ready: \(state.resourceCount) objects at revision \(state.revision)")
            notify?.ready()
            // What was read and translated left half as much again behind.
            Limits.trimMemory()
        }
        if let interval = notify?.watchdogInterval { _ = loop.arm(interval, self, tag: Tag.alive) }
        _ = loop.arm(.seconds(30), self, tag: Tag.trim)
        log.info("serving on port \(port) and \(socket)")
    }

    private func listen(_ what: String, _ body: () throws(Errno) -> Void) throws(ControlFailure) {
        do throws(Errno) { try body() } catch {
            let advice = error == .addressInUse ? ": another warren-control, or something else, has it" : ""
            throw ControlFailure("can't listen on \(what): \(error)\(advice)")
        }
    }

    private func serve(_ listener: consuming Descriptor, security: HTTPServerSecurity) throws(Errno) {
        let server = HTTPServer(loop: loop, listener: listener, security: security) { [unowned self] exchange in answer(exchange)
        }
        server.onStranger = { [unowned self] peer, failure in authenticator.noteStranger(peer, failure) }
        try server.start()
        servers.append(server)
    }

    /// Lets what is under way finish, for a moment; a second time ends at once.
    func leave() {
        guard !isLeaving else { return loop.stop() }
        isLeaving = true
        notify?.stopping()
        log.info("ending")
        reporter.rest()
        discovery.stop()
        for server in servers { server.stop() }
        _ = loop.arm(.seconds(1), self, tag: Tag.end)
    }

    func close() { for server in servers { server.close() } }

    func timerFired(_ tag: UInt32) {
        switch tag {
        case Tag.alive:
            notify?.alive()
            if let interval = notify?.watchdogInterval { _ = loop.arm(interval, self, tag: Tag.alive) }
        case Tag.trim:
            Limits.trimMemory()
            audit.tellDropped()
            _ = loop.arm(.seconds(30), self, tag: Tag.trim)
        default: loop.stop()
        }
    }

    // MARK: - Who answers what

    private enum Path {
        static let discovery = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
        static let certificates = "/istio.v1.auth.IstioCertificateService/CreateCertificate"
        static let report = "/warren/v1/report"
    }

    private func answer(_ exchange: any HTTPExchange) {
        if exchange.head.headers["content-type"]?.hasPrefix("application/grpc") == true { return call(exchange) }
        if joining.handle(exchange) || resources.handleOpen(exchange) { return }
        answerKnown(exchange)
    }

    /// - Parameter isLast: memory has caught up with what other replicas were told.
    private func answerKnown(_ exchange: any HTTPExchange, isLast: Bool = false) {
        let principal: Principal
        do throws(APIStatus) {
            principal = try authenticator.principal(for: exchange.head, peer: exchange.peer)
        } catch {
            guard state.isShared, !isLast, error.reason == .unauthorized, exchange.head.headers["authorization"] != nil else {
                return exchange.respond(ControlAnswer.failure(error))
            }
            // A token that another replica made a moment ago.
            return state.catchUp { [weak self] _ in self?.answerKnown(exchange, isLast: true) }
        }
        if admin.handle(exchange, principal: principal) || backups.handle(exchange, principal: principal) { return }
        if exchange.head.target == Path.report { return report(exchange, principal) }
        resources.handle(exchange, principal: principal)
    }

    private func report(_ exchange: any HTTPExchange, _ principal: Principal) {
        guard case .node(let node) = principal.role else {
            audit.refused(at: .reports, "report", "node", by: principal.name, from: exchange.peer.place, "not a host")
            return exchange.respond(
                ControlAnswer.failure(APIStatus(.forbidden, "reports are sent by hosts; this is \(principal.name)")))
        }
        reports.handle(exchange, node: node)
    }

    private func call(_ exchange: any HTTPExchange) {
        // A host that comes again names all that it holds.
        let limit = exchange.head.target == Path.discovery ? DiscoveryServer.requestLimit : GRPCServerStream.messageLimit
        guard let stream = GRPCServerStream(exchange, messageLimit: limit) else { return }
        switch exchange.head.target {
        case Path.certificates: certificates.handle(stream, head: exchange.head, peer: exchange.peer)
        case Path.discovery: subscribe(stream, exchange)
        case let path:
            stream.finish(
                GRPCStatus(.unimplemented, "unknown method \(path.prefix(128)): here are discovery by delta and certificates"))
        }
    }

    /// A host that comes from another replica was told there of more than is known here, maybe, and takes nothing older (I21): that comes first.
    private func subscribe(_ stream: GRPCServerStream, _ exchange: any HTTPExchange) {
        guard state.isShared, (try? authenticator.principal(for: exchange.head, peer: exchange.peer)) != nil else {
            return attach(stream, exchange)
        }
        state.catchUp { [weak self] _ in
            self?.publishing.whenPublished { [weak self] in
                guard let self, !stream.isOver else { return }
                // Others count our hosts by our name: before it stands there we have none.
                guard replicas.isNamed else {
                    return stream.finish(GRPCStatus(.unavailable, "the control plane isn't among the replicas yet"))
                }
                attach(stream, exchange)
            }
        }
    }

    private func attach(_ stream: GRPCServerStream, _ exchange: any HTTPExchange) {
        do throws(APIStatus) {
            let principal = try authenticator.principal(for: exchange.head, peer: exchange.peer)
            guard case .node(let node) = principal.role else {
                audit.refused(
                    at: .discovery, "discovery", "mesh", by: principal.name, from: exchange.peer.place, "not a host")
                return stream.finish(GRPCStatus(.permissionDenied, "discovery is for hosts; this is \(principal.name)"))
            }
            discovery.attach(
                stream, node: node, until: principal.until, address: exchange.peer.place,
                userAgent: exchange.head.headers["user-agent"] ?? "")
        } catch {
            stream.finish(Authenticator.status(error))
        }
    }

    /// Metrics and readiness, in clear.
    private func plain(_ request: HTTP1Request) -> HTTP1Response {
        switch request.path {
        case "/healthz/ready", "/readyz":
            if let why = resources.unreadiness { return HTTP1Response(status: 503, "not ready: \(why)\n") }
            return publishing.isLoaded ? HTTP1Response("ready\n") : HTTP1Response(status: 503, "not ready: translating\n")
        case "/metrics":
            let metrics = ControlMetrics(
                state: state, discovery: discovery, counters: counters, replicas: replicas.count,
                watches: resources.watches.count,
                clients: servers.reduce(0) { $0 + $1.clients })
            return HTTP1Response(
                status: 200, headers: ["content-type": MetricRegistry.contentType], body: metrics.exposition())
        default: return HTTP1Response(status: 404, "metrics are at /metrics, readiness at /healthz/ready\n")
        }
    }
}
