// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel
internal import Loop
internal import Messages
internal import Transport
internal import Wire

/// One call of delta discovery, as the server keeps it: who it is, its subscriptions, what it has acknowledged. On the server's loop, as long as
/// the call.
final class Subscriber: GRPCStreamDelegate, TimerTarget {
    /// Bytes that may wait in the transport before nothing more is put there.
    static let highWater = PushAssembly.size
    /// Types that nobody knows, answered once each; further ones aren't kept, and not answered.
    private static let strangeTypes = 16

    let node: String
    let address: String
    let connectedSince = WallTime.now()
    private(set) var client = ""
    private(set) var version: String
    private let stream: any GRPCStream
    private unowned let server: DiscoveryServer
    /// By `ResourceType.rank`.
    private(set) var subscriptions: [Subscription?] = Array(repeating: nil, count: ResourceType.allCases.count)
    private var strangers: Set<String> = []
    /// Everything of all its types up to here is acknowledged.
    private(set) var confirmed: UInt64 = 0
    private(set) var isCounted = false
    /// It is waited for in what comes behind this.
    private(set) var countedFrom: UInt64 = 0
    private(set) var isOver = false
    /// The timer of what it proved itself with.
    var bound: Token?
    /// It stands in the server's queue.
    var isQueued = false
    /// Nothing is pushed before: the policies may not have been asked for yet.
    private(set) var holdsBack = true

    init(_ stream: any GRPCStream, node: String, address: String, userAgent: String, server: DiscoveryServer) {
        self.stream = stream
        self.node = node
        self.address = address
        self.server = server
        version = String(userAgent.prefix(128))
    }

    func begin() {
        stream.delegate = self
        stream.take()
    }

    func end(_ status: GRPCStatus) {
        guard !isOver else { return }
        isOver = true
        stream.finish(status)
        stream.delegate = nil
        server.ended(self)
    }

    func timerFired(_ tag: UInt32) {
        bound = nil
        end(GRPCStatus(.unauthenticated, "the certificate or token of this call has ended: call again with another"))
    }

    // MARK: - The stream

    func messageReceived(_ message: [UInt8], on stream: any GRPCStream) {
        guard !isOver else { return }
        do throws(WireFailure) {
            try take(try DeltaRequestReader(message))
        } catch {
            end(GRPCStatus(.invalidArgument, "the request can't be taken: \(error.reason)"))
        }
        if !isOver { stream.take() }
    }

    func messagesEnded(on stream: any GRPCStream) { end(.ok) }

    func drained(_ stream: any GRPCStream) { if isWaiting { server.enqueue(self) } }

    func ended(_ status: GRPCStatus, on stream: any GRPCStream) {
        guard !isOver else { return }
        isOver = true
        server.ended(self)
    }

    // MARK: - Requests

    private func take(_ request: DeltaRequestReader) throws(WireFailure) {
        if client.isEmpty, let node = request.node { introduce(node) }
        guard let type = ResourceType(rawValue: request.typeURL) else {
            answerStranger(request)
            return
        }
        if let subscription = subscriptions[type.rank] {
            if !request.nonce.isEmpty { answer(request, subscription) }
            try change(subscription, request)
        } else {
            try subscribe(type, request)
        }
        confirm()
        if !isOver, !holdsBack, isWaiting { server.enqueue(self) }
    }

    /// Something may be sent now. An acknowledgement of the last that there was leaves nothing.
    private var isWaiting: Bool { subscriptions.contains { $0?.isWaiting(released: server.released) ?? false } }

    private func introduce(_ node: DiscoveryAPI.Node) {
        client = String(node.id.prefix(256))
        for key in ["WARREN_VERSION", "ISTIO_VERSION"] {
            if let said = node.metadata?[key]?.stringValue { version = String(said.prefix(128)) }
        }
    }

    private func subscribe(_ type: ResourceType, _ request: DeltaRequestReader) throws(WireFailure) {
        // No names at all is how ztunnel asks for everything (xDS protocol, "wildcard subscriptions").
        let isWildcard =
            (request.subscribe.isEmpty || request.subscribe.contains("*")) && !request.unsubscribe.contains("*")
        let subscription = Subscription(
            type: type, table: server.table(of: type, for: node), isWildcard: isWildcard, node: node, sequence: server.sequence)
        subscriptions[type.rank] = subscription
        try subscription.takeHeld(request, sequence: server.sequence)
        if !subscription.subscribe(request.subscribe) { refuseNames() }
        subscription.unsubscribe(request.unsubscribe)
        guard !isCounted else { return }
        isCounted = true
        countedFrom = server.sequence
        server.counts(self)
    }

    private func change(_ subscription: Subscription, _ request: DeltaRequestReader) throws(WireFailure) {
        if request.subscribe.contains("*") { subscription.setWildcard(true, sequence: server.sequence) }
        if request.unsubscribe.contains("*") { subscription.setWildcard(false, sequence: server.sequence) }
        subscription.unsubscribe(request.unsubscribe)
        if !subscription.subscribe(request.subscribe) { refuseNames() }
    }

    private func refuseNames() {
        end(GRPCStatus(.resourceExhausted, "a client may ask for \(Subscription.nameLimit) resources by name"))
    }

    private func answer(_ request: DeltaRequestReader, _ subscription: Subscription) {
        guard subscription.answered(nonce: request.nonce, error: request.error, at: WallTime.now()) else {
            server.metrics.staleAnswers &+= 1
            return
        }
        if let error = request.error {
            server.metrics.refused[subscription.type.rank] &+= 1
            server.observer?.refused(node: node, type: subscription.type, error: error)
        } else {
            server.metrics.acknowledged[subscription.type.rank] &+= 1
        }
    }

    /// A type that isn't known here is empty, and stays so: a client that waits for it goes on, and one of a newer version goes without. istiod says
    /// nothing at all, and xDS knows no better answer: a refusal would end the types that are known, too. So it is counted, and told to people once
    /// for each call.
    private func answerStranger(_ request: DeltaRequestReader) {
        let typeURL = request.typeURL
        guard !typeURL.isEmpty else {
            end(GRPCStatus(.invalidArgument, "the request has no type_url"))
            return
        }
        // An acknowledgement asks for nothing.
        if request.nonce.isEmpty { server.metrics.unknownTypes &+= 1 }
        guard strangers.count < Self.strangeTypes, strangers.insert(typeURL).inserted else { return }
        if strangers.count == 1 { server.observer?.asked(node: node, unknownType: typeURL) }
        var response = DiscoveryAPI.DeltaResponse()
        response.systemVersionInfo = server.systemVersion
        response.typeURL = typeURL
        response.nonce = "none"
        stream.send(response.encoded)
    }

    // MARK: - Pushes

    /// Whether policies are subscribed to, or nobody need wait for that any longer.
    func release() {
        guard holdsBack else { return }
        holdsBack = false
        server.enqueue(self)
    }

    var asksForPolicies: Bool { subscriptions[ResourceType.authorization.rank] != nil }

    private enum Pushed {
        /// Something was sent, or there was nothing to send.
        case settled
        /// There is something that isn't wanted: it makes way for what waited behind it in another type.
        case passed
        /// Nothing more can be sent.
        case stuck
    }

    /// Sends what may be sent: one push per type at most, and only what nothing else has to come before.
    func pump() {
        guard !isOver, !holdsBack else { return }
        let released = server.released
        for _ in subscriptions {
            var isAgain = false
            for case let subscription? in subscriptions where subscription.isWaiting(released: released) {
                switch push(subscription) {
                case .settled: continue
                case .passed: isAgain = true
                case .stuck: return confirm()
                }
            }
            if !isAgain { break }
        }
        confirm()
    }

    private func push(_ subscription: Subscription) -> Pushed {
        if subscription.isOvertaken {
            server.metrics.overtaken &+= 1
            end(GRPCStatus(.aborted, "too much was removed meanwhile to be told one by one: call again with what is held"))
            return .stuck
        }
        guard stream.queued <= Self.highWater else { return .stuck }
        let from = subscription.changePosition
        guard let (message, named) = server.assembly.next(for: subscription, limits(for: subscription)) else { return .passed }
        subscription.sent(
            nonce: message.nonce, from: from, changesTo: message.changesTo, removalsTo: message.removalsTo, named: named)
        server.metrics.pushed(subscription.type, message)
        stream.send(message.bytes)
        return isOver ? .stuck : .settled
    }

    /// What is new of a type waits for what is new of the types before it, what is gone for all that happened to the types behind it: a workload
    /// never comes before its policies, and a policy never goes before the workloads that named it (I21).
    private func limits(for subscription: Subscription) -> PushAssembly.Limits {
        var limits = PushAssembly.Limits(changes: server.released, removals: server.released)
        for other in subscriptions {
            guard let other, other !== subscription else { continue }
            if other.type.rank < subscription.type.rank {
                if let next = other.nextChange { limits.changes = min(limits.changes, next - 1) }
            } else {
                if let next = other.nextChange { limits.removals = min(limits.removals, next - 1) }
                if let next = other.nextRemoval { limits.removals = min(limits.removals, next - 1) }
            }
        }
        return limits
    }

    // MARK: - What is acknowledged

    private func confirm() {
        guard isCounted, !isOver else { return }
        let now = subscriptions.reduce(UInt64.max) { min($0, $1?.acknowledged ?? .max) }
        let reached = min(now, server.sequence)
        guard reached > confirmed else { return }
        let before = confirmed
        confirmed = reached
        server.confirmed(self, from: before, to: reached)
    }

    /// Whether everything that stands is acknowledged.
    var isSynchronised: Bool { isCounted && confirmed >= server.sequence && !holdsBack }

    var refusesSomething: Bool { subscriptions.contains { $0?.refusals.isEmpty == false } }

    func refusals() -> [ResourceRefusal] {
        subscriptions.flatMap { $0.map { $0.refusals.listed($0.type, table: $0.table) } ?? [] }
    }
}

extension ResourceType {
    /// The order in which what is new is told; what is gone goes the other way.
    package var rank: Int {
        switch self {
        case .eviction: 0
        case .authorization: 1
        case .address: 2
        case .local: 3
        }
    }
}
