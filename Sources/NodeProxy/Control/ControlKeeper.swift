// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Discovery
internal import Kernel
internal import Loop
internal import Messages
internal import TLS
internal import Telemetry
internal import Transport

/// Keeps one connection to one of the control plane's addresses, and a call of discovery on it: tries them in turn, again and again, with growing
/// pauses. Traffic never waits for it. On the node's loop.
///
///     waiting ─► connecting ─► connected ─► synchronised
///        ▲            │             │            │
///        └────────────┴── the next address ──────┘
final class ControlKeeper: DeltaClientDelegate {
    enum State {
        case waiting
        case connecting(ControlAddress)
        case connected(ControlAddress, any ControlLink, since: WallTime)
    }

    /// A control plane that says nothing for so long, though something is to come, is given up.
    private static let answerTimeout = Interval.seconds(30)
    /// How long a connection goes on at most under a certificate that was renewed: within it hosts that were renewed together come one by one.
    private static let moveWithin = Interval.seconds(30)
    /// For a control plane to hear why it is refused.
    private static let goodbye = Interval.seconds(1)

    private unowned let host: any ControlHost
    private let dialler: any ControlDialler
    private let mesh: ControlMesh
    private let addresses: [ControlAddress]
    private(set) var standing: ControlStanding
    private(set) var state = State.waiting
    private(set) var isSynchronised = false
    /// Why the last attempt or connection ended.
    private(set) var lastFailure: (address: ControlAddress, reason: String, at: WallTime)?
    private var next: Int
    private var failedInRow = 0
    private var backoff: Backoff
    private let pause: Alarm
    private let answerBound: Alarm
    private let move: Alarm
    /// This host's certificate that the connection was opened with, or is being: it is looked at with each request, and ends with time.
    private var shown: Certificate?
    private var cancelAttempt: (() -> Void)?
    private var client: DeltaClient?
    /// Tells what belongs to this connection from what belonged to one before.
    private var generation = 0
    private var hasTakenFirst = false
    private var isStopped = false

    init(host: any ControlHost, dialler: any ControlDialler, mesh: ControlMesh, standing: ControlStanding) {
        self.host = host
        self.dialler = dialler
        self.mesh = mesh
        self.standing = standing
        addresses = host.configuration.control.addresses
        // Hosts begin at different addresses, and each at the same one every time.
        let place = host.configuration.node.utf8.reduce(0 as UInt64) { $0 &* 31 &+ UInt64($1) }
        next = addresses.isEmpty ? 0 : Int(place % UInt64(addresses.count))
        backoff = Backoff(first: .milliseconds(100), longest: host.configuration.control.retry)
        pause = Alarm(loop: host.loop)
        answerBound = Alarm(loop: host.loop)
        move = Alarm(loop: host.loop)
    }

    private var log: Log { host.log }

    /// This host's certificate, if it is a member.
    var credential: NodeCredential? { if case .member(let credential) = standing { credential } else { nil } }

    /// The connection, if there is one.
    var link: (any ControlLink)? { if case .connected(_, let link, _) = state { link } else { nil } }

    // MARK: - Connecting

    func start() {
        mesh.whenBegun { [weak self] in self?.dial() }
    }

    func stop() {
        isStopped = true
        pause.cancel()
        cancelAttempt?()
        drop()
    }

    /// A renewed certificate, or other roots: for the next connection. One that stands is made anew, well before the certificate ends that it was
    /// opened with.
    func use(_ credential: NodeCredential) {
        standing = .member(credential)
        if case .connected = state { moveSoon() }
    }

    private func moveSoon() {
        guard case .member(let credential) = standing, let shown, shown != credential.leaf, !move.isSet else { return }
        let left = Interval.seconds(UInt64(max(0, shown.notAfter - WallTime.now().seconds)))
        let bound = min(Self.moveWithin.nanoseconds, left.nanoseconds / 4)
        move.set(Interval(nanoseconds: UInt64(Double(bound) * randomFraction()))) { [weak self] in
            guard let self, case .connected(let address, _, _) = state else { return }
            log.debug("connecting to \(address) again, with the renewed certificate")
            drop()
            dial()
        }
    }

    /// Somebody mended something: what waits is tried now.
    func tryNow() {
        backoff.reset()
        if pause.isSet { pause.set(.zero) { [weak self] in self?.dial() } }
    }

    private func dial() {
        guard !isStopped, !addresses.isEmpty else { return }
        let address = addresses[next]
        generation += 1
        let mine = generation
        state = .connecting(address)
        switch standing {
        case .member(let credential):
            shown = credential.leaf
            dial(address, credential.access(as: host.configuration.node))
        case .client(let account):
            account.access(to: address) { [weak self] access in
                if let self, generation == mine { dial(address, access) }
            }
        }
    }

    private func dial(_ address: ControlAddress, _ found: Result<ControlAccess, ControlFailure>) {
        let mine = generation
        let access: ControlAccess
        switch found {
        case .success(let value): access = value
        case .failure(let failure): return failed(address, failure.description)
        }
        cancelAttempt = dialler.dial(address, with: access, within: host.configuration.control.connect) { [weak self] result in
            guard let self, generation == mine else { return }
            cancelAttempt = nil
            switch result {
            case .success(let link): connected(address, link, access.node)
            case .failure(let failure): failed(address, failure.description)
            }
        } ended: { [weak self] reason in
            guard let self, generation == mine else { return }
            lost(reason)
        }
    }

    private func connected(_ address: ControlAddress, _ link: any ControlLink, _ node: DiscoveryNode) {
        state = .connected(address, link, since: WallTime.now())
        let mine = generation
        let types = mesh.offer.types
        mesh.firstRequests(types, node: node) { [weak self] requests in
            guard let self, generation == mine else { return }
            let client = DeltaClient(stream: link.call(DiscoveryAPI.deltaMethod), types: types, delegate: self)
            self.client = client
            hasTakenFirst = false
            client.begin(requests)
            expectAnswer()
        }
        moveSoon()
        host.controlPlaneArrived()
    }

    private func expectAnswer() {
        answerBound.set(Self.answerTimeout) { [weak self] in
            self?.lost("no discovery response within \(Self.answerTimeout.seconds) s")
        }
    }

    // MARK: - Losing

    /// What was connected no longer is.
    private func lost(_ reason: String) {
        guard case .connected(let address, _, _) = state else { return }
        let wasSynchronised = isSynchronised
        drop()
        if wasSynchronised {
            backoff.reset()
            failedInRow = 0
        }
        failed(address, reason)
    }

    private func drop() {
        generation += 1
        answerBound.cancel()
        move.cancel()
        client?.cancel()
        client = nil
        if case .connected(_, let link, _) = state { link.close() }
        state = .waiting
        isSynchronised = false
    }

    /// The next address follows at once; after all of them there is a pause.
    private func failed(_ address: ControlAddress, _ reason: String) {
        state = .waiting
        if lastFailure?.reason != reason || failedInRow == 0 {
            log.warn("the control plane at \(address): \(reason)")
        }
        lastFailure = (address, reason, WallTime.now())
        next = (next + 1) % addresses.count
        failedInRow += 1
        let isRoundOver = failedInRow % addresses.count == 0
        pause.set(isRoundOver ? backoff.next() : .zero) { [weak self] in self?.dial() }
    }

    // MARK: - Discovery

    func received(_ message: [UInt8], done: @escaping (PushOutcome) -> Void) {
        let mine = generation
        let isFirst = !hasTakenFirst
        hasTakenFirst = true
        answerBound.cancel()
        mesh.take(message, isFirst: isFirst) { [weak self] outcome in
            guard let self, generation == mine else { return }
            // Another control plane may be right; this one won't be soon.
            if outcome.isFatal { backoff.exhaust() }
            done(outcome)
            guard generation == mine else { return }
            if outcome.isFatal {
                answerBound.set(Self.goodbye) { [weak self] in self?.client?.leave() }
            } else if !isSynchronised {
                expectAnswer()
            }
        }
    }

    func synchronised() {
        guard case .connected(let address, _, _) = state else { return }
        isSynchronised = true
        backoff.reset()
        failedInRow = 0
        answerBound.cancel()
        log.info("connected to the control plane at \(address)")
        mesh.synchronised()
    }

    func ended(_ status: GRPCStatus) {
        let words =
            if case .client(let account) = standing { account.words(status) } else {
                status.message.isEmpty ? "\(status.code)" : status.message
            }
        lost("discovery ended: \(words)")
    }
}
