// SPDX-License-Identifier: Apache-2.0

package import Kernel
package import Loop
package import Store

/// Who hears of every change of the state, after it is in memory. On the loop of the API.
package protocol StateObserver: AnyObject {
    /// Everything is another: at the beginning, and after the store was lost sight of for too long.
    func stateLoaded(_ state: ControlState)
    /// These changed, in this order; the cache is past the last of them.
    func stateChanged(_ state: ControlState, _ changes: [StoreChange])
}

/// What the control plane knows: all objects in memory, the newest changes, and the way to change them. On the loop of the API.
///
///     commit ──► store's thread ──► changed ──► cache, ring ──► observers: watches, publishing, collector
///                                └► committed ──► whoever asked
package final class ControlState {
    /// So much waits for the disk that a commit wasn't even asked for.
    static let tooMany = StoreFailure.unavailable("too many changes wait for the disk")

    /// What became of a commit.
    package typealias Outcome = Result<UInt64, StoreFailure>

    let cache = ObjectCache()
    private(set) var ring = ChangeRing()
    /// Of the store, for ever.
    package let identity: String
    /// False until everything was read once.
    package private(set) var isLoaded = false
    /// Why the store doesn't answer; nil while it does.
    package private(set) var failure: StoreFailure?
    private let thread: StoreThread
    private var waiting: [UInt64: (Outcome) -> Void] = [:]
    private var tickets: UInt64 = 0
    private var observers: [any StateObserver] = []
    /// Who waits for what is being asked for, and who came too late for that.
    private var catchingUp: [(Outcome) -> Void]?
    private var nextToCatchUp: [(Outcome) -> Void] = []
    /// Others change the store too: memory may be behind what somebody was told elsewhere.
    package let isShared: Bool

    /// Begins to read the store.
    package init(store: any Store, loop: Loop) throws(Errno) {
        identity = store.identity
        isShared = store.isShared
        let answers = try Mailbox<StoreMessage>()
        thread = try StoreThread(store: store, answers: answers)
        try answers.attach(to: loop) { [unowned self] in receive($0) }
    }

    /// Of the newest change that is in memory.
    package var revision: UInt64 { cache.revision }
    /// How many objects there are, our own bookkeeping included.
    package var resourceCount: Int { cache.resources.reduce(0) { $0 + cache.count($1) } }

    /// Those who observe are told in this order. They stay.
    package func observe(_ observer: any StateObserver) { observers.append(observer) }

    /// Has the store make changes; `done` is called on this loop once, after the changes are in memory.
    package func commit(_ transaction: StoreTransaction, _ done: @escaping (Outcome) -> Void) {
        tickets += 1
        guard thread.commit(transaction, ticket: tickets) else {
            return done(.failure(Self.tooMany))
        }
        waiting[tickets] = done
    }

    /// Calls back when everything is in memory that anybody was told before now, by whatever replica; at once where there is one. A store that
    /// doesn't answer is told as a failure, after some seconds.
    package func catchUp(_ done: @escaping (Outcome) -> Void) {
        guard isShared else { return done(.success(revision)) }
        guard catchingUp == nil else { return nextToCatchUp.append(done) }
        catchingUp = [done]
        askToCatchUp()
    }

    private func askToCatchUp() {
        tickets += 1
        waiting[tickets] = { [unowned self] outcome in
            let waited = catchingUp ?? []
            catchingUp = nextToCatchUp.isEmpty ? nil : nextToCatchUp
            nextToCatchUp = []
            if catchingUp != nil { askToCatchUp() }
            for done in waited { done(outcome) }
        }
        thread.catchUp(ticket: tickets)
    }

    private func receive(_ message: StoreMessage) {
        switch message {
        case .loaded(let list, let history):
            failure = nil
            cache.load(list)
            ring.load(history: history, revision: list.revision)
            isLoaded = true
            for observer in observers { observer.stateLoaded(self) }
        case .changed(let changes):
            failure = nil
            for change in changes {
                cache.apply(change)
                ring.append(change)
            }
            for observer in observers { observer.stateChanged(self, changes) }
        case .committed(let ticket, let outcome): waiting.removeValue(forKey: ticket)?(outcome)
        case .unreachable(let failure): self.failure = failure
        }
    }
}
