// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
import Kernel
import Loop
import Mesh
import Support
import Synchronization
import TLS
import Telemetry
import Testing
import Tunnel

@testable import NodeProxy

/// A worker with one captured workload, `shop/db-1` at 127.0.0.5 in the test's own namespace, and tunnels to it from `shop/web`. Needs root, as the
/// daemon does: sockets are marked.
final class NodeBench {
    static let address = IPAddress("127.0.0.5") ?? .loopbackV4
    static let mesh =
        TestNode.namespace + TestNode.workload("db-1", "127.0.0.5") + TestNode.workload("web-1", "127.0.0.1")
        + TestNode.service("db", "10.96.0.5")

    let worker: Worker
    let workload: WorkerWorkload
    let authority: TestAuthority
    /// What the worker told the node.
    private(set) var told: [NodeMessage] = []
    /// Connections that the application accepted.
    private(set) var applications: [Application] = []
    private(set) var clients: [CallingEnd] = []
    private let writer: LogWriter
    private let lines = Lines()
    private let application: Descriptor
    let port: UInt16

    /// - Parameters:
    ///   - mesh: as YAML.
    ///   - lifetime: of the workload's own certificate, in seconds.
    init(_ mesh: String = NodeBench.mesh, settings: WorkerSettings = WorkerSettings(), lifetime: Int64 = 86_400) throws {
        guard Limits.userID == 0 else { throw NeedsRoot() }
        authority = try TestAuthority()
        writer = try LogWriter(format: .json, levels: LogLevels(.debug), daemon: { _ in }, access: lines.sink)
        try writer.start()
        let node = try Mailbox<NodeMessage>()
        let worker = try Worker(
            number: 0, settings: settings, log: writer.makeLog(.daemon), fleet: WorkerFleet([Mailbox()]), node: node)
        self.worker = worker
        let listener = try Socket.listen(SocketAddress(Self.address, 0), backlog: 64)
        let bound = listener.localAddress()
        port = try #require(bound).port
        application = consume listener
        let snapshot = TestNode.snapshot(mesh)
        let made = try TestNode.workload(
            "db-1", in: snapshot, address: Self.address, credential: authority.credential("db", lifetime: lifetime))
        workload = made
        try node.attach(to: worker.loop) { [unowned self] in told.append($0) }
        tell(.snapshot(snapshot))
        tell(.enrol(made.shared, made.credential))
        try run("the workload") { worker.workloads[made.shared.uid] != nil }
    }

    deinit { writer.stop() }

    func tell(_ message: WorkerMessage) { worker.mailbox.send(message) }

    func turn() {
        if let accepted = try? application.accept() { applications.append(Application(accepted.take())) }
        for application in applications { application.step() }
        for client in clients { client.step() }
        worker.loop.turn(wait: .milliseconds(1))
    }

    func run(_ what: String, until condition: () -> Bool) throws {
        try drive(what, detail: { "told \(told.count), \(worker.connections.count) connections" }, turn, until: condition)
    }

    func settle(_ turns: Int = 30) { for _ in 0..<turns { turn() } }

    /// A workload's end of a tunnel to db-1.
    func tunnel(from account: String = "web") throws -> CallingEnd {
        let hbone = workload.shared.place.listeners?.localAddress(.hbone)
        let end = try CallingEnd(worker.loop, to: try #require(hbone), as: authority.credential(account))
        clients.append(end)
        return end
    }

    /// The worker's metrics as text.
    func metrics() throws -> String {
        let registry = MetricRegistry()
        registry.absorb(worker.metrics.snapshot(now: worker.loop.now), now: worker.loop.now)
        return String(decoding: registry.exposition(), as: UTF8.self)
    }

    /// The value of the one series with this name whose labels hold every text; nil if there is none, or several.
    func metric(_ name: String, _ texts: String...) throws -> Double? {
        let found = try metrics().split(separator: "\n").filter { line in
            (line.hasPrefix(name + "{") || line.hasPrefix(name + " ")) && texts.allSatisfy(line.contains)
        }
        return found.count == 1 ? found[0].split(separator: " ").last.flatMap { Double($0) } : nil
    }

    /// The access log so far. The worker's log is of no use afterwards.
    func accessLog() -> [String] {
        writer.stop()
        return lines.all
    }
}

/// Entering a namespace and marking sockets is for root alone; without it the worker would stop the program.
private struct NeedsRoot: Error, CustomStringConvertible {
    let description = "a worker makes sockets in namespaces: run this test as root"
}

/// Collects what the log writer's thread writes.
private final class Lines: Sendable {
    private let text = Mutex<[UInt8]>([])

    var sink: LogSink { { [self] bytes in text.withLock { $0 += bytes } } }
    var all: [String] { text.withLock { String(decoding: $0, as: UTF8.self) }.split(separator: "\n").map(String.init) }
}
