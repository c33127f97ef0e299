// SPDX-License-Identifier: Apache-2.0

internal import Kernel
internal import Synchronization

/// The newest changes, as the watch brings them: what followers read on in. The watch appends on its loop; any thread reads, and may wait for what it
/// knows is to come.
final class EtcdHistory: Sendable {
    /// Changes and bytes that are held at most; who reads further back asks etcd.
    private static let limit = 20_000
    private static let byteLimit = 32 << 20

    private struct State {
        var changes: [StoreChange] = []
        var dropped = 0
        var bytes = 0
        /// Every change after this one is here, up to `head`.
        var floor: UInt64
        var head: UInt64
        /// Nothing follows: another store stands in this one's place.
        var isOver = false
        var waiters: [(revision: UInt64, semaphore: Semaphore)] = []
    }

    private let state: Mutex<State>

    init(after revision: UInt64) { state = Mutex(State(floor: revision, head: revision)) }

    var head: UInt64 { state.withLock { $0.head } }
    var floor: UInt64 { state.withLock { $0.floor } }
    var isOver: Bool { state.withLock { $0.isOver } }

    /// From the watch: what happened up to `head`.
    func append(_ changes: [StoreChange], head: UInt64) {
        state.withLock { state in
            for change in changes {
                state.changes.append(change)
                state.bytes += Self.size(change)
            }
            state.head = max(state.head, head)
            while state.changes.count - state.dropped > Self.limit || state.bytes > Self.byteLimit,
                state.dropped < state.changes.count
            {
                Self.drop(&state)
            }
            Self.wake(&state)
        }
    }

    /// What happened up to this revision isn't known any more, or is to be forgotten.
    func forget(upTo revision: UInt64) {
        state.withLock { state in
            while state.dropped < state.changes.count, state.changes[state.dropped].revision <= revision { Self.drop(&state) }
            state.floor = max(state.floor, revision)
            state.head = max(state.head, revision)
            Self.wake(&state)
        }
    }

    /// Who waits for what is to come waits in vain.
    func end() {
        state.withLock { state in
            state.isOver = true
            for waiter in state.waiters { waiter.semaphore.signal() }
            state.waiters = []
        }
    }

    /// Whole transactions after a revision; nil if it is too long ago.
    func changes(after revision: UInt64, limit: Int) -> [StoreChange]? {
        state.withLock { state in
            guard revision >= state.floor else { return nil }
            var (low, high) = (state.dropped, state.changes.count)
            while low < high {
                let middle = (low + high) / 2
                if state.changes[middle].revision <= revision { low = middle + 1 } else { high = middle }
            }
            return wholeTransactions(state.changes[low...], limit: limit)
        }
    }

    /// Waits until everything up to a revision is here; false if that takes too long.
    func wait(for revision: UInt64, until end: Instant) -> Bool {
        let semaphore: Semaphore? = state.withLock { state in
            guard state.head < revision, !state.isOver else { return nil }
            let semaphore = Semaphore()
            state.waiters.append((revision, semaphore))
            return semaphore
        }
        guard let semaphore else { return true }
        if semaphore.wait(until: end) { return true }
        state.withLock { $0.waiters.removeAll { $0.semaphore === semaphore } }
        return false
    }

    private static func wake(_ state: inout State) {
        for waiter in state.waiters where waiter.revision <= state.head { waiter.semaphore.signal() }
        state.waiters.removeAll { $0.revision <= state.head }
    }

    private static func drop(_ state: inout State) {
        let oldest = state.changes[state.dropped]
        state.bytes -= size(oldest)
        state.changes[state.dropped] = StoreChange(key: oldest.key, revision: oldest.revision, value: nil, previous: nil)
        state.dropped += 1
        state.floor = max(state.floor, oldest.revision)
        // A transaction of which a part is gone is gone.
        while state.dropped < state.changes.count, state.changes[state.dropped].revision <= state.floor {
            state.bytes -= size(state.changes[state.dropped])
            state.dropped += 1
        }
        guard state.dropped > 1024, state.dropped * 2 > state.changes.count else { return }
        state.changes.removeFirst(state.dropped)
        state.dropped = 0
    }

    private static func size(_ change: StoreChange) -> Int { 128 + (change.value?.count ?? 0) + (change.previous?.count ?? 0) }
}

/// As many whole transactions from the beginning as have at most `limit` changes together, but the first whatever its size.
func wholeTransactions(_ changes: ArraySlice<StoreChange>, limit: Int) -> [StoreChange] {
    guard limit > 0 else { return [] }
    guard changes.count > limit else { return Array(changes) }
    let cut = changes[changes.startIndex + limit].revision
    let whole = changes.prefix(limit).prefix { $0.revision < cut }
    return Array(whole.isEmpty ? changes.prefix { $0.revision == cut } : whole)
}
