// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Kernel
internal import Loop
internal import Store
internal import Telemetry

/// Has every host told which certificates are those of hosts that were evicted, so that it cuts their tunnels (I22): an eviction is a host's object
/// that says so, and what it had can't be called back. Kept until the last of its certificates has ended, also if the host is let in again, or its
/// object deleted, meanwhile. On the loop of the API; of several replicas each may write what the others do.
final class EvictionKeeper: StateObserver, TimerTarget {
    private static let interval = Interval.seconds(10)
    /// Clocks differ, and a signature may have been under way.
    private static let margin: Int64 = 3600

    private let state: ControlState
    private let book: AccessBook
    private let trustDomain: String
    /// Of a certificate of a workload or a host, at most; in seconds.
    private let lifetime: Int64
    private let loop: Loop
    private let log: Log
    private let now: () -> Int64
    private var isWriting = false

    /// The book observes the state before this does.
    init(
        state: ControlState, book: AccessBook, trustDomain: String, lifetime: Int64, loop: Loop, log: Log,
        now: @escaping () -> Int64 = { WallTime.now().seconds }
    ) {
        self.state = state
        self.book = book
        self.trustDomain = trustDomain
        self.lifetime = lifetime
        self.loop = loop
        self.log = log
        self.now = now
        state.observe(self)
        _ = loop.arm(Self.interval, self, tag: 0)
    }

    func stateLoaded(_ state: ControlState) { check() }

    func stateChanged(_ state: ControlState, _ changes: [StoreChange]) {
        if changes.contains(where: { $0.key.resource == NodeRecord.resource }) { check() }
    }

    func timerFired(_ tag: UInt32) {
        _ = loop.arm(Self.interval, self, tag: 0)
        check()
    }

    /// Brings the records in line with the hosts. What can't be written now is tried again.
    private func check() {
        guard state.isLoaded, !isWriting else { return }
        var transaction = StoreTransaction()
        var standing: Set<String> = []
        for node in book.evicted {
            let tag = NodeRecord.tag(of: node.name, joined: node.joined, trustDomain: trustDomain)
            let record = EvictionRecord(
                tag: tag, node: node.name, joined: node.joined, until: now() + lifetime + Self.margin)
            standing.insert(record.key.name)
            guard state.cache.object(record.key) == nil, transaction.writes.count < StoreTransaction.limit else { continue }
            transaction.conditions.append(.init(record.key, revision: nil))
            transaction.writes.append(.put(record.key, record.text))
            log.info("host \(node.name) is evicted: every host is told to cut what it still holds")
        }
        for object in state.cache.objects(PublishedKind.evictions) where !standing.contains(object.key.name) {
            let record = EvictionRecord(key: object.key, text: object.text)
            guard record.map({ $0.until <= now() }) ?? true, transaction.writes.count < StoreTransaction.limit else { continue }
            transaction.conditions.append(.init(object.key, revision: object.revision))
            transaction.writes.append(.delete(object.key))
        }
        guard !transaction.writes.isEmpty else { return }
        isWriting = true
        state.commit(transaction) { [weak self] outcome in
            guard let self else { return }
            isWriting = false
            // Another replica was faster, or the store is away: the timer looks again.
            if case .success = outcome { check() }
        }
    }
}
