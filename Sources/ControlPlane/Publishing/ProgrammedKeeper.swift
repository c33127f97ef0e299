// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel
internal import Loop
internal import ResourceAPI
internal import Store

/// Writes into objects how far hosts have come with them, as the condition `Programmed` that `kubectl wait` reads: once when all have taken what
/// stands, and before that only if it takes long or a host refuses; and into policies, with it, whether hosts judge by them. Many objects are one commit. On
/// the loop of the API.
///
///     changed ──► waiting ──acknowledged, refused──► written ──► (refused: waiting)
final class ProgrammedKeeper: StateObserver, TimerTarget {
    private static let interval = Interval.milliseconds(200)
    private static let batch = StoreTransaction.limit
    /// Only what takes longer is said to be pending.
    private static let patience = Interval.seconds(2)

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
    /// Another replica has hosts of its own, of which nobody here knows how far they are: then nothing is said.
    private let isAlone: () -> Bool
    private var waiting: [StoreKey: Wait] = [:]
    /// Of the keys that wait, those that have yet to be looked at in this round.
    private var round: [StoreKey] = []
    /// What stood before we began and has yet to be looked at.
    private var former: Former?
    /// What is being written: its own change is no news.
    private var writing: [StoreKey: [UInt8]] = [:]
    private var isArmed = false

    init(
        state: ControlState, publishing: Publishing, loop: Loop, settling: Interval = .seconds(10),
        isAlone: @escaping () -> Bool = { true }
    ) {
        self.settling = settling
        self.isAlone = isAlone
        self.state = state
        self.publishing = publishing
        self.loop = loop
        state.observe(self)
    }

    func stateLoaded(_ state: ControlState) {
        (waiting, round) = ([:], [])
        former = Former(since: .now())
        arm()
    }

    func stateChanged(_ state: ControlState, _ changes: [StoreChange]) {
        let now = Instant.now()
        for change in changes where PublishedKind.hasCondition(change.key.resource) {
            if let value = change.value {
                guard writing[change.key] != value else { continue }
                waiting[change.key] = Wait(revision: change.revision, since: now)
            } else {
                waiting[change.key] = nil
            }
        }
        arm()
    }

    private func arm() {
        guard !isArmed, !waiting.isEmpty || former != nil else { return }
        isArmed = true
        _ = loop.arm(Self.interval, self, tag: 0)
    }

    func timerFired(_ tag: UInt32) {
        isArmed = false
        if publishing.isLoaded, writing.isEmpty { look() }
        arm()
    }

    private func look() {
        guard isAlone() else { return lookAtPolicies() }
        let now = Instant.now()
        let keys = nextKeys(now)
        guard !keys.isEmpty else { return }
        let survey = publishing.survey()
        var transaction = StoreTransaction()
        for key in keys {
            guard var wait = waiting[key] else { continue }
            guard let condition = publishing.programmed(key, revision: wait.revision, survey),
                let standing = state.cache.object(key)
            else {
                waiting[key] = nil
                continue
            }
            let isPending = condition.reason == Condition.pending
            // How many of many have it isn't written each time.
            if isPending, now < wait.since + Self.patience || wait.said?.reason == condition.reason { continue }
            if wait.said == condition { continue }
            if let text = Self.stating(condition, standing, unlessTrue: wait.isOld) {
                transaction.conditions.append(.init(key, revision: standing.revision))
                transaction.writes.append(.put(key, text))
                writing[key] = text
            }
            wait.said = condition
            wait.isOld = false
            // A host that refused may take it when it comes again as a newer version.
            waiting[key] = isPending || condition.reason == Condition.refused ? wait : nil
        }
        commit(transaction)
    }

    /// Of several replicas each says what an object alone tells; who is first is right, and the others see that it stands.
    private func lookAtPolicies() {
        var transaction = StoreTransaction()
        for key in Array(waiting.keys) {
            guard key.resource == PolicyAcceptance.resource, let standing = state.cache.object(key),
                let text = Self.stating(nil, standing, unlessTrue: false)
            else {
                waiting[key] = nil
                continue
            }
            guard transaction.writes.count < Self.batch else { break }
            waiting[key] = nil
            transaction.conditions.append(.init(key, revision: standing.revision))
            transaction.writes.append(.put(key, text))
            writing[key] = text
        }
        (round, former) = ([], nil)
        commit(transaction)
    }

    /// Whom to look at now: some of those that stood before we began, so that others don't keep them waiting, and some of this round.
    private func nextKeys(_ now: Instant) -> [StoreKey] {
        // What a large change has taken is given back.
        if waiting.isEmpty { waiting = [:] }
        if round.isEmpty { round = Array(waiting.keys) }
        let former = takeFormer(now)
        let others = round.suffix(Self.batch - former.count)
        round.removeLast(others.count)
        return former + others
    }

    /// Begins once hosts have had time to come again; of fifty thousand objects nothing is kept meanwhile.
    private func takeFormer(_ now: Instant) -> [StoreKey] {
        guard let begun = former?.since, now >= begun + settling else { return [] }
        var keys: [StoreKey] = []
        while keys.count < Self.batch / 2, let object = former?.next(in: state.cache) {
            guard waiting[object.key] == nil else { continue }
            waiting[object.key] = Wait(revision: object.revision, since: begun, isOld: true)
            keys.append(object.key)
        }
        if former?.isOver == true { former = nil }
        return keys
    }

    /// The object with the condition, and what a policy says of itself; nil if it says so already.
    private static func stating(_ programmed: Condition?, _ standing: CachedObject, unlessTrue: Bool) -> [UInt8]? {
        let isPolicy = standing.key.resource == PolicyAcceptance.resource
        // What can't be read is told elsewhere, by name. Most of what stood before says so already, which is seen without its bookkeeping.
        if unlessTrue, !isPolicy, let programmed, let content = ObjectText.content(standing.text),
            isTrue(programmed.type, content)
        {
            return nil
        }
        guard let object = try? JSON.read(standing.text) else { return nil }
        let generation = object.at("metadata", "generation")?.integerValue
        let before = object.at("status", "conditions")?.sequenceValue ?? []
        let stays = unlessTrue && (programmed.map { isTrue($0.type, object) } ?? false)
        let conditions = [stays ? nil : programmed, isPolicy ? PolicyAcceptance.condition(of: object) : nil].compactMap(\.self)
        if conditions.allSatisfy({ $0.stands(in: before, generation: generation) }) { return nil }
        let now = WallTime.now().seconds
        let after = conditions.reduce(before) { $1.put(into: $0, generation: generation, seconds: now) }
        return ObjectText.stored(object.setting(["status", "conditions"], .array(after)))
    }

    private static func isTrue(_ type: String, _ object: Value) -> Bool {
        let generation = object.at("metadata", "generation")?.integerValue
        return object.at("status", "conditions")?.sequenceValue?.contains {
            $0["type"]?.stringValue == type && $0["status"] == "True" && $0["observedGeneration"]?.integerValue == generation
        } ?? false
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
            }
            arm()
        }
    }
}

/// The objects with a condition that stand, one after the other in the order of their keys, while they change: it holds a place among them and nothing else.
private struct Former {
    let since: Instant
    private var resources = PublishedKind.resources.filter { PublishedKind.hasCondition($0) }[...]
    private var last: StoreKey?

    init(since: Instant) { self.since = since }

    var isOver: Bool { resources.isEmpty }

    mutating func next(in cache: ObjectCache) -> CachedObject? {
        while let resource = resources.first {
            if let object = cache.first(of: resource, after: last) {
                last = object.key
                return object
            }
            resources.removeFirst()
            last = nil
        }
        return nil
    }
}
