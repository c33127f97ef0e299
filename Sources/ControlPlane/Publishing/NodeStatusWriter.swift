// SPDX-License-Identifier: Apache-2.0

package import Discovery
internal import Documents
internal import Kernel
package import Loop
internal import ResourceAPI
internal import Store

/// Writes into each `Node` object what is known of the host: since when it is connected, whether it holds what stands, what it refuses, how its
/// workloads are. Now and then and together, and only what is different: five hundred hosts that are told of a change are not five hundred writes.
/// On the API's loop.
package final class NodeStatusWriter: TimerTarget {
    /// What was written last, as far as it decides whether to write again.
    private struct Shown: Equatable {
        var connectedSince: Int64?
        var version: String
        var isSynchronised: Bool?
        var refused: String
        var workloads: [NodeReport.Workload]
    }

    private static let tick = Interval.seconds(2)
    /// A host that is behind for less than this is just being told.
    private static let patience = Interval.seconds(5)
    private static let writesAtOnce = 200
    /// Workloads that are listed; the rest is in the host's own admin API.
    private static let workloadLimit = 256
    private static let messageLimit = 1_024

    private let loop: Loop
    private let state: ControlState
    private let server: DiscoveryServer
    private let reports: NodeReports
    private var shown: [String: Shown] = [:]
    private var isCommitting = false

    package init(loop: Loop, state: ControlState, server: DiscoveryServer, reports: NodeReports) {
        self.loop = loop
        self.state = state
        self.server = server
        self.reports = reports
    }

    package func start() { _ = loop.arm(Self.tick, self, tag: 0) }

    package func timerFired(_ tag: UInt32) {
        write()
        _ = loop.arm(Self.tick, self, tag: 0)
    }

    func write() {
        guard state.isLoaded, server.isLoaded, !isCommitting else { return }
        var transaction = StoreTransaction()
        var written: [(String, Shown)] = []
        for object in state.cache.objects(NodeRecord.resource) where written.count < Self.writesAtOnce {
            let node = object.key.name
            let now = current(node)
            guard shown[node] != now, let text = merged(object, now, node) else { continue }
            written.append((node, now))
            guard text != object.text else { continue }
            transaction.conditions.append(.init(object.key, revision: object.revision))
            transaction.writes.append(.put(object.key, text))
        }
        guard !transaction.writes.isEmpty else {
            for (node, now) in written { shown[node] = now }
            return
        }
        isCommitting = true
        state.commit(transaction) { [weak self] outcome in
            guard let self else { return }
            isCommitting = false
            // Who changed one of them meanwhile is welcome: with the next tick it is tried again.
            if case .success = outcome { for (node, now) in written { shown[node] = now } }
        }
    }

    private func current(_ node: String) -> Shown {
        let report = reports.report(of: node)?.report
        guard let status = server.status(of: node) else {
            return Shown(
                connectedSince: nil, version: report?.version ?? "", isSynchronised: nil, refused: "",
                workloads: report?.workloads ?? [])
        }
        let isPatient = status.behindSince.map { Instant.now().since($0) < Self.patience } ?? true
        let refused = status.refusals.map { "\($0.name): \($0.error)" }.joined(separator: "; ")
        return Shown(
            connectedSince: status.connectedSince.seconds, version: report?.version ?? status.version,
            isSynchronised: status.isSynchronised || isPatient, refused: String(refused.prefix(Self.messageLimit)),
            workloads: report?.workloads ?? [])
    }

    /// The object with what is known now; nil if it can't be read.
    private func merged(_ object: CachedObject, _ now: Shown, _ node: String) -> [UInt8]? {
        guard let document = try? JSON.read(object.text) else { return nil }
        var status: [(String, Value)] = [
            ("connectedSince", now.connectedSince.map { .string(timestamp($0)) } ?? .null),
            ("synced", now.isSynchronised.map { .bool($0) } ?? .null),
            (
                "workloads",
                now.workloads.isEmpty
                    ? .null
                    : .array(
                        now.workloads.prefix(Self.workloadLimit).map {
                            .object([
                                ("uid", .string($0.uid)), ("state", .string($0.state.rawValue)), ("reason", .string($0.reason)),
                            ])
                        })
            ),
            ("conditions", .array(conditions(document["status"]?["conditions"]?.sequenceValue ?? [], now))),
        ]
        if !now.version.isEmpty { status.append(("version", .string(now.version))) }
        if let held = server.status(of: node)?.acknowledgedRevision {
            status.append(("revision", .string("\(state.identity)/\(held)")))
        }
        return ObjectText.stored(MergePatch.apply(.object([("status", .object(status))]), to: document))
    }

    /// `Accepted`: whether the host takes all that it is told. The time is that of the last turn.
    private func conditions(_ before: [Value], _ now: Shown) -> [Value] {
        let status = now.connectedSince == nil ? "Unknown" : now.refused.isEmpty ? "True" : "False"
        let own = before.first { $0["type"]?.stringValue == "Accepted" }
        let since = own?["status"]?.stringValue == status ? own?["lastTransitionTime"]?.stringValue : nil
        return before.filter { $0["type"]?.stringValue != "Accepted" } + [
            .object([
                ("type", "Accepted"), ("status", .string(status)),
                ("lastTransitionTime", .string(since ?? timestamp(WallTime.now().seconds))),
                ("reason", status == "True" ? "Taken" : status == "False" ? "Refused" : "Disconnected"),
                ("message", .string(now.refused)),
            ])
        ]
    }
}
