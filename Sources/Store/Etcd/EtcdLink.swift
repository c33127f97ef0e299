// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import HTTP
internal import Kernel
internal import Loop
internal import Transport

/// The way to the cluster: one connection to one member at a time, the next member's as soon as that is lost. Calls wait for it within their time. On
/// the loop that made it.
///
///     resting ──► looking up ──► connecting ──► logging in, with a user ──► open ──lost──► resting, or the next at once
final class EtcdLink: TimerTarget {
    private enum State {
        case resting
        case lookingUp
        case connecting(ServiceConnection)
        /// Calls wait; those that are under way aren't disturbed.
        case loggingIn(ServiceConnection, EtcdLogin, since: Instant)
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
    private static let plainMetadata: HTTPHeaders = ["hasleader": "true"]
    /// How long it waits when every member was tried in vain.
    private static let rest = Interval.milliseconds(250)
    private static let dialTimeout = Interval.seconds(2)
    /// bcrypt is slow on purpose: etcd's standard cost takes 0.1 s of a quiet core.
    private static let loginTimeout = Interval.seconds(3)
    /// Calls that wait for a connection; whoever asks waits for each, so that there are no more than threads.
    private static let waitingLimit = 256

    let loop: Loop
    private let settings: EtcdSettings
    private let lookups: Mailbox<Found>
    /// With every call.
    private(set) var metadata = EtcdLink.plainMetadata
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
        return GRPCClientStream(on: connection, path: path, metadata: metadata, messageLimit: limit)
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
        case .loggingIn(let connection, let login, _):
            login.cancel()
            connection.onLost = nil
            connection.close()
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
            failed(with: error.text)
        }
    }

    private func opened(_ connection: ServiceConnection) { logIn(on: connection, since: loop.now) }

    private func use(_ connection: ServiceConnection, since: Instant) {
        state = .open(connection, since: since)
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
        case .loggingIn(_, let login, _):
            login.cancel()
            state = .resting
            failed(with: failure.description)
        case .connecting:
            state = .resting
            failed(with: failure.kind == .lost ? "\(failure); is it etcd's client port, and TLS as we think?" : "\(failure)")
        case .resting, .lookingUp, .closed: break
        }
    }

    // MARK: - Logging in

    /// Etcd doesn't know our token any more: what is asked from now on waits for another.
    func renewLogin() {
        guard settings.login != nil, case .open(let connection, let since) = state else { return }
        logIn(on: connection, since: since)
    }

    /// Has a call that was refused for want of a login, and so didn't happen, sent again after one. False if there is none to be had.
    func repeats(_ call: EtcdCall) -> Bool {
        guard settings.login != nil else { return false }
        renewLogin()
        if case .closed = state { return false }
        if case .open = state { return false }
        waiting.append(call)
        return true
    }

    private func logIn(on connection: ServiceConnection, since: Instant) {
        guard let user = settings.login else { return use(connection, since: since) }
        let password: String
        do throws(StoreFailure) { password = try user.password() } catch {
            drop(connection)
            return failed(with: error.text)
        }
        let login = EtcdLogin(loop: loop, timeout: Self.loginTimeout, member: endpoint.description) { [unowned self] in
            loggedIn($0, on: connection, since: since)
        }
        state = .loggingIn(connection, login, since: since)
        login.begin(on: connection, Self.plainMetadata, user: user.user, password: password)
    }

    private func loggedIn(_ result: Result<String, EtcdFailure>, on connection: ServiceConnection, since: Instant) {
        switch result {
        case .success(let token):
            metadata = Self.plainMetadata
            if !token.isEmpty { metadata.append("token", token) }
            use(connection, since: since)
        case .failure(let failure):
            drop(connection)
            guard case .refused = failure else { return failed(with: failure.storeFailure.text) }
            // Another member would say the same, and each refusal costs etcd a tenth of a second.
            let queue = waiting
            waiting = []
            for call in queue { call.fail(failure) }
            advance()
            wait(.seconds(1))
        }
    }

    private func drop(_ connection: ServiceConnection) {
        state = .resting
        connection.onLost = nil
        connection.close()
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
