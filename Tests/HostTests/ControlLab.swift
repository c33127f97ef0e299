// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support

/// A lab with a control plane on the wire, outside of every host, and hosts that joined it.
final class ControlLab {
    let lab: Lab
    let nodes: [LabNode]
    /// What is applied, or about to be.
    var mesh = MeshFile()
    private(set) var plane: LabProcess?
    /// What control planes before it logged.
    private var earlier = ""
    private var workloads: [LabWorkload] = []

    static let port = 15012
    private static let configuration = "/etc/warren/warren-control.yaml"
    private static let meshFile = "/run/mesh.yaml"
    private static let socket = "/run/warren/control.sock"

    /// Starts the control plane and joins the hosts; no daemon runs yet. Without `joining` the control plane doesn't run either.
    /// - Parameter settings: of the control plane, by dotted paths.
    init(hosts: Int = 2, settings: [String: String] = [:], joining: Bool = true) throws {
        lab = try Lab(hosts: hosts)
        nodes = try lab.hosts.map { try LabNode($0) }
        mesh.namespace()
        try configure(settings)
        if joining { try startPlane() }
        for node in nodes {
            mesh.set("NodeGrant//\(node.host.name)", Self.grant(node.host))
            if joining { try join(node) }
        }
    }

    private static func grant(_ host: LabHost) -> String {
        """
        apiVersion: warren.dev/v1
        kind: NodeGrant
        metadata: {name: \(host.name)}
        spec: {nodes: [\(host.name)], namespaces: [default], addresses: ["\(AddressPlan.pods(host.number))", "\(AddressPlan.pods6(host.number))"]}
        """
    }

    /// Writes the control plane's settings, for its next start.
    func configure(_ settings: [String: String]) throws {
        var config = LabConfig(node: "")
        for name in ["node", "mesh.path", "log.format"] { config[name] = nil }
        for (name, value) in settings { config[name] = value }
        try outside.write(Self.configuration, config.text)
    }

    var outside: LabOutside { lab.outside }
    var log: String { earlier + (plane?.log ?? "") }

    // MARK: - The control plane

    func startPlane() throws {
        let plane = try outside.start([Programs.path("warren-control")])
        self.plane = plane
        try plane.waitFor("ready: ", seconds: 10)
    }

    func stopPlane(_ signal: CInt = SIGTERM) {
        plane?.stop(signal)
        earlier = log
        plane = nil
    }

    /// The CLI beside the control plane, as root over its socket.
    @discardableResult
    func warren(_ arguments: String..., seconds: Double = 20) throws -> Outcome {
        try outside.run([Programs.path("warren")] + arguments, seconds: seconds)
    }

    /// The same, where it must succeed; what it says as JSON.
    func json(_ arguments: String...) throws -> PeerEvent {
        let outcome = try outside.run([Programs.path("warren")] + arguments + ["-o", "json"])
        guard outcome.succeeded, let event = PeerEvent(outcome.out[...]) else {
            throw LabFailure(description: "\(arguments): \(outcome)\n\(log.suffix(2000))")
        }
        return event
    }

    // MARK: - Hosts

    /// Makes a host a member as its operator would; its daemon isn't started.
    func join(_ node: LabNode) throws {
        node.config["control.addresses"] = nil
        node.config["mesh.path"] = nil
        try node.host.write(LabConfig.path, node.config.text)
        let token = try json("token", "create", "--node", node.host.name)["token"] ?? ""
        let outcome = try node.warren(
            "join", "https://\(AddressPlan.outside):\(Self.port)", "--token", token, "--node", node.host.name, "--no-start",
            "--force")
        guard outcome.succeeded else { throw LabFailure(description: "\(outcome)\n\(log.suffix(2000))") }
        // As joining wrote it: a restart of the daemon writes the file again.
        node.config["control.addresses"] = "[\"\(AddressPlan.outside):\(Self.port)\"]"
    }

    /// Makes a workload on a host (from 0), of the namespace `default`, with its name as service account.
    func add(_ name: String, on host: Int, account: String? = nil) throws -> LabWorkload {
        let workload = try lab.hosts[host].addWorkload(name)
        mesh.workload(workload, account: account)
        workloads.append(workload)
        return workload
    }

    func apply() throws {
        try outside.write(Self.meshFile, mesh.text)
        let outcome = try warren("apply", "-f", Self.meshFile)
        guard outcome.succeeded else { throw LabFailure(description: "\(outcome)\n\(log.suffix(2000))") }
    }

    /// Applies the mesh, starts every daemon, and returns when all workloads are captured and everybody knows it.
    func start() throws {
        try apply()
        for node in nodes { try node.start() }
        try waitCaptured()
    }

    func waitCaptured() throws {
        for workload in workloads {
            let node = nodes[workload.host.number - 1]
            try waitUntil("\(workload.name) is captured", seconds: 5, detail: { node.log.suffix(3000).description }) {
                try node.captureState(workload) == "captured"
            }
        }
        // Its host reports, and only then the others dial it by tunnel (I21).
        for node in nodes {
            try waitUntil("\(node.host.name) knows all tunnels", seconds: 5, detail: { node.log.suffix(3000).description }) {
                let tunnelled = try node.list("workloads").filter { $0["protocol"] == "HBONE" }.compactMap { $0["name"] }
                return Set(workloads.map(\.name)).isSubset(of: tunnelled)
            }
        }
    }

    /// What the API answers to root over its socket.
    func request(_ method: String, _ path: String, body: String? = nil) throws -> Outcome {
        var arguments = ["curl", "-sS", "--max-time", "10", "--unix-socket", Self.socket, "-X", method]
        if let body { arguments += ["-H", "content-type: application/json", "-d", body] }
        return try outside.run(arguments + ["http://localhost\(path)"])
    }
}
