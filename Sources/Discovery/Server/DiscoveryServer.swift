// SPDX-License-Identifier: Apache-2.0

package import Kernel
package import Loop
package import Transport

/// Tells every connected node what changes: delta discovery for all who call. It holds each resource once, encoded; a client costs a position per
/// type and one response in flight. Lives on one loop; calls come by `attach`, changes by `apply`.
///
///     apply ─► (settle) ─► release ─► queue of subscribers ─► pump: one shared response each ─► ACK ─► pump …
package final class DiscoveryServer: TurnTarget, TimerTarget {
    /// Of one request, in bytes: a host that comes again names all that it holds, some 90 bytes for each workload, which is 4.5 MB for fifty
    /// thousand.
    package static let requestLimit = 32 << 20

    /// The bounds of the server.
    package struct Bounds: Sendable {
        /// Calls at once.
        package var calls = 8_192
        /// Calls of one node: the one that it has, and one that it has lost but we haven't noticed. Older ones are ended.
        package var callsPerNode = 2
        /// Between two rounds of pushes, at least: what changes meanwhile is told together. The first change after a quiet time waits for nothing.
        package var settle = Interval.milliseconds(8)
        package var longestSettle = Interval.milliseconds(200)
        /// How long the first push waits for the client to ask for policies as well.
        package var policyWait = Interval.milliseconds(20)

        package init() {}
    }

    private enum Timer: UInt32 {
        case release = 0
        case held = 1
    }

    /// A turn of the loop serves others too.
    private static let share = Interval.milliseconds(2)

    private let loop: Loop
    private let identity: String
    private let bounds: Bounds
    package weak var observer: (any DiscoveryObserver)?
    package internal(set) var metrics = DiscoveryMetrics()
    let assembly = PushAssembly()

    private let addresses = ResourceTable(isIndexed: true)
    private let authorizations = ResourceTable(isIndexed: false)
    private let evictions = ResourceTable(isIndexed: false)
    private var local: [String: ResourceTable] = [:]
    /// Of the last change; and of the last that may be told.
    private(set) var sequence: UInt64 = 0
    private(set) var released: UInt64 = 0
    private var log = AcknowledgementLog()
    /// Of the store, as of which everything stands here.
    package private(set) var revision: UInt64 = 0
    /// Nobody is told anything before everything is here: what is missing would be taken for removed.
    package private(set) var isLoaded = false

    private var subscribers: [ObjectIdentifier: Subscriber] = [:]
    /// The newest call last.
    private var byNode: [String: [Subscriber]] = [:]
    private var counted = 0
    private var queue: ContiguousArray<Subscriber> = []
    private var queueStart = 0
    private var asksForTurn = false
    private var isReleaseDue = false
    /// Something changed during a round.
    private var isReleaseWanted = false
    private var releaseTimer: Token?
    private var roundBegan = Instant(nanoseconds: 0)
    private var roundTook = Interval.zero
    private var isRound = false
    /// How many were queued and served ever; a round is over when all that it queued were served, whoever came behind.
    private var queued: UInt64 = 0
    private var served: UInt64 = 0
    private var roundEnd: UInt64 = 0
    private var heldBack: [Subscriber] = []
    private var heldTimer: Token?

    /// - Parameter identity: of the store; goes before the revision in what clients are told.
    package init(loop: Loop, identity: String, bounds: Bounds = Bounds()) {
        self.loop = loop
        self.identity = identity
        self.bounds = bounds
    }

    package var systemVersion: String { "\(identity)/\(revision)" }

    // MARK: - Changes

    /// Takes what changed. - Parameter accepted: when the oldest of it was accepted from whoever wrote it.
    package func apply(_ batch: ResourceBatch, accepted: Instant = .now()) {
        for type in ResourceType.byRank {
            for resource in batch.changed where resource.type == type { put(resource) }
        }
        for type in ResourceType.byRank.reversed() {
            for removed in batch.removed where removed.type == type { remove(removed) }
        }
        // Who calls now is not told of what was removed: it must not be told of the resource either.
        assembly.forget()
        revision = max(revision, batch.revision)
        metrics.batches &+= 1
        let before = log.marks.last?.sequence ?? 0
        log.append(sequence: sequence, revision: revision, at: accepted, waiting: counted)
        if sequence == before || counted == 0 {
            noteAcknowledged()
        }
        if isLoaded, sequence == released {
            // Nothing that anybody is told: who is told of something next is told this revision with it.
            assembly.systemVersion = systemVersion
        } else {
            scheduleRelease()
        }
    }

    /// Everything that stood when the control plane began is here.
    package func loaded() {
        isLoaded = true
        release()
    }

    private func put(_ resource: EncodedResource) {
        if table(of: resource.type, for: resource.owner).put(resource, sequence: sequence + 1) { sequence += 1 }
    }

    private func remove(_ removed: RemovedResource) {
        if table(of: removed.type, for: removed.owner).remove(removed.name, sequence: sequence + 1) { sequence += 1 }
    }

    func table(of type: ResourceType, for node: String) -> ResourceTable {
        switch type {
        case .address: return addresses
        case .authorization: return authorizations
        case .eviction: return evictions
        case .local:
            if let table = local[node] { return table }
            let table = ResourceTable(isIndexed: false)
            local[node] = table
            return table
        }
    }

    /// The workloads of a node, and which of them it is to capture.
    package func localWorkloads(of node: String) -> [String: Bool] {
        var found: [String: Bool] = [:]
        local[node]?.forEach { found[$0.resource.name] = $0.resource.isCaptured }
        return found
    }

    // MARK: - Rounds

    /// After a quiet time at once, else when the last round is some while past: the more a round costs, the more is gathered for the next.
    private func scheduleRelease() {
        guard isLoaded, !isReleaseDue, releaseTimer == nil else { return }
        guard !isRound else {
            isReleaseWanted = true
            return
        }
        let wait = min(max(bounds.settle, Interval(nanoseconds: roundTook.nanoseconds &* 2)), bounds.longestSettle)
        let since = Instant.now().since(roundBegan)
        if since >= wait {
            isReleaseDue = true
            askForTurn()
        } else {
            releaseTimer = loop.arm(
                Interval(nanoseconds: wait.nanoseconds - since.nanoseconds), self, tag: Timer.release.rawValue)
        }
    }

    private func release() {
        isReleaseDue = false
        isReleaseWanted = false
        assembly.systemVersion = systemVersion
        released = sequence
        metrics.rounds &+= 1
        roundBegan = .now()
        isRound = true
        for subscriber in subscribers.values { enqueue(subscriber) }
        roundEnd = queued
        askForTurn()
    }

    package func timerFired(_ tag: UInt32) {
        switch Timer(rawValue: tag) {
        case .release:
            releaseTimer = nil
            release()
        case .held:
            heldTimer = nil
            for subscriber in heldBack { subscriber.release() }
            heldBack = []
        case nil: break
        }
    }

    func enqueue(_ subscriber: Subscriber) {
        guard !subscriber.isQueued, !subscriber.isOver else { return }
        subscriber.isQueued = true
        queued &+= 1
        queue.append(subscriber)
        askForTurn()
    }

    private func askForTurn() {
        guard !asksForTurn else { return }
        asksForTurn = true
        loop.atEndOfTurn(self)
    }

    package func endTurn() -> Bool {
        if isReleaseDue { release() }
        let end = Instant.now() + Self.share
        while queueStart < queue.count {
            let subscriber = queue[queueStart]
            queueStart += 1
            served &+= 1
            subscriber.isQueued = false
            subscriber.pump()
            if isRound, served >= roundEnd { endRound() }
            if queueStart < queue.count, Instant.now() > end {
                // What was served goes, or a queue that never empties would grow for ever.
                queue.removeFirst(queueStart)
                queueStart = 0
                return true
            }
        }
        queue.removeAll(keepingCapacity: true)
        queueStart = 0
        if isRound { endRound() }
        asksForTurn = isReleaseDue
        return isReleaseDue
    }

    private func endRound() {
        isRound = false
        roundTook = Instant.now().since(roundBegan)
        if isReleaseWanted { scheduleRelease() }
    }

    // MARK: - Calls

    /// Takes over a call. The caller has checked who it is; that alone decides which local workloads it is told of, whatever it says of itself.
    /// - Parameter until: when its certificate or token ends, in Unix seconds, and with it the call. A client that renewed it has come again by then.
    package func attach(
        _ stream: any GRPCStream, node: String, until: Int64? = nil, address: String = "", userAgent: String = ""
    ) {
        guard isLoaded else {
            stream.finish(GRPCStatus(.unavailable, "the control plane is loading its state"))
            return
        }
        guard subscribers.count < bounds.calls else {
            stream.finish(GRPCStatus(.resourceExhausted, "there are \(bounds.calls) discovery calls already"))
            return
        }
        metrics.calls &+= 1
        let subscriber = Subscriber(stream, node: node, address: address, userAgent: userAgent, server: self)
        subscribers[ObjectIdentifier(subscriber)] = subscriber
        byNode[node, default: []].append(subscriber)
        if byNode[node]?.count == 1 { observer?.connected(node: node) }
        while let calls = byNode[node], calls.count > bounds.callsPerNode, let oldest = calls.first {
            oldest.end(GRPCStatus(.aborted, "the node has called again"))
        }
        if bounds.policyWait > .zero {
            heldBack.append(subscriber)
            if heldTimer == nil { heldTimer = loop.arm(bounds.policyWait, self, tag: Timer.held.rawValue) }
        } else {
            subscriber.release()
        }
        if let until {
            let left = UInt64(max(1, until - WallTime.now().seconds))
            subscriber.bound = loop.arm(.seconds(left), subscriber, tag: 0)
        }
        subscriber.begin()
    }

    /// Ends all calls: the clients go to another replica, or come again.
    package func stop() {
        for subscriber in subscribers.values { subscriber.end(GRPCStatus(.unavailable, "the control plane is going away")) }
    }

    /// Ends a node's calls, of one that was evicted.
    package func disconnect(node: String, _ status: GRPCStatus) {
        for subscriber in byNode[node] ?? [] { subscriber.end(status) }
    }

    func ended(_ subscriber: Subscriber) {
        guard subscribers.removeValue(forKey: ObjectIdentifier(subscriber)) != nil else { return }
        if let bound = subscriber.bound { loop.cancel(bound) }
        byNode[subscriber.node]?.removeAll { $0 === subscriber }
        heldBack.removeAll { $0 === subscriber }
        if byNode[subscriber.node]?.isEmpty == true {
            byNode[subscriber.node] = nil
            observer?.disconnected(node: subscriber.node)
        }
        guard subscriber.isCounted else { return }
        counted -= 1
        confirmed(subscriber, from: subscriber.confirmed, to: .max)
    }

    // MARK: - What is acknowledged

    /// From now on the node is waited for; of what was before it only has to hold the outcome.
    func counts(_ subscriber: Subscriber) { counted += 1 }

    func confirmed(_ subscriber: Subscriber, from: UInt64, to: UInt64) {
        let now = Instant.now()
        var isNews = false
        log.confirm(from: max(from, subscriber.countedFrom), to: to) { mark in
            metrics.acknowledgementTime.observe(now.since(mark.at))
            isNews = true
        }
        if isNews { noteAcknowledged() }
    }

    private func noteAcknowledged() {
        guard let observer else { return }
        let least = subscribers.values.reduce(sequence) { $1.isCounted ? min($0, $1.confirmed) : $0 }
        observer.acknowledged(revision: least == sequence ? revision : log.revision(at: least))
    }

    // MARK: - Status

    package var connectedNodes: Int { byNode.count }

    package func isConnected(_ node: String) -> Bool { byNode[node] != nil }

    package func status() -> [DiscoveryNodeStatus] { byNode.keys.sorted().compactMap { status(of: $0) } }

    package func status(of node: String) -> DiscoveryNodeStatus? {
        guard let calls = byNode[node], let newest = calls.last else { return nil }
        let isAll = newest.confirmed >= sequence
        return DiscoveryNodeStatus(
            node: node, client: newest.client, version: newest.version, address: newest.address,
            connectedSince: newest.connectedSince, calls: calls.count, isSynchronised: newest.isSynchronised,
            acknowledgedRevision: isAll ? revision : log.revision(at: newest.confirmed),
            behindSince: isAll ? nil : log.since(newest.confirmed), refusals: newest.refusals())
    }

    /// How far all connected nodes are now.
    package func survey() -> AcknowledgementSurvey {
        var survey = AcknowledgementSurvey()
        for case let (node, subscriber?) in byNode.lazy.map({ ($0.key, $0.value.last) }) where subscriber.isCounted {
            let holding = subscriber.confirmed >= sequence ? revision : log.revision(at: subscriber.confirmed)
            survey.add(holding: holding)
            guard subscriber.refusesSomething else { continue }
            survey.add(node, holding: holding, refusing: subscriber.subscriptions.map { $0?.refusals })
        }
        return survey
    }

    /// How many of the connected nodes hold everything up to a revision.
    package func acknowledgement(ofRevision wanted: UInt64) -> Acknowledgement { survey().acknowledgement(ofRevision: wanted) }

    /// How many of the nodes that are told of a resource hold it as it stands. Nil if it isn't handed out.
    package func acknowledgement(of type: ResourceType, _ name: String, owner: String = "") -> Acknowledgement? {
        guard let entry = table(of: type, for: owner).entry(name) else { return nil }
        var answer = Acknowledgement()
        for (node, calls) in byNode where owner.isEmpty || owner == node {
            guard let subscription = calls.last?.subscriptions[type.rank] else { continue }
            answer.concerned += 1
            if let refusal = subscription.refusals.byName[name] {
                answer.refused[node] = refusal.error
            } else if (calls.last?.confirmed ?? 0) >= entry.sequence || subscription.acknowledged >= entry.sequence {
                answer.acknowledged += 1
            }
        }
        return answer
    }
}

extension ResourceType {
    static let byRank = allCases.sorted { $0.rank < $1.rank }
}
