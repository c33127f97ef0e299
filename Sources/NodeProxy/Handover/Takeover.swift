// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel
internal import Loop
internal import Telemetry

/// A new daemon's side of a hand-over, from the first question until the one before it drains. Until that says `go` nothing here accepts, and any
/// fault ends this process while the other serves on. The questions at the start block; then on the node's loop.
///
///     building ──built──▶ waiting ──go──▶ yielding ──draining──▶ done
///        └──── the other one died: nobody else serves ────────────▲
final class Takeover: EventSource, TimerTarget {
    enum Outcome {
        /// Nobody is there to take over from.
        case nobody
        case inherited(Takeover)
        case refused(HandoverFailure)
    }

    private enum State {
        case building
        case waiting
        case yielding
        case done
    }

    private enum Tag {
        static let patience: UInt32 = 0
        static let death: UInt32 = 1
    }

    /// For an answer of a loop that turns. The first takes as long as what is under way there.
    private static let patience = Interval.seconds(15)
    /// A process closes its sockets some milliseconds before it is seen to have ended.
    private static let deathStep = Interval.milliseconds(20)
    private static let deathSteps = 100

    let inheritance = Inheritance()
    /// The process before us, and its version.
    let process: CInt
    let version: String
    private let channel: HandoverChannel
    private let handle: ProcessHandle?
    private weak var node: Node?
    private var state = State.building
    /// The process before us is gone without a word.
    private var isAlone = false
    private var token: Token?
    private var timer: Token?
    private var steps = 0

    private init(_ channel: consuming HandoverChannel, version: String) {
        process = channel.peer.process
        handle = process > 0 ? try? ProcessHandle(process) : nil
        self.version = version
        self.channel = channel
    }

    /// Asks the daemon that serves this host for all it has. Blocking, within a bound for each answer.
    static func ask(_ configuration: DaemonConfiguration) -> Outcome {
        do throws(HandoverFailure) {
            guard let channel = try HandoverChannel.dial(configuration, patience: patience) else { return .nobody }
            let answer = try channel.ask(.hello(version: warrenVersion))
            guard case .offer(let version, let items) = answer.message else {
                throw HandoverFailure("process \(channel.peer.process) offers nothing")
            }
            let takeover = Takeover(channel, version: version)
            for index in 0..<items { try takeover.take(index, configuration) }
            return .inherited(takeover)
        } catch { return .refused(error) }
    }

    private func take(_ index: Int, _ configuration: DaemonConfiguration) throws(HandoverFailure) {
        let answer = try channel.ask(.take(index))
        guard case .item(let item) = answer.message else {
            throw HandoverFailure("process \(process) doesn't give item \(index)")
        }
        try inheritance.add(item, answer.take(), runDirectory: configuration.runDirectory)
    }

    /// From here on the node's loop.
    func attach(to node: Node) throws(Errno) {
        self.node = node
        try channel.socket.setNonBlocking()
        token = try node.loop.watch(channel.socket.number, for: .read, source: self)
    }

    // MARK: - What happens

    /// Everything stands; nothing is watched yet.
    func built() {
        guard case .building = state else { return }
        if isAlone { return finish() }
        state = .waiting
        say(.built)
        setTimer(Self.patience, Tag.patience)
    }

    func ready(_ readiness: Readiness) {
        while token != nil {
            do throws(HandoverFailure) {
                let word = try channel.receive()
                switch consume word {
                case .nothing: return
                case .end: ended()
                case .message(let message, _): received(message)
                }
            } catch { fail(error.description) }
        }
    }

    private func received(_ message: HandoverMessage) {
        switch (message, state) {
        case (.go, .waiting):
            state = .yielding
            node?.beginServing()
            say(.serving)
            setTimer(Self.patience, Tag.patience)
        case (.draining, .yielding): finish()
        case (.refused(let reason), .building), (.refused(let reason), .waiting): fail(reason)
        // It changed its mind too late: we accept by now, and it can only be as if it had died.
        case (.refused, .yielding): finish()
        default: fail("process \(process) says something that doesn't fit here")
        }
    }

    /// The connection ended without a word: has the process?
    private func ended() {
        unwatch()
        if case .yielding = state { return finish() }
        steps = 0
        setTimer(.zero, Tag.death)
    }

    func timerFired(_ tag: UInt32) {
        timer = nil
        guard tag == Tag.death else {
            if case .yielding = state { return finish() }
            return fail("process \(process) doesn't answer within \(Self.patience.seconds) s")
        }
        if isOver {
            isAlone = true
            node?.log.warn("process \(process) ended while it handed over: this one serves")
            if case .waiting = state { finish() }
        } else if steps < Self.deathSteps {
            steps += 1
            setTimer(Self.deathStep, Tag.death)
        } else {
            fail("process \(process) broke the hand-over off")
        }
    }

    private var isOver: Bool { handle?.hasEnded() == true }

    private func finish() {
        let served = if case .yielding = state { true } else { false }
        state = .done
        unwatch()
        if !served { node?.beginServing() }
        node?.tookOver(from: self)
        // Two settings, or two meshes, may differ in what there is to listen to. What only drains is being claimed by an errand.
        inheritance.closeRest(except: node?.enrolment.yetToDrain ?? [])
    }

    private func fail(_ reason: String) {
        if case .done = state { return }
        state = .done
        unwatch()
        node?.giveUpTakeover(reason)
    }

    private func say(_ message: HandoverMessage) {
        do throws(HandoverFailure) { try channel.send(message) } catch {
            // What became of the other end the next look at the connection says.
            node?.log.debug("\(error)")
        }
    }

    private func setTimer(_ time: Interval, _ tag: UInt32) {
        guard let loop = node?.loop else { return }
        if let timer { loop.cancel(timer) }
        timer = loop.arm(time, self, tag: tag)
    }

    private func unwatch() {
        guard let loop = node?.loop else { return }
        if let token = token.take() { loop.unwatch(token) }
        if let timer = timer.take() { loop.cancel(timer) }
    }
}
