// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A host with a `warrend` on it.
package final class LabNode {
    package let host: LabHost
    package var config: LabConfig
    /// How many descriptors the daemon may open; nil leaves the limit of the tests.
    package var descriptors: Int?
    /// A command that runs the daemon as its further arguments, as a service manager would: `setpriv …`.
    package var wrapper: [String] = []
    /// The daemon, while one is started.
    package private(set) var daemon: LabProcess?
    /// What daemons before it logged, for tests that restart.
    private var earlier = ""
    /// Daemons that handed over to the one after them, the oldest first.
    package private(set) var former: [LabProcess] = []

    package init(_ host: LabHost) throws {
        self.host = host
        config = LabConfig(node: host.name)
        try TestAuthority.shared.get().install(on: host)
    }

    /// Starts the daemon and waits until it says it is ready.
    package func start() throws {
        try startUnready()
        try waitUntil("warrend on \(host.name) is ready", seconds: 2, detail: { self.log.suffix(4000).description }) {
            if let status = daemon?.status { throw LabFailure(description: "warrend ended with \(status): \(log.suffix(4000))") }
            if log.contains("nothing is captured until it is right") {
                throw LabFailure(description: "the mesh is refused: \(log)")
            }
            return try host.run(["curl", "-fsS", "-m2", "http://127.0.0.1:\(LabConfig.readinessPort)/healthz/ready"]).succeeded
        }
    }

    /// Starts the daemon, whatever becomes of it.
    package func startUnready() throws {
        try host.write(LabConfig.path, config.text)
        let limit = descriptors.map { ["prlimit", "--nofile=\($0):\($0)"] } ?? []
        daemon = try host.start(limit + wrapper + [Programs.path("warrend"), "--config", LabConfig.path])
    }

    /// Ends the daemon with a signal and waits; its status.
    @discardableResult
    package func stop(_ signal: CInt = SIGTERM, seconds: Double = 40) -> Int {
        let status = daemon?.stop(signal, seconds: seconds) ?? 0
        earlier += daemon?.log ?? ""
        daemon = nil
        return status
    }

    package func restart(_ signal: CInt = SIGTERM) throws {
        stop(signal)
        try start()
    }

    /// Starts a daemon that takes over from the one that runs, and waits until it has; the one before it, which finishes what it has.
    @discardableResult
    package func upgrade() throws -> LabProcess {
        guard let old = daemon else { throw LabFailure(description: "no warrend runs on \(host.name)") }
        let new = try startSuccessor()
        try new.waitFor("took over from process", seconds: 10)
        former.append(old)
        daemon = new
        return old
    }

    /// Starts a daemon that is to take over, whatever becomes of it.
    package func startSuccessor(_ configuration: String = LabConfig.path) throws -> LabProcess {
        try host.start(wrapper + [Programs.path("warrend"), "--take-over", "--config", configuration])
    }

    /// All that daemons on this host have logged.
    package var log: String { earlier + former.map(\.log).joined() + (daemon?.log ?? "") }

    /// The lines of the access log, by ztunnel's names.
    package var accessLog: [PeerEvent] { PeerEvent.all(in: log).filter { $0["direction"] != nil && $0["src.addr"] != nil } }

    /// Polls until the access log has a line that fits; that line.
    package func accessLine(_ what: String, where fits: (PeerEvent) -> Bool) throws -> PeerEvent {
        var found: PeerEvent?
        try waitUntil(
            "\(host.name) logs \(what)", seconds: 1,
            detail: { self.accessLog.suffix(5).map(\.description).joined(separator: "\n") }
        ) {
            found = accessLog.last(where: fits)
            return found != nil
        }
        guard let found else { throw LabFailure(description: "no line") }
        return found
    }

    /// What the admin API answers to a GET.
    package func admin(_ path: String) throws -> PeerEvent {
        let outcome = try host.run(["curl", "-sS", "-m5", "--unix-socket", LabConfig.socket, "http://warrend/\(path)"])
        guard outcome.succeeded, let document = PeerEvent(outcome.out[...]) else {
            throw LabFailure(description: "admin /\(path): \(outcome)\n\(log.suffix(2000))")
        }
        return document
    }

    /// A list of the admin API, each element by itself: `list("tunnels")`.
    package func list(_ name: String) throws -> [PeerEvent] { try admin(name).elements(name) }

    /// Runs the CLI on this host.
    package func warren(_ arguments: String..., seconds: Double = 20) throws -> Outcome {
        try host.run([Programs.path("warren")] + arguments, seconds: seconds)
    }

    /// The exposition of the metrics port.
    package func metrics() throws -> String {
        try host.sh("curl -fsS -m5 http://127.0.0.1:\(LabConfig.metricsPort)/metrics")
    }

    /// The sum of a metric's series that have all these label texts.
    package func metric(_ name: String, _ labels: String...) throws -> Double {
        try metrics().split(separator: "\n")
            .filter { line in
                line.hasPrefix(name) && (line.dropFirst(name.count).first.map { "{ ".contains($0) } ?? false)
                    && labels.allSatisfy { line.contains($0) }
            }
            .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }
            .reduce(0, +)
    }

    /// Where a workload's capture stands: `captured`, `draining`, `refused`, …
    package func captureState(_ workload: LabWorkload) throws -> String? {
        try list("workloads").first { $0["name"] == workload.name && $0["local"] == "true" }?["captureState"]
    }
}
