// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Documents
internal import HTTP
internal import Kernel
internal import Loop
internal import Telemetry
internal import Transport

/// What the node answers over HTTP: the admin API on its Unix socket, metrics and readiness on their ports. On the node's loop.
final class NodeServices {
    private unowned let node: Node
    private var servers: [(service: HandoverItem.Service, place: String, server: HTTP1Server)] = []

    init(node: Node) { self.node = node }

    /// Makes the listeners, or takes those of the daemon before us. False after an error was logged: a port or the socket is taken.
    func prepare() -> Bool {
        let (configuration, node) = (node.configuration, node)
        let admin = AdminRoutes(node: node)
        let socket = configuration.admin.socket
        if node.takeover == nil, SingleInstance.isServed(adminSocket: socket) {
            node.log.error("another warrend answers at \(socket): one serves a host")
            return false
        }
        do throws(Errno) {
            try? File.makeDirectory(folder(of: socket), mode: 0o755)
            let listener = try listener(.admin, socket) { () throws(Errno) in
                try UnixSocket.listen(path: socket, mode: configuration.admin.mode, backlog: 64)
            }
            try File.changeMode(socket, configuration.admin.mode)
            add(.admin, socket, listener) { admin.answer($0, $1) }
        } catch {
            return refuse("the admin socket \(socket)", error)
        }
        do throws(Errno) {
            let port = configuration.metrics.port
            let listener = try listener(.metrics, "\(port)") { () throws(Errno) in
                try Socket.listenEverywhere(port: port, backlog: 64)
            }
            add(.metrics, "\(port)", listener) { Self.metrics(node, $0, $1) }
        } catch {
            return refuse("the metrics port \(configuration.metrics.port)", error)
        }
        do throws(Errno) {
            let port = configuration.readiness.port
            let listener = try listener(.readiness, "\(port)") { () throws(Errno) in
                try Socket.listenEverywhere(port: port, backlog: 64)
            }
            add(.readiness, "\(port)", listener) { Self.readiness(node, $0, $1) }
        } catch {
            return refuse("the readiness port \(configuration.readiness.port)", error)
        }
        return true
    }

    /// That of the daemon before us, or a new one.
    private func listener(
        _ service: HandoverItem.Service, _ place: String, _ make: () throws(Errno) -> Descriptor
    ) throws(Errno) -> Descriptor {
        if let inherited = node.takeover?.inheritance.claim(.service(service, place: place)) { return inherited }
        return try make()
    }

    private func add(
        _ service: HandoverItem.Service, _ place: String, _ listener: consuming Descriptor,
        _ handler: @escaping (HTTP1Request, @escaping HTTP1Answer) -> Void
    ) {
        servers.append((service, place, HTTP1Server(loop: node.loop, listener: listener, handler: handler)))
    }

    /// Begins to answer. False after an error was logged.
    func start() -> Bool {
        for entry in servers {
            do throws(Errno) { try entry.server.start() } catch {
                return refuse("\(entry.service.rawValue) (\(entry.place))", error)
            }
        }
        return true
    }

    // MARK: - Another daemon

    /// What passes to the next daemon.
    var offers: [HandoverOffer] {
        servers.map {
            HandoverOffer(
                item: .service($0.service, place: $0.place), number: $0.server.listenerNumber, holder: $0.server)
        }
    }

    /// The next daemon answers.
    func retire() { for entry in servers { entry.server.retire() } }

    /// A socket for who wants to know of this process while it finishes its connections: the admin API, with `/metrics`.
    func serveDraining(at path: String) {
        let admin = AdminRoutes(node: node)
        do throws(Errno) {
            let listener = try UnixSocket.listen(path: path, mode: node.configuration.admin.mode, backlog: 16)
            let server = HTTP1Server(loop: node.loop, listener: listener) { admin.answer($0, $1) }
            try server.start()
            // The others stay until their last client has its answer.
            servers.append((.admin, path, server))
        } catch { node.log.error("\(path): \(error): nobody can look into this process") }
    }

    // MARK: -

    private func refuse(_ what: String, _ cause: Errno) -> Bool {
        let advice = cause == .addressInUse ? ": another warrend, or something else, has it" : ""
        node.log.error("can't listen on \(what): \(cause)\(advice)")
        return false
    }

    private func folder(of path: String) -> String { "/" + path.split(separator: "/").dropLast().joined(separator: "/") }

    // MARK: - Metrics and readiness

    static func metrics(_ node: Node, _ request: HTTP1Request, _ answer: @escaping HTTP1Answer) {
        guard request.path == "/metrics" || request.path == "/stats/prometheus" else {
            return answer(HTTP1Response(status: 404, "metrics are at /metrics\n"))
        }
        guard request.method == "GET" || request.method == "HEAD" else { return answer(HTTP1Response(status: 405, "GET only\n")) }
        node.census.metrics { _ in
            node.refreshMetrics()
            answer(
                HTTP1Response(
                    status: 200, headers: ["content-type": MetricRegistry.contentType], body: node.registry.exposition()))
        }
    }

    private static func readiness(_ node: Node, _ request: HTTP1Request, _ answer: @escaping HTTP1Answer) {
        guard request.path == "/healthz/ready" else {
            return answer(HTTP1Response(status: 404, "readiness is at /healthz/ready\n"))
        }
        let (status, body) = node.readiness.response
        answer(HTTP1Response(status: status, body + "\n"))
    }
}
