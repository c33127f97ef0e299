// SPDX-License-Identifier: Apache-2.0

internal import HTTP
internal import Loop
internal import Tunnel

/// The CONNECTs of one tunnel that wait for their turn.
///
/// A peer may ask for two hundred connections with one packet, and each costs as much as an accept and a connect. So a tunnel begins some in each
/// turn of the loop, and between two turns others have theirs. What waits is held at the peer's expense: header lists of 64 KiB in
/// hundreds of tunnels would be gigabytes. Owned by the tunnel's owner.
final class RequestQueue {
    /// What becomes of a request.
    enum Place {
        case begins
        /// The caller has `take` called from the end of the turn on.
        case waits
        /// The peer has too much waiting already. Nothing was done, so it may come again.
        case refused
    }

    /// Requests of one tunnel that are begun in one turn: about a millisecond.
    static let perTurn = 8
    /// Places of requests that were taken, before the list is moved up.
    private static let slack = 64

    /// Whose part of what may be held the requests take.
    var holder: HeldBytes?
    private let loop: Loop
    private let windows: WindowBudget
    private var waiting: ContiguousArray<(stream: Int32, head: HTTP2RequestHead)> = []
    private var next = 0
    private var turn: UInt64 = 0
    private var taken = 0

    init(_ loop: Loop, _ windows: WindowBudget) {
        self.loop = loop
        self.windows = windows
    }

    var isEmpty: Bool { next == waiting.count }

    /// Whether the request begins at once, as far as the turn and those before it allow, and if it may at all.
    func place(_ stream: Int32, _ head: HTTP2RequestHead, mayBegin: Bool = true) -> Place {
        if mayBegin, isEmpty, hasTurn() { return .begins }
        guard windows.hold(Self.size(head), for: holder) else { return .refused }
        waiting.append((stream, head))
        return .waits
    }

    /// The next request that may begin in this turn.
    func take() -> (stream: Int32, head: HTTP2RequestHead)? {
        guard !isEmpty, hasTurn() else { return nil }
        let request = waiting[next]
        next += 1
        windows.release(Self.size(request.head), of: holder)
        if isEmpty { waiting = [] } else if next >= Self.slack { waiting.removeFirst(next) } else { return request }
        next = 0
        return request
    }

    func clear() {
        for request in waiting[next...] { windows.release(Self.size(request.head), of: holder) }
        waiting = []
        next = 0
    }

    /// What the request takes while it waits, as HTTP/2 counts header lists (RFC 9113 §6.5.2).
    private static func size(_ head: HTTP2RequestHead) -> Int {
        let texts = [head.method, head.authority, head.scheme ?? "", head.path ?? ""]
        return head.headers.listSize + texts.reduce(0) { $0 + $1.utf8.count + 32 }
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
