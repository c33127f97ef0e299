// SPDX-License-Identifier: Apache-2.0

package import Documents
package import Kernel

/// What the daemon is and how it does, in one look.
package struct StatusInfo: Sendable {
    package var node: String
    package var process: Int32
    package var started: WallTime
    package var uptime: Interval
    /// What readiness still waits for; empty if ready.
    package var pending: [String]
    package var loops: Int
    package var trustDomain: String
    package var meshPath: String
    /// Counts upwards with each set that was taken over.
    package var meshRevision: UInt64
    package var meshLoaded: WallTime?
    /// Why the files as they are now aren't in use; nil if they are.
    package var meshRefused: String?
    package var workloads = 0
    package var captured = 0
    package var services = 0
    package var policies = 0
    package var connections = 0
    package var tunnels = 0
    package var droppedLogLines: UInt64 = 0
    /// Daemons that handed over and finish their connections.
    package var generations: [GenerationInfo] = []
    /// This one is such a daemon.
    package var isDraining = false
    /// Nil: the mesh comes from files.
    package var control: ControlInfo?

    package init(
        node: String, process: Int32, started: WallTime, uptime: Interval, pending: [String], loops: Int, trustDomain: String,
        meshPath: String, meshRevision: UInt64, meshLoaded: WallTime? = nil, meshRefused: String? = nil
    ) {
        self.node = node
        self.process = process
        self.started = started
        self.uptime = uptime
        self.pending = pending
        self.loops = loops
        self.trustDomain = trustDomain
        self.meshPath = meshPath
        self.meshRevision = meshRevision
        self.meshLoaded = meshLoaded
        self.meshRefused = meshRefused
    }

    package var document: Value {
        .object(present: [
            ("version", .string(warrenVersion)), ("node", .string(node)), ("process", .integer(process)),
            ("started", .string(started.description)), ("uptimeSeconds", .number(uptime.seconds)),
            ("ready", .bool(pending.isEmpty)), ("pending", .array(pending.map { .string($0) })), ("loops", .integer(loops)),
            ("trustDomain", .string(trustDomain)), ("meshPath", .string(meshPath)), ("meshRevision", .integer(meshRevision)),
            ("meshLoaded", .text(meshLoaded?.description)), ("meshRefused", .text(meshRefused)),
            ("workloads", .integer(workloads)), ("captured", .integer(captured)), ("services", .integer(services)),
            ("policies", .integer(policies)), ("connections", .integer(connections)), ("tunnels", .integer(tunnels)),
            ("droppedLogLines", .integer(droppedLogLines)), ("draining", .bool(isDraining)),
            ("generations", .array(generations.map(\.document))), ("control", control?.document ?? .null),
        ])
    }
}

/// One thing the daemon knows to be well or not, for `warren check`.
package struct CheckFact: Sendable {
    package enum Result: String, Sendable {
        case ok
        case warning
        case failed
    }

    /// Stable, for scripts: `capture.rules`.
    package var name: String
    package var result: Result
    /// One sentence.
    package var message: String
    /// What to do; empty if nothing.
    package var remedy: String

    package init(_ name: String, _ result: Result, _ message: String, remedy: String = "") {
        self.name = name
        self.result = result
        self.message = message
        self.remedy = remedy
    }

    package var document: Value {
        .object([
            ("name", .string(name)), ("result", .string(result.rawValue)), ("message", .string(message)),
            ("remedy", .string(remedy)),
        ])
    }
}
