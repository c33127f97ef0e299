// SPDX-License-Identifier: Apache-2.0

internal import Kernel
internal import Loop

/// What a relay tells of itself to the timers that bound it, of which it is the target.
protocol BoundedRelay: TimerTarget {
    var context: RelayContext { get }
    /// Application bytes so far, both ways.
    var bytesMoved: UInt64 { get }
}

/// The bounds on a connection's life: how long a half-closed one may be silent, and how old it may become, where that is bounded. An open one may be
/// idle for ever (I14). A value inside its relay, which asks it whenever one of its timers fires.
struct RelayPatience {
    private enum Tag {
        static let halfClosed: UInt32 = 0
        static let age: UInt32 = 1
    }

    private var halfClosedTimer: Token?
    private var ageTimer: Token?
    private var movedBefore: UInt64 = 0

    /// The relay begins to carry bytes.
    mutating func begin(_ relay: some BoundedRelay) {
        if let age = relay.context.bounds.streamAge { ageTimer = relay.context.loop.arm(age, relay, tag: Tag.age) }
    }

    /// One half ended. Once is enough; more do nothing.
    mutating func halfClosed(_ relay: some BoundedRelay) {
        guard halfClosedTimer == nil else { return }
        movedBefore = relay.bytesMoved
        halfClosedTimer = relay.context.loop.arm(relay.context.bounds.halfClosedTimeout, relay, tag: Tag.halfClosed)
    }

    mutating func end(on loop: Loop) {
        if let timer = halfClosedTimer.take() { loop.cancel(timer) }
        if let timer = ageTimer.take() { loop.cancel(timer) }
    }

    /// Why the relay is to be cut, now that a timer fired; nil if it may go on.
    mutating func fired(_ tag: UInt32, _ relay: some BoundedRelay) -> ConnectionFailure? {
        let bounds = relay.context.bounds
        if tag == Tag.age {
            ageTimer = nil
            return ConnectionFailure(.limit, "the connection reached its greatest age, \(bounds.streamAge?.seconds ?? 0) s")
        }
        halfClosedTimer = nil
        guard relay.bytesMoved == movedBefore else {
            halfClosed(relay)
            return nil
        }
        return ConnectionFailure(.timeout, "half closed and silent for \(bounds.halfClosedTimeout.seconds) s")
    }
}

extension SocketRelay: BoundedRelay {
    var bytesMoved: UInt64 { tally.received &+ tally.sent }

    package func timerFired(_ tag: UInt32) { if let failure = patience.fired(tag, self) { cut(failure) } }
}

extension StreamRelay: BoundedRelay {
    var bytesMoved: UInt64 {
        let tally = tally(asClient: true)
        return tally.received &+ tally.sent
    }

    package func timerFired(_ tag: UInt32) { if let failure = patience.fired(tag, self) { cut(failure) } }
}
