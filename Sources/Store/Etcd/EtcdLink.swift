// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import HTTP
internal import Kernel
internal import Loop
internal import Transport

/// The way to the cluster: one connection to one member at a time, the next member's as soon as that is lost. Calls wait for it within their time. On the
/// loop that made it.
///
///     resting ──► looking up ──► connecting ──► open ──lost──► resting, or the next at once
final class EtcdLink: TimerTarget {
    private enum State {
        case resting
        case lookingUp
        case connecting(ServiceConnection)
        case open(ServiceConnection, since: Instant)
        case closed
    }

    private enum Tag {
        static let rest: UInt32 = 0
        static let lookup: UInt32 = 1
    }

    private struct Found: Sendable {
        let number: UInt64
        let addresses: Result<[IPAddress], NameLookup.Failure>
    }

    /// A member without a leader says so, instead of waiting for one: another may have one.
    static let metadata: HTTPHeaders = ["hasleader": "true"]
    /// How long it waits when every member was tried in vain.
    private static let rest = Interval.milliseconds(250)
    private static let dialTimeout = Interval.seconds(2)
    /// Calls that wait for a connection; whoever asks waits for each, so that there are no more than threads.
    private static let waitingLimit = 256

    let loop: Loop
    private let settings: EtcdSettings
    private let lookups: Mailbox<Found>
    private var state = State.resting
    private var timer: LoopToken?
    /// Which endpoint is next, and what is left of its addresses.
    private var index = 0
    private var endpoint: EtcdSettings.Endpoint
    private var addresses: ArraySlice<IPAddress> = []
    private var lookup: UInt64 = 0
    /// Names that the system's resolver still thinks about: it has bounds of its own.
    private var threads = 0
    /// How many were tried in vain since one answered, and why.
    private var failed = 0
    private var reasons: [String: String] = [:]
    private var waiting: [EtcdCall] = []
    private var calls: [ObjectIdentifier: EtcdCall] = [:]
    /// A connection is there; called for each.
    var onOpen: (() -> Void)?

    init(_ settings: EtcdSettings, loop: Loop) throws(Errno) {
        self.settings = settings
        self.loop = loop
        // Replicas begin at different members.
        index = Int.random(in: 0..<settings.endpoints.count)
        endpoint = settings.endpoints[index]
        lookups = try Mailbox<Found>()
        try lookups.attach(to: loop) { [unowned self] in resolved($0) }
    }

    /// Why nobody answers, in a sentence.
    var troubles: String {
        let words = settings.endpoints.compactMap { reasons[$0.description] }
        return words.isEmpty ? "\(endpoint) is still being reached" : words.joined(separator: "; ")
    }

    // MARK: - Calls

    func call(
        _ path: String, _ message: [UInt8], limit: Int, timeout: Interval,
        _ done: @escaping (Result<[UInt8], EtcdFailure>) -> Void
    ) {
        guard waiting.count < Self.waitingLimit else { return done(.failure(.unreached("too many calls wait for etcd"))) }
        let call = EtcdCall(path, message, limit: limit, timeout: timeout, link: self, done)
        calls[ObjectIdentifier(call)] = call
        if case .open(let connection, _) = state {
            call.begin(on: connection, member: endpoint.description)
        } else {
            waiting.append(call)
        }
    }

    func finished(_ call: EtcdCall) {
        calls[ObjectIdentifier(call)] = nil
        waiting.removeAll { $0 === call }
    }

    /// A call that goes on. Nil while there is no connection: `onOpen` tells.
    func stream(_ path: String, limit: Int) -> GRPCClientStream? {
        guard case .open(let connection, _) = state else { return nil }
        return GRPCClientStream(on: connection, path: path, metadata: Self.metadata, messageLimit: limit)
    }

    /// Who is connected to; for words.
    var member: String { endpoint.description }

    /// The member that is connected to isn't to be relied on: the next one is taken.
    func suspect(_ member: String, _ why: String) {
        guard case .open(let connection, _) = state, member == endpoint.description else { return }
        reasons[member] = "\(member): \(why)"
        connection.onLost = nil
        connection.close()
        state = .resting
        advance()
        wait(Self.rest)
    }

    // MARK: - Connecting

    func start() { dial() }

    func close() {
        if let timer = timer.take() { loop.cancel(timer) }
        let before = state
        state = .closed
        switch before {
        case .connecting(let connection), .open(let connection, _):
            connection.onReady = nil
            connection.onLost = nil
            connection.close()
        case .resting, .lookingUp, .closed: break
        }
        for call in Array(calls.values) { call.fail(.unreached("the store is closed")) }
        onOpen = nil
    }

    func timerFired(_ tag: UInt32) {
        timer = nil
        switch (state, tag) {
        case (.resting, Tag.rest): dial()
        case (.lookingUp, Tag.lookup):
            state = .resting
            failed(with: "its name isn't found within \(Self.dialTimeout.seconds) s")
        default: break
        }
    }

    private func wait(_ time: Interval) {
        if let timer = timer.take() { loop.cancel(timer) }
        timer = loop.arm(time, self, tag: Tag.rest)
    }

    private func advance() {
        index = (index + 1) % settings.endpoints.count
        endpoint = settings.endpoints[index]
        addresses = []
    }

    private func dial() {
        if let address = addresses.popFirst() { return connect(to: address) }
        if let address = IPAddress(endpoint.host) { return connect(to: address) }
        guard threads < settings.endpoints.count + 2 else { return failed(with: "the resolver doesn't answer") }
        lookup += 1
        let (number, host, lookups) = (lookup, endpoint.host, lookups)
        do throws(Errno) {
            _ = try Thread(name: "lookup") { lookups.send(Found(number: number, addresses: NameLookup.addresses(of: host))) }
        } catch { return failed(with: "no thread to look its name up: \(error)") }
        threads += 1
        state = .lookingUp
        timer = loop.arm(Self.dialTimeout, self, tag: Tag.lookup)
    }

    private func resolved(_ found: Found) {
        threads -= 1
        guard case .lookingUp = state, found.number == lookup else { return }
        if let timer = timer.take() { loop.cancel(timer) }
        state = .resting
        switch found.addresses {
        case .failure(let failure): failed(with: "its name: \(failure.reason)")
        case .success(let all):
            addresses = all[...]
            dial()
        }
    }

    private func connect(to address: IPAddress) {
        var bounds = ServiceBounds()
        bounds.connectTimeout = Self.dialTimeout
        bounds.handshakeTimeout = Self.dialTimeout
        // etcd takes more than one PING in five seconds for an attack.
        bounds.pingInterval = .seconds(6)
        bounds.pingTimeout = .seconds(2)
        do throws(StoreFailure) {
            let context = try settings.context(for: endpoint)
            let connection = ServiceConnection(
                loop: loop, to: .address(SocketAddress(address, endpoint.port)), tls: context, bounds: bounds)
            state = .connecting(connection)
            connection.onReady = { [unowned self] in opened(connection) }
            connection.onLost = { [unowned self] in lost($0) }
        } catch {
            if case .unusable(let text) = error { failed(with: text) } else { failed(with: "\(error)") }
        }
    }

    private func opened(_ connection: ServiceConnection) {
        state = .open(connection, since: loop.now)
        failed = 0
        reasons = [:]
        let queue = waiting
        waiting = []
        for call in queue { call.begin(on: connection, member: endpoint.description) }
        onOpen?()
    }

    private func lost(_ failure: ServiceFailure) {
        switch state {
        case .open(_, let since):
            state = .resting
            reasons[endpoint.description] = failure.description
            advance()
            // One that takes us and drops us at once isn't dialled in a circle.
            if loop.now.since(since) < .seconds(1) { wait(Self.rest) } else { dial() }
        case .connecting:
            state = .resting
            failed(with: failure.kind == .lost ? "\(failure); is it etcd's client port, and TLS as we think?" : "\(failure)")
        case .resting, .lookingUp, .closed: break
        }
    }

    private func failed(with reason: String) {
        reasons[endpoint.description] = reason.contains(endpoint.description) ? reason : "\(endpoint): \(reason)"
        if !addresses.isEmpty { return dial() }
        failed += 1
        advance()
        guard failed >= settings.endpoints.count else { return dial() }
        failed = 0
        let queue = waiting
        waiting = []
        for call in queue { call.fail(.unreached("no member of etcd answers: \(troubles)")) }
        wait(Self.rest)
    }
}
