// SPDX-License-Identifier: Apache-2.0

internal import Discovery
internal import Documents
internal import Kernel
internal import Loop
internal import ResourceAPI
internal import Store
internal import Telemetry

/// Keeps the status of each `Node` as discovery and reports tell it, and tells the publisher whose workloads are out of reach. Changes are gathered:
/// five hundred hosts that come at once are one write. On the loop of the API.
final class NodeStatusKeeper: DiscoveryObserver, TimerTarget {
    private static let interval = Interval.seconds(2)
    private static let batch = StoreTransaction.limit

    private let state: ControlState
    private let discovery: DiscoveryServer
    private let reports: NodeReports
    private let replicas: Replicas
    private let watch: NodeWatch
    private let loop: Loop
    private let log: Log
    private var dirty: Set<String> = []
    /// Of lines about what hosts do wrong.
    private var quota = AuditQuota()
    /// Hosts that are connected to another replica, as their status says, and to which.
    private var elsewhere: [String: String] = [:]
    private var isWriting = false
    private var hasBegun = false
    /// What a host registered may go.
    var onExpired: ((String) -> Void)?

    init(
        state: ControlState, discovery: DiscoveryServer, publishing: Publishing, reports: NodeReports, replicas: Replicas,
        loop: Loop, log: Log, grace: Interval = NodeWatch.Bounds().expiresAfter
    ) {
        self.state = state
        self.discovery = discovery
        self.reports = reports
        self.replicas = replicas
        self.loop = loop
        self.log = log
        var bounds = NodeWatch.Bounds()
        bounds.expiresAfter = grace
        // Never later than what it registered goes.
        bounds.unhealthyAfter = min(bounds.unhealthyAfter, grace)
        watch = NodeWatch(loop: loop, bounds: bounds)
        watch.onHealth = { [log] node, isHealthy in
            log.warn("host \(node) is \(isHealthy ? "back" : "away"): its workloads are \(isHealthy ? "healthy" : "unhealthy")")
            publishing.setHealthy(isHealthy, node: node)
        }
        watch.onExpired = { [unowned self] node in
            self.log.warn("host \(node) has been away for longer than its grace: what it registered itself is removed")
            onExpired?(node)
        }
        discovery.observer = self
        replicas.onChange = { [unowned self] in
            // What was connected to one that is gone isn't connected any more.
            for (node, replica) in elsewhere where !replicas.isLive(replica) {
                elsewhere[node] = nil
                look(node)
                dirty.insert(node)
            }
        }
        reports.onReport = { [unowned self] node, _ in dirty.insert(node) }
        state.observe(self)
        _ = loop.arm(Self.interval, self, tag: 0)
    }

    func connected(node: String) {
        log.info("host \(node) is connected")
        watch.connected(node)
        dirty.insert(node)
    }

    func disconnected(node: String) {
        log.info("host \(node) is disconnected")
        look(node)
        dirty.insert(node)
    }

    /// Whether the host is connected, to this replica or another.
    func isConnected(_ node: String) -> Bool { elsewhere[node] != nil || discovery.status(of: node) != nil }

    private func look(_ node: String) {
        if isConnected(node) {
            watch.connected(node)
        } else {
            watch.disconnected(node)
        }
    }

    private func note(_ node: String, _ text: [UInt8]) {
        let status = (try? JSON.read(text))?["status"]
        var other: String?
        if status?["connectedSince"] != nil, let replica = status?["replica"]?.stringValue, replica != replicas.own,
            replicas.isLive(replica)
        {
            other = replica
        }
        guard elsewhere[node] != other else { return }
        elsewhere[node] = other
        if hasBegun { look(node) }
    }

    func refused(node: String, type: ResourceType, error: String) {
        complain(of: node, "refused resources of \(type.rawValue): \(error.prefix(512))")
        dirty.insert(node)
    }

    func asked(node: String, unknownType: String) {
        complain(
            of: node, "asks for \(unknownType.prefix(256)), which this control plane doesn't know: it is told that there is none")
    }

    /// A line, unless the host had many.
    private func complain(of node: String, _ words: @autoclosure () -> String) {
        guard let dropped = quota.take(node, now: .now()) else { return }
        log.warn("host \(node) \(words())\(AuditQuota.words(dropped))")
    }

    func acknowledged(revision: UInt64) {}

    /// The host was turned out: its object stays and says so.
    func evicted(_ node: String) {
        watch.evicted(node)
        reports.forget(node)
        dirty.insert(node)
    }

    /// The host is no member any more.
    func forget(_ node: String) {
        elsewhere[node] = nil
        watch.forget(node)
        reports.forget(node)
        dirty.remove(node)
    }

    // MARK: - Writing

    func timerFired(_ tag: UInt32) {
        _ = loop.arm(Self.interval, self, tag: 0)
        guard state.isLoaded, !isWriting, !dirty.isEmpty else { return }
        var transaction = StoreTransaction()
        for node in Array(dirty.prefix(Self.batch)) {
            dirty.remove(node)
            guard let standing = state.cache.object(NodeRecord.key(node)), let object = try? JSON.read(standing.text) else {
                continue
            }
            let status = status(of: node, before: object["status"] ?? .object([]))
            guard status != object["status"] else { continue }
            transaction.conditions.append(.init(standing.key, revision: standing.revision))
            transaction.writes.append(.put(standing.key, ObjectText.stored(object.setting("status", status))))
        }
        guard !transaction.writes.isEmpty else { return }
        isWriting = true
        state.commit(transaction) { [weak self] outcome in
            guard let self else { return }
            isWriting = false
            guard case .failure = outcome else { return }
            // Somebody else wrote one of them: all are looked at again.
            for write in transaction.writes { if case .put(let key, _) = write { dirty.insert(key.name) } }
        }
    }

    private func status(of node: String, before: Value) -> Value {
        var status = before
        let connection = discovery.status(of: node)
        // What another replica says of a host that is connected to it is that replica's to say.
        if connection == nil, let other = before["replica"]?.stringValue, other != replicas.own, replicas.isLive(other) {
            return before
        }
        status = status.setting("replica", connection == nil ? nil : .string(replicas.own))
        status = status.setting(
            "connectedSince", connection.map { .string(Timestamp(seconds: $0.connectedSince.seconds).description) })
        if let connection {
            status = status.setting("synced", .bool(connection.isSynchronised && connection.behindSince == nil))
            if !connection.version.isEmpty { status = status.setting("version", .string(connection.version)) }
        } else {
            status = status.setting("synced", nil)
        }
        let conditions = Condition.accepted(connection?.refusals)
            .put(into: before["conditions"]?.sequenceValue ?? [], seconds: WallTime.now().seconds)
        status = status.setting("conditions", .array(conditions))
        guard let (report, _) = reports.report(of: node) else { return status }
        if !report.version.isEmpty { status = status.setting("version", .string(report.version)) }
        status = status.setting("revision", report.mesh.isEmpty ? nil : .string(report.mesh))
        let workloads = report.workloads.map { workload in
            Value.object(present: [
                ("uid", .string(workload.uid)), ("state", .string(workload.state.rawValue)),
                ("reason", workload.reason.isEmpty ? nil : .string(workload.reason)),
            ])
        }
        return status.setting("workloads", workloads.isEmpty ? nil : .array(workloads))
    }
}

extension NodeStatusKeeper: StateObserver {
    /// Each host that is known has its whole grace from the beginning on: nobody is away because we were (I21).
    func stateLoaded(_ state: ControlState) {
        let known = state.cache.objects(NodeRecord.resource).map(\.key.name)
        if !hasBegun {
            hasBegun = true
            for node in known { if let text = state.cache.object(NodeRecord.key(node))?.text { note(node, text) } }
            watch.start(known)
            for node in elsewhere.keys { look(node) }
        } else {
            for node in known { if let text = state.cache.object(NodeRecord.key(node))?.text { note(node, text) } }
        }
        dirty.formUnion(known)
    }

    func stateChanged(_ state: ControlState, _ changes: [StoreChange]) {
        for change in changes where change.key.resource == NodeRecord.resource {
            if let text = change.value { note(change.key.name, text) } else { forget(change.key.name) }
        }
    }
}
