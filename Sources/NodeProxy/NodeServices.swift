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
    private let node: Node
    private var servers: [HTTP1Server] = []

    init(node: Node) { self.node = node }

    /// False after an error was logged: a port or the socket is taken.
    func start() -> Bool {
        let (configuration, node) = (node.configuration, node)
        let admin = AdminRoutes(node: node)
        guard !SingleInstance.isServed(adminSocket: configuration.admin.socket) else {
            node.log.error("another warrend answers at \(configuration.admin.socket): one serves a host")
            return false
        }
        do throws(Errno) {
            try? File.makeDirectory(folder(of: configuration.admin.socket), mode: 0o755)
            let socket = try UnixSocket.listen(path: configuration.admin.socket, mode: configuration.admin.mode, backlog: 64)
            try serve(socket) { admin.answer($0, $1) }
        } catch {
            return refuse("the admin socket \(configuration.admin.socket)", error)
        }
        do throws(Errno) {
            try serve(Socket.listenEverywhere(port: configuration.metrics.port, backlog: 64)) { Self.metrics(node, $0, $1) }
        } catch {
            return refuse("the metrics port \(configuration.metrics.port)", error)
        }
        do throws(Errno) {
            try serve(Socket.listenEverywhere(port: configuration.readiness.port, backlog: 64)) { Self.readiness(node, $0, $1) }
        } catch {
            return refuse("the readiness port \(configuration.readiness.port)", error)
        }
        return true
    }

    private func serve(
        _ listener: consuming Descriptor, _ handler: @escaping (HTTP1Request, @escaping HTTP1Answer) -> Void
    ) throws(Errno) {
        let server = HTTP1Server(loop: node.loop, listener: listener, handler: handler)
        try server.start()
        servers.append(server)
    }

    private func refuse(_ what: String, _ cause: Errno) -> Bool {
        let advice = cause == .addressInUse ? ": another warrend, or something else, has it" : ""
        node.log.error("can't listen on \(what): \(cause)\(advice)")
        return false
    }

    private func folder(of path: String) -> String { "/" + path.split(separator: "/").dropLast().joined(separator: "/") }

    // MARK: - Metrics and readiness

    private static func metrics(_ node: Node, _ request: HTTP1Request, _ answer: @escaping HTTP1Answer) {
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

/// The admin API: what `warren` asks. Reading changes nothing. What can be set is the log's level; with a control plane, workloads of this host can be
/// registered there, and another store of it be accepted.
final class AdminRoutes {
    private let node: Node

    init(node: Node) { self.node = node }

    func answer(_ request: HTTP1Request, _ answer: @escaping HTTP1Answer) {
        if request.path == "/logging" { return answer(logging(request)) }
        if isChange(request) { return change(request, answer) }
        guard request.method == "GET" || request.method == "HEAD" else {
            return answer(json(405, AdminDocument.failure("\(request.path) takes GET only")))
        }
        switch request.path {
        case "/status": status(answer)
        case "/workloads": workloads(answer)
        case "/services": answer(json(AdminDocument.services(node.serviceInfos)))
        case "/policies": answer(json(AdminDocument.policies(node.policyInfos)))
        case "/certificates": answer(json(AdminDocument.certificates(node.certificateInfos, now: WallTime.now())))
        case "/check": answer(json(AdminDocument.check(node.checkFacts)))
        case "/connections":
            node.census.connections { all in
                answer(self.json(AdminDocument.connections(Array(all.prefix(AdminDocument.maximumRows)), total: all.count)))
            }
        case "/tunnels":
            node.census.tunnels { all in
                answer(self.json(AdminDocument.tunnels(Array(all.prefix(AdminDocument.maximumRows)), total: all.count)))
            }
        case "/config_dump": dump(answer)
        default:
            answer(
                json(
                    404, AdminDocument.failure("there is no \(request.path)", remedy: "See docs/operations.md for the admin API.")
                ))
        }
    }

    private func isChange(_ request: HTTP1Request) -> Bool {
        request.path == "/control/accept-store"
            || request.path == "/workloads" && request.method != "GET" && request.method != "HEAD"
    }

    /// What is asked of the control plane through this host.
    private func change(_ request: HTTP1Request, _ answer: @escaping HTTP1Answer) {
        guard let control = node.control else {
            let remedy = "Change the files of mesh.path, or join a control plane with `warren join`."
            return answer(json(409, AdminDocument.failure("this host has no control plane", remedy: remedy)))
        }
        if request.path == "/workloads" {
            let registrar = ControlRegistrar(client: control, node: node.configuration.node)
            return registrar.answer(request) { answer(self.json($0, $1)) }
        }
        guard request.method == "POST" else { return answer(json(405, AdminDocument.failure("\(request.path) takes POST only"))) }
        control.acceptStore { answer(self.json(.object([("accepted", .bool(true))]))) }
    }

    private func status(_ answer: @escaping HTTP1Answer) {
        node.census.connections { [node] connections in
            node.census.tunnels { tunnels in
                var status = node.statusInfo
                status.connections = connections.count
                status.tunnels = tunnels.count
                answer(self.json(status.document))
            }
        }
    }

    private func workloads(_ answer: @escaping HTTP1Answer) {
        node.census.connections { [node] connections in
            answer(self.json(AdminDocument.workloads(Self.counted(node.workloadInfos, connections))))
        }
    }

    private static func counted(_ workloads: [WorkloadInfo], _ connections: [ConnectionInfo]) -> [WorkloadInfo] {
        let counts = Dictionary(grouping: connections, by: \.workload).mapValues(\.count)
        return workloads.map { workload in
            var workload = workload
            if workload.isLocal { workload.connections = counts["\(workload.namespace)/\(workload.name)"] ?? 0 }
            return workload
        }
    }

    private func dump(_ answer: @escaping HTTP1Answer) {
        node.census.connections { [node] connections in
            let dump = ConfigDump(
                workloads: node.workloadInfos, services: node.serviceInfos, policies: node.policyInfos,
                certificates: node.certificateInfos, connections: connections, configuration: node.configuration)
            answer(self.json(dump.document))
        }
    }

    private func logging(_ request: HTTP1Request) -> HTTP1Response {
        let levels = node.logWriter.levels
        guard request.method == "POST" || request.method == "PUT" else { return json(AdminDocument.logging(levels)) }
        if request.parameter("reset") != nil { levels.reset() }
        if let level = request.parameter("level") {
            do throws(LogLevelFailure) { try levels.apply(level) } catch {
                return json(400, AdminDocument.failure(error.description))
            }
        }
        return json(AdminDocument.logging(levels))
    }

    private func json(_ document: Value) -> HTTP1Response { json(200, document) }

    private func json(_ status: Int, _ document: Value) -> HTTP1Response {
        HTTP1Response(
            status: status, headers: ["content-type": "application/json", "cache-control": "no-store"],
            body: document.jsonBytes + [0x0a])
    }
}
