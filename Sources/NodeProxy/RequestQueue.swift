// SPDX-License-Identifier: Apache-2.0

internal import HTTP
internal import Loop

/// The CONNECTs of one tunnel that wait for their turn.
///
/// A peer may ask for two hundred connections with one packet, and each costs as much as an accept and a connect. So a tunnel begins some in each
/// turn of the loop, and between two turns others have theirs. Bounded by the streams that the peer may have open. Owned by the tunnel's owner.
final class RequestQueue {
    /// Requests of one tunnel that are begun in one turn: about a millisecond.
    static let perTurn = 8

    private let loop: Loop
    private var waiting: ContiguousArray<(stream: Int32, head: HTTP2RequestHead)> = []
    private var next = 0
    private var turn: UInt64 = 0
    private var taken = 0

    init(_ loop: Loop) { self.loop = loop }

    var isEmpty: Bool { next == waiting.count }

    /// True if the request may begin at once; otherwise it waits, and the caller has `take` called from the end of the turn on.
    func mayBegin(_ stream: Int32, _ head: HTTP2RequestHead) -> Bool {
        if isEmpty, hasTurn() { return true }
        add(stream, head)
        return false
    }

    /// The request waits.
    func add(_ stream: Int32, _ head: HTTP2RequestHead) { waiting.append((stream, head)) }

    /// The next request that may begin in this turn.
    func take() -> (stream: Int32, head: HTTP2RequestHead)? {
        guard !isEmpty, hasTurn() else { return nil }
        defer {
            next += 1
            if isEmpty { clear() }
        }
        return waiting[next]
    }

    func clear() {
        waiting = []
        next = 0
    }

    private func hasTurn() -> Bool {
        if turn != loop.turns {
            turn = loop.turns
            taken = 0
        }
        taken += 1
        return taken <= Self.perTurn
    }
}
