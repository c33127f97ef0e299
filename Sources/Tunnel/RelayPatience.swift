// SPDX-License-Identifier: Apache-2.0

internal import Kernel
internal import Loop

/// What a relay tells of itself to the timers that bound it.
protocol BoundedRelay: AnyObject {
    /// Application bytes so far, both ways.
    var bytesMoved: UInt64 { get }
    func cut(_ failure: ConnectionFailure)
}

/// The bounds on a connection's life: how long a half-closed one may be silent, and how old it may become, where that is bounded. An open one may be
/// idle for ever (I14). Owned by its relay; ends with `end`.
final class RelayPatience: TimerTarget {
    private enum Tag {
        static let halfClosed: UInt32 = 0
        static let age: UInt32 = 1
    }

    private var relay: (any BoundedRelay)?
    private let loop: Loop
    private let bounds: TunnelBounds
    private var halfClosedTimer: Token?
    private var ageTimer: Token?
    private var movedBefore: UInt64 = 0

    init(_ relay: any BoundedRelay, loop: Loop, bounds: TunnelBounds) {
        self.relay = relay
        self.loop = loop
        self.bounds = bounds
        if let age = bounds.streamAge { ageTimer = loop.arm(age, self, tag: Tag.age) }
    }

    /// One half ended. Once is enough; more do nothing.
    func halfClosed() {
        guard halfClosedTimer == nil, let relay else { return }
        movedBefore = relay.bytesMoved
        halfClosedTimer = loop.arm(bounds.halfClosedTimeout, self, tag: Tag.halfClosed)
    }

    func end() {
        relay = nil
        if let timer = halfClosedTimer.take() { loop.cancel(timer) }
        if let timer = ageTimer.take() { loop.cancel(timer) }
    }

    func timerFired(_ tag: UInt32) {
        guard let relay else { return }
        if tag == Tag.age {
            ageTimer = nil
            relay.cut(ConnectionFailure(.limit, "the connection reached its greatest age, \(bounds.streamAge?.seconds ?? 0) s"))
            return
        }
        halfClosedTimer = nil
        guard relay.bytesMoved == movedBefore else { return halfClosed() }
        relay.cut(ConnectionFailure(.timeout, "half closed and silent for \(bounds.halfClosedTimeout.seconds) s"))
    }
}

extension SocketRelay: BoundedRelay {
    var bytesMoved: UInt64 { tally.received &+ tally.sent }
}

extension StreamRelay: BoundedRelay {
    var bytesMoved: UInt64 {
        let tally = tally(asClient: true)
        return tally.received &+ tally.sent
    }
}
