// SPDX-License-Identifier: Apache-2.0

package import Kernel
package import Loop
package import Store
internal import Synchronization

/// What the store's thread tells the loop that serves the API, in the order in which it happened: the changes of a commit come before the word that
/// it was made, so that who is answered finds in memory what was written.
package enum StoreMessage: Sendable {
    /// Everything, at the beginning and after so much happened elsewhere that the changes between aren't known any more. `history` is what is still
    /// known of the time before, for watches that go on from there.
    case loaded(StoredList, history: [StoreChange])
    /// What changed since, whole transactions.
    case changed([StoreChange])
    /// What became of the commit, or of the wish to catch up, with this ticket.
    case committed(UInt64, Result<UInt64, StoreFailure>)
    /// The store doesn't answer; it is asked again until it does.
    case unreachable(StoreFailure)
}

/// The thread that talks to the store, which blocks: commits in the order in which they were asked for, and whatever changed by anybody's hand. Any
/// thread may ask; answers go to the mailbox. It ends with the process.
package final class StoreThread: Sendable {
    /// Commits that may wait at once. What waits is committed together, with one flush of the disk: who waits behind a thousand waits for a disk that
    /// hangs, and is better told now.
    private static let limit = 1024
    /// Bytes that may wait with them. Each stands for ten in memory, since whoever asked keeps the object that it read: a thousand small writes or
    /// five of the largest, not a thousand of the largest.
    private static let byteLimit = 16 << 20

    private let worker: Mailbox<StoreErrand>
    private let waiting = Atomic<Int>(0)
    private let waitingBytes = Atomic<Int>(0)

    /// Begins, and sends `.loaded` first of all.
    package init(store: any Store, answers: Mailbox<StoreMessage>) throws(Errno) {
        let worker = try Mailbox<StoreErrand>()
        self.worker = worker
        _ = try Thread(name: "store") {
            do throws(Errno) {
                let loop = try Loop()
                let follower = StoreFollower(store: store, loop: loop, answers: answers)
                try worker.attach(to: loop) { errand in follower.run(errand) }
                loop.run()
            } catch {
                bug("the loop of the store's thread can't be made: \(error)")
            }
        }
        worker.send(.pull)
        store.observe { worker.send(.pull) }
    }

    /// Asks for everything that anybody has changed up to now; the answer has this ticket, and the newest revision.
    package func catchUp(ticket: UInt64) { worker.send(.catchUp(ticket: ticket)) }

    /// Asks for a commit; the answer has this ticket. False if too many wait already: nothing was asked then.
    package func commit(_ transaction: StoreTransaction, ticket: UInt64) -> Bool {
        let size = transaction.size
        let count = waiting.add(1, ordering: .relaxed).newValue
        let bytes = waitingBytes.add(size, ordering: .relaxed).newValue
        // Whatever its size, one alone is let through.
        guard count <= Self.limit, bytes <= Self.byteLimit || count == 1 else {
            leave(size)
            return false
        }
        worker.send(.commit(transaction, ticket: ticket) { [self] in leave(size) })
        return true
    }

    private func leave(_ size: Int) {
        waiting.subtract(1, ordering: .relaxed)
        waitingBytes.subtract(size, ordering: .relaxed)
    }
}

enum StoreErrand: Sendable {
    case commit(StoreTransaction, ticket: UInt64, finished: @Sendable () -> Void)
    case catchUp(ticket: UInt64)
    case pull
}

/// Does the store's errands and keeps in mind what was told already. On the store's thread.
private final class StoreFollower: TimerTarget, TurnTarget {
    /// Changes that are read at once.
    private static let batch = 1000
    /// Revisions before the present one that a watch may go on from after a restart.
    private static let history: UInt64 = 5000
    /// How long history is kept: longer than a client stays away, shorter than a disk takes to fill.
    private static let kept = Interval.seconds(3600)
    private static let compaction = Interval.seconds(300)

    private enum Tag {
        static let retry: UInt32 = 0
        static let compact: UInt32 = 1
    }

    private struct Waiting {
        let transaction: StoreTransaction
        let ticket: UInt64
        let finished: @Sendable () -> Void
    }

    private let store: any Store
    private let loop: Loop
    private let answers: Mailbox<StoreMessage>
    /// What came while the last commit was under way, or in this turn.
    private var waiting: [Waiting] = []
    /// Nil until everything was read.
    private var told: UInt64?
    private var isRetrying = false
    /// Revisions and when they were the newest, oldest first.
    private var marks: [(revision: UInt64, time: Instant)] = []

    init(store: any Store, loop: Loop, answers: Mailbox<StoreMessage>) {
        self.store = store
        self.loop = loop
        self.answers = answers
        _ = loop.arm(Self.compaction, self, tag: Tag.compact)
    }

    func run(_ errand: StoreErrand) {
        switch errand {
        case .pull: pull()
        case .catchUp(let ticket):
            let result: Result<UInt64, StoreFailure>
            do throws(StoreFailure) { result = .success(try store.revision()) } catch { result = .failure(error) }
            pull()
            answers.send(.committed(ticket, result))
        case .commit(let transaction, let ticket, let finished):
            if waiting.isEmpty { loop.atEndOfTurn(self) }
            waiting.append(Waiting(transaction: transaction, ticket: ticket, finished: finished))
        }
    }

    func endTurn() -> Bool {
        let group = waiting
        waiting = []
        let results = store.commit(group.map(\.transaction))
        for waiting in group { waiting.finished() }
        // Also after a conflict: who tries again needs to see with what.
        pull()
        for (waiting, result) in zip(group, results) { answers.send(.committed(waiting.ticket, result)) }
        return false
    }

    func timerFired(_ tag: UInt32) {
        if tag == Tag.compact {
            compact()
            _ = loop.arm(Self.compaction, self, tag: Tag.compact)
        } else {
            isRetrying = false
            pull()
        }
    }

    /// Tells what is new.
    private func pull() {
        do throws(StoreFailure) {
            guard var told else { return try load() }
            while true {
                let changes: [StoreChange]
                do throws(StoreFailure) {
                    changes = try store.changes(after: told, limit: Self.batch)
                } catch {
                    guard case .compacted = error else { throw error }
                    return try load()
                }
                guard let last = changes.last else { return }
                told = last.revision
                self.told = told
                answers.send(.changed(changes))
            }
        } catch {
            answers.send(.unreachable(error))
            guard !isRetrying else { return }
            isRetrying = true
            _ = loop.arm(.seconds(1), self, tag: Tag.retry)
        }
    }

    private func load() throws(StoreFailure) {
        let list = try store.list(nil, namespace: nil)
        var history: [StoreChange] = []
        var from = list.revision > Self.history ? list.revision - Self.history : 0
        reading: while from < list.revision {
            do throws(StoreFailure) {
                let changes = try store.changes(after: from, limit: Self.batch)
                guard let last = changes.last else { break reading }
                // What came after the list is told as a change, after it.
                history += changes.filter { $0.revision <= list.revision }
                from = last.revision
            } catch {
                guard case .compacted(let oldest) = error, oldest > from else { throw error }
                history = []
                from = oldest
            }
        }
        told = list.revision
        answers.send(.loaded(list, history: history))
    }

    private func compact() {
        guard let told else { return }
        let now = loop.now
        marks.append((told, now))
        guard let index = marks.lastIndex(where: { now.since($0.time) >= Self.kept }) else { return }
        let bound = min(marks[index].revision, told > Self.history ? told - Self.history : 0)
        marks.removeFirst(index)
        do throws(StoreFailure) {
            if bound > 0 { try store.compact(before: bound) }
        } catch {
            answers.send(.unreachable(error))
        }
    }
}
