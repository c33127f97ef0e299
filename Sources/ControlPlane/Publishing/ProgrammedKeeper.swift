// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel
internal import Loop
internal import ResourceAPI
internal import Store

/// Writes into objects how far hosts have come with them, as the condition `Programmed` that `kubectl wait` reads: once when all have taken what
/// stands, and before that only if it takes long or a host refuses; and into policies, with it, whether hosts judge by them. Many objects are one
/// commit. Of several replicas one writes, with what the others say of their hosts, and the others are ready to take its place. On the loop of the
/// API.
///
///     changed ──► waiting ──acknowledged, refused──► written ──► (refused: waiting)
final class ProgrammedKeeper: StateObserver, TimerTarget {
    private static let interval = Interval.milliseconds(200)
    private static let batch = StoreTransaction.limit
    /// How often, and for how long each time, it looks at what stood before: a tenth of the loop.
    private static let formerInterval = Interval.milliseconds(20)
    private static let portion = Interval.milliseconds(2)
    /// Only what takes longer is said to be pending.
    private static let patience = Interval.seconds(2)
    /// How often another looks whether it is on it to write.
    private static let shift = Interval.seconds(2)
    /// What changed so long ago is written by who wrote until then, or found by who takes its place.
    private static let memory = Interval.seconds(60)

    private enum Tag {
        static let look: UInt32 = 0
        static let role: UInt32 = 1
    }

    /// After a restart hosts come again first, and then are counted.
    private let settling: Interval

    private struct Wait {
        let revision: UInt64
        let since: Instant
        /// It stood before we began: what it says of itself may still hold.
        var isOld = false
        /// What was written last, so that an object isn't read again for it.
        var said: Condition?
    }

    private let state: ControlState
    private let publishing: Publishing
    private let loop: Loop
    private let replicas: Replicas?
    /// What other replicas say; nil while nobody knows of any.
    private let others: () -> OtherReplicas?
    /// It is on this replica to write.
    private var isWriter = true
    /// Up to here somebody may wait for hosts.
    private(set) var newest: UInt64 = 0
    private var waiting: [StoreKey: Wait] = [:]
    /// Of the keys that wait, those that have yet to be looked at in this round.
    private var round: [StoreKey] = []
    /// What stood before we began and has yet to be looked at.
    private var former: FormerObjects?
    /// What is being written: its own change is no news.
    private var writing: [StoreKey: [UInt8]] = [:]
    private var isArmed = false
    /// What stood before is being gone through.
    private var isLookingBack = false

    /// - Parameter others: in place of what the replicas say.
    init(
        state: ControlState, publishing: Publishing, loop: Loop, settling: Interval = .seconds(10), replicas: Replicas? = nil,
        others: (() -> OtherReplicas?)? = nil
    ) {
        self.settling = settling
        self.replicas = replicas
        self.others = others ?? { [replicas] in replicas.map(\.others) ?? OtherReplicas.nobody }
        self.state = state
        self.publishing = publishing
        self.loop = loop
        state.observe(self)
        if replicas?.isShared ?? (others != nil) { _ = loop.arm(Self.shift, self, tag: Tag.role) }
    }

    func stateLoaded(_ state: ControlState) {
        (waiting, round) = ([:], [])
        newest = max(newest, state.revision)
        former = FormerObjects(since: .now(), settling: settling, asOf: newest)
        arm()
    }

    func stateChanged(_ state: ControlState, _ changes: [StoreChange]) {
        let now = Instant.now()
        for change in changes where PublishedKind.hasCondition(change.key.resource) {
            if let value = change.value {
                guard writing[change.key] != value else { continue }
                // What another replica wrote of hosts brings them nothing: to wait for that would be one report more each time. It tells if it does.
                if isWriter || !Self.isOfStatusAlone(change) { newest = max(newest, change.revision) }
                waiting[change.key] = Wait(revision: change.revision, since: now)
            } else {
                waiting[change.key] = nil
            }
        }
        arm()
    }

    /// Whether all that differs comes behind the beginning of the status, which is written last. If it takes one for the other, it takes longer.
    private static func isOfStatusAlone(_ change: StoreChange) -> Bool {
        guard let before = change.previous, let after = change.value else { return false }
        let mark = Array(#","status":{"#.utf8)
        var same = 0
        while same < before.count, same < after.count, before[same] == after[same] { same += 1 }
        var place = min(same, after.count - mark.count)
        while place >= 0 {
            if after[place] == mark[0], after[place..<place + mark.count].elementsEqual(mark) { return true }
            place -= 1
        }
        return false
    }

    private func arm() {
        guard !isArmed, isWriter, !waiting.isEmpty || former != nil else { return }
        isArmed = true
        _ = loop.arm(isLookingBack ? Self.formerInterval : Self.interval, self, tag: Tag.look)
    }

    func timerFired(_ tag: UInt32) {
        if tag == Tag.role {
            _ = loop.arm(Self.shift, self, tag: Tag.role)
            if let others = others() { take(others.isFirst) }
        } else {
            isArmed = false
            if publishing.isLoaded, writing.isEmpty { look() }
        }
        arm()
    }

    /// Whether it is on us. Who takes another's place looks at all that stands: what that one had begun isn't known.
    private func take(_ isFirst: Bool) {
        if isFirst, !isWriter {
            newest = max(newest, state.revision)
            former = FormerObjects(since: .now(), settling: .zero, asOf: newest)
        } else if !isFirst {
            (round, former, isLookingBack) = ([], nil, false)
            let now = Instant.now()
            waiting = waiting.filter { now < $0.value.since + Self.memory }
        }
        isWriter = isFirst
    }

    private func look() {
        guard let others = others() else { return }
        take(others.isFirst)
        guard isWriter else { return }
        let now = Instant.now()
        var isOutdated = false
        defer { if !waiting.isEmpty || former != nil { replicas?.look(isOutdated: isOutdated) } }
        let keys = nextKeys(now, others)
        guard !keys.isEmpty else { return }
        let survey = publishing.survey()
        var transaction = StoreTransaction()
        for key in keys {
            // Who came since isn't among those who were asked before, nor what they say of it.
            guard var wait = waiting[key] else { continue }
            guard others.isNewer(than: wait.since) else {
                isOutdated = true
                continue
            }
            guard let condition = publishing.programmed(key, revision: wait.revision, survey, others),
                let standing = state.cache.object(key)
            else {
                waiting[key] = nil
                continue
            }
            let isPending = condition.reason == Condition.pending
            // How many of many have it isn't written each time.
            if isPending, now < wait.since + Self.patience { continue }
            if isPending, wait.said?.reason == condition.reason, wait.said?.status == condition.status { continue }
            if wait.said == condition { continue }
            if let text = ProgrammedText.stating(condition, standing, unlessTrue: wait.isOld) {
                transaction.conditions.append(.init(key, revision: standing.revision))
                transaction.writes.append(.put(key, text))
                writing[key] = text
                wait.isOld = false
            }
            wait.said = condition
            // A host that refused may take it when it comes again as a newer version.
            waiting[key] = isPending || condition.reason == Condition.refused ? wait : nil
        }
        commit(transaction)
    }

    /// Whom to look at now: some of those that stood before we began, so that others don't keep them waiting, and some of this round.
    private func nextKeys(_ now: Instant, _ others: OtherReplicas) -> [StoreKey] {
        // What a large change has taken is given back.
        if waiting.isEmpty { waiting = [:] }
        if round.isEmpty { round = Array(waiting.keys) }
        let former = takeFormer(now, others)
        let changed = round.suffix(Self.batch - former.count)
        round.removeLast(changed.count)
        return former + changed
    }

    /// Begins once hosts have had time to come again, and what all replicas say is known; of fifty thousand objects nothing is kept meanwhile. Most
    /// need no more than a look.
    private func takeFormer(_ now: Instant, _ others: OtherReplicas) -> [StoreKey] {
        isLookingBack = false
        guard let begun = former?.begins, now >= begun, others.areKnown(asOf: former?.asOf ?? 0) else { return [] }
        var keys: [StoreKey] = []
        let end = Instant.now() + Self.portion
        while keys.count < Self.batch / 2, Instant.now() < end, let object = former?.next(in: state.cache) {
            guard waiting[object.key] == nil, !ProgrammedText.isSettled(object) else { continue }
            waiting[object.key] = Wait(revision: object.revision, since: begun, isOld: true)
            newest = max(newest, object.revision)
            keys.append(object.key)
        }
        if former?.isOver == true { former = nil }
        isLookingBack = former != nil
        return keys
    }

    private func commit(_ transaction: StoreTransaction) {
        guard !transaction.writes.isEmpty else { return }
        state.commit(transaction) { [weak self] outcome in
            guard let self else { return }
            let keys = Array(writing.keys)
            writing = [:]
            guard case .failure = outcome else { return }
            // Somebody else wrote one of them, or the store is away: all are looked at again.
            let now = Instant.now()
            for key in keys where waiting[key]?.said != nil || waiting[key] == nil {
                guard let standing = state.cache.object(key) else { continue }
                waiting[key] = Wait(revision: standing.revision, since: now)
                newest = max(newest, standing.revision)
            }
            arm()
        }
    }
}
