// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel
internal import Loop
internal import Telemetry

/// Something that is handed over, as the one has it that hands over.
struct HandoverOffer {
    let item: HandoverItem
    let number: CInt?
    /// Who closes the number; held until the hand-over is done or given up.
    let holder: AnyObject?
}

/// One caller of the handover socket. Whatever it does, or doesn't in time, this daemon serves on as if nobody had called, until it said that it
/// serves. On the node's loop.
///
///     fresh ─hello─▶ settling ─▶ offering ─built─▶ yielding ─serving─▶ over
final class HandoverSession: EventSource, TimerTarget {
    private enum State {
        case fresh
        /// Nothing new is begun; what is under way ends.
        case settling
        case offering([HandoverOffer])
        /// It may accept by now, and so do we.
        case yielding([HandoverOffer])
        case over
    }

    /// For a first word, and between the questions of `warrend upgrade`.
    private static let patience = Interval.seconds(10)
    /// Less than a caller waits for its first answer.
    private static let settling = Interval.seconds(10)

    private unowned let node: Node
    private unowned let server: HandoverServer
    private let channel: HandoverChannel
    /// The caller, to be ended if it hangs with our listeners in its hands.
    private var handle: ProcessHandle?
    private var state = State.fresh
    private var token: Token?
    private var timer: Token?

    init(_ channel: consuming HandoverChannel, node: Node, server: HandoverServer) {
        self.node = node
        self.server = server
        self.channel = channel
    }

    private var process: CInt { channel.peer.process }

    func start() {
        do throws(Errno) {
            try channel.socket.setNonBlocking()
            token = try node.loop.watch(channel.socket.number, for: .read, source: self)
            setTimer(Self.patience)
        } catch { end(nil) }
    }

    // MARK: - Words

    func ready(_ readiness: Readiness) {
        while token != nil {
            do throws(HandoverFailure) {
                let word = try channel.receive()
                switch consume word {
                case .nothing: return
                case .end: return end("process \(process) is gone")
                case .message(let message, _): try received(message)
                }
            } catch { end(error.description) }
        }
    }

    private func received(_ message: HandoverMessage) throws(HandoverFailure) {
        switch (message, state) {
        case (.hello(let version), .fresh): try begin(version)
        case (.take(let index), .offering(let offers)):
            guard offers.indices.contains(index) else { throw HandoverFailure("there is no item \(index)") }
            try channel.send(.item(offers[index].item), passing: offers[index].number)
        case (.built, .offering(let offers)):
            state = .yielding(offers)
            setTimer(Self.patience)
            try channel.send(.go)
        case (.serving, .yielding):
            state = .over
            node.drain(successor: process)
            // It serves whether it hears this or not.
            try? channel.send(.draining)
            end(nil)
        case (.who, .fresh):
            setTimer(Self.patience)
            try channel.send(.server(version: warrenVersion, process: Limits.processID))
        case (.detach, .fresh):
            setTimer(Self.patience)
            node.detach { [weak self] result in self?.detached(result) }
        default: throw HandoverFailure("process \(process) says something that doesn't fit here")
        }
    }

    private func begin(_ version: String) throws(HandoverFailure) {
        if let refusal = node.handoverRefusal { throw HandoverFailure(refusal) }
        guard server.admit(self) else { throw HandoverFailure("another process takes over at this moment") }
        handle = process > 0 && process != Limits.processID ? try? ProcessHandle(process) : nil
        node.log.info("process \(process), warrend \(version), takes over")
        state = .settling
        setTimer(Self.settling)
        node.freeze { [weak self] in self?.settled() }
    }

    private func settled() {
        guard case .settling = state else { return }
        let offers = node.handoverOffers
        state = .offering(offers)
        setTimer(node.configuration.handover.timeout)
        do throws(HandoverFailure) { try channel.send(.offer(version: warrenVersion, items: offers.count)) } catch {
            end(error.description)
        }
    }

    private func detached(_ result: Result<CInt, HandoverFailure>) {
        guard token != nil else { return }
        do throws(HandoverFailure) {
            try channel.send(.detached(process: try result.get()))
        } catch { end(error.description) }
    }

    // MARK: - Ends

    func timerFired(_ tag: UInt32) {
        timer = nil
        switch state {
        case .fresh, .over: end("process \(process) said nothing more in time")
        case .settling: end("what is under way here didn't end within \(Self.settling.seconds) s")
        case .offering:
            kill()
            end("it wasn't ready within \(node.configuration.handover.timeout.seconds) s (handover.timeout)")
        case .yielding:
            kill()
            end("it didn't say that it serves within \(Self.patience.seconds) s")
        }
    }

    /// Who hangs with our listeners in its hands may wake up at any time.
    private func kill() {
        do throws(Errno) {
            try handle?.ask(.kill)
            node.log.warn("process \(process), which was to take over, is killed")
        } catch {
            node.log.error("process \(process), which was to take over, can't be killed: \(error)")
        }
    }

    /// - Parameter reason: why it comes to nothing; nil if it doesn't.
    private func end(_ reason: String?) {
        guard token != nil else { return }
        if let reason {
            // Gone, or deaf: it sees the end of the connection.
            try? channel.send(.refused(String(reason.prefix(1000))))
        }
        if let token = token.take() { node.loop.unwatch(token) }
        if let timer = timer.take() { node.loop.cancel(timer) }
        let wasOffering =
            switch state {
            case .settling, .offering, .yielding: true
            case .fresh, .over: false
            }
        state = .over
        server.ended(self)
        if wasOffering { node.thaw(reason ?? "without a reason") }
    }

    private func setTimer(_ time: Interval) {
        if let timer { node.loop.cancel(timer) }
        timer = node.loop.arm(time, self, tag: 0)
    }
}
