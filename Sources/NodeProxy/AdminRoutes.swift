// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Documents
internal import HTTP
internal import Kernel
internal import Loop
internal import Telemetry
internal import Transport

/// The admin API: what `warren` asks. Reading changes nothing. What can be set is the log's level; with a control plane, workloads of this host can
/// be registered there, and another store of it be accepted.
final class AdminRoutes {
    private unowned let node: Node

    init(node: Node) { self.node = node }

    func answer(_ request: HTTP1Request, _ answer: @escaping HTTP1Answer) {
        if request.path == "/logging" { return answer(logging(request)) }
        if isChange(request) { return change(request, answer) }
        guard request.method == "GET" || request.method == "HEAD" else {
            return answer(json(405, AdminDocument.failure("\(request.path) takes GET only")))
        }
        switch request.path {
        case "/status": status(answer)
        case "/workloads": workloads(request, answer)
        case "/services": tell(answer) { [mesh = node.meshInspection()] in AdminDocument.services(mesh.services) }
        case "/policies": tell(answer) { [mesh = node.meshInspection()] in AdminDocument.policies(mesh.policies) }
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
        case "/metrics": NodeServices.metrics(node, request, answer)
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
        if control.member == nil {
            return answer(
                json(
                    409,
                    AdminDocument.failure(
                        "this host's control plane is istiod, which hosts can't tell anything",
                        remedy: "Change Kubernetes' resources, and control.istiod.workloads for what is captured here.")))
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

    /// `?local=true` and `?namespace=NS` say which ones.
    private func workloads(_ request: HTTP1Request, _ answer: @escaping HTTP1Answer) {
        let filter = MeshInspection.Filter(
            isLocal: request.parameter("local") == "true", namespace: request.parameter("namespace"))
        node.census.connections { connections in
            self.tell(answer) { [mesh = self.node.meshInspection(connections)] in AdminDocument.workloads(mesh.workloads(filter))
            }
        }
    }

    private func dump(_ answer: @escaping HTTP1Answer) {
        node.census.connections { connections in
            let mesh = self.node.meshInspection(connections)
            let (certificates, configuration) = (self.node.certificateInfos, self.node.configuration)
            self.tell(answer) {
                ConfigDump(
                    workloads: mesh.workloads(), services: mesh.services, policies: mesh.policies, certificates: certificates,
                    connections: connections, configuration: configuration
                ).document
            }
        }
    }

    /// What is as large as the mesh is put into words where that keeps nobody waiting.
    private func tell(_ answer: @escaping HTTP1Answer, _ document: @escaping @Sendable () -> Value) {
        node.meshWork {
            document().jsonBytes + [0x0a]
        } then: { text in
            answer(self.json(200, text: text))
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

    private func json(_ status: Int, _ document: Value) -> HTTP1Response { json(status, text: document.jsonBytes + [0x0a]) }

    private func json(_ status: Int, text: [UInt8]) -> HTTP1Response {
        HTTP1Response(
            status: status, headers: ["content-type": "application/json", "cache-control": "no-store"], body: text)
    }
}
