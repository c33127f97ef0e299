// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel
internal import Loop
internal import Store

/// Empties namespaces that are being deleted and lets them go when nothing is left: workloads and services first, policies last, so that nothing is
/// ever reachable that a policy forbade (the order matters to whoever is told of one step and not yet of the next). On the loop of the API; what it
/// writes holds only if nobody else wrote meanwhile, so that every replica may run one.
final class NamespaceCollector: StateObserver, TimerTarget {
    static let namespaces = "namespaces"
    /// What Kubernetes puts into `spec.finalizers` of every namespace: it goes when the namespace is empty.
    static let finalizer = "kubernetes"
    /// Writes of one transaction, when it takes no further object: one more may bring some addresses.
    private static let batch = StoreTransaction.limit / 2
    /// When it looks again though nobody told of anything: another's finalizer, or a store that didn't answer.
    private static let interval = Interval.seconds(5)

    private let state: ControlState
    private let loop: Loop
    /// In the order in which their objects go.
    private let resources: [String]
    /// How to end an object's life: the writes, and nil if its own finalizers hold it and it knows.
    private let deletion: (CachedObject) -> StoreTransaction?
    /// Where a step is under way.
    private var busy: Set<String> = []
    /// Where something is to be done.
    private var dying: Set<String> = []

    init(
        state: ControlState, loop: Loop, resources: [String], deletion: @escaping (CachedObject) -> StoreTransaction?
    ) {
        self.state = state
        self.loop = loop
        self.resources = resources
        self.deletion = deletion
        state.observe(self)
        _ = loop.arm(Self.interval, self, tag: 0)
    }

    func stateLoaded(_ state: ControlState) {
        dying = Set(state.cache.objects(Self.namespaces).filter { Self.isDying($0.text) }.map(\.key.name))
        stepAll()
    }

    func stateChanged(_ state: ControlState, _ changes: [StoreChange]) {
        for change in changes where change.key.resource == Self.namespaces {
            if let text = change.value, Self.isDying(text) {
                dying.insert(change.key.name)
            } else {
                dying.remove(change.key.name)
            }
        }
        // The last object of one may just have gone by another's hand.
        if !dying.isEmpty { stepAll() }
    }

    func timerFired(_ tag: UInt32) {
        stepAll()
        _ = loop.arm(Self.interval, self, tag: 0)
    }

    private func stepAll() { for name in dying where !busy.contains(name) { step(name) } }

    /// One transaction further.
    private func step(_ name: String) {
        guard let transaction = nextTransaction(name) else { return }
        busy.insert(name)
        state.commit(transaction) { [weak self] outcome in
            guard let self else { return }
            busy.remove(name)
            // A conflict means that somebody else wrote: the change that he made brings us back here. Anything else waits for the timer.
            if case .success = outcome, dying.contains(name) { step(name) }
        }
    }

    /// What comes next; nil if only others can go on.
    private func nextTransaction(_ name: String) -> StoreTransaction? {
        var remaining = false
        for resource in resources {
            let objects = state.cache.objects(resource, namespace: name)
            guard !objects.isEmpty else { continue }
            remaining = true
            var transaction = StoreTransaction()
            for object in objects {
                guard transaction.writes.count < Self.batch else { break }
                guard let deletion = deletion(object) else { continue }
                transaction.conditions += deletion.conditions
                transaction.writes += deletion.writes
            }
            if !transaction.writes.isEmpty { return transaction }
            // These wait for their finalizers; policies wait for them.
            break
        }
        return remaining ? nil : release(name)
    }

    /// The namespace is empty: takes our finalizer away, or deletes it if nobody else holds it.
    private func release(_ name: String) -> StoreTransaction? {
        let key = StoreKey(Self.namespaces, name)
        guard let object = state.cache.object(key), let tree = try? JSON.read(object.text) else { return nil }
        let finalizers = (tree["spec"]?["finalizers"]?.sequenceValue ?? []).compactMap(\.stringValue)
        let rest = finalizers.filter { $0 != Self.finalizer }
        let isHeld = !(tree["metadata"]?["finalizers"]?.sequenceValue ?? []).isEmpty
        if rest.isEmpty, !isHeld {
            return StoreTransaction(conditions: [.init(key, revision: object.revision)], writes: [.delete(key)])
        }
        guard rest.count < finalizers.count else { return nil }
        let released = Self.replacing(tree, "spec", .object([("finalizers", .array(rest.map { .string($0) }))]))
        return StoreTransaction(
            conditions: [.init(key, revision: object.revision)], writes: [.put(key, ObjectText.stored(released))])
    }

    private static func replacing(_ tree: Value, _ key: String, _ value: Value) -> Value {
        Value(.mapping((tree.mappingValue ?? []).map { $0.key == key ? Value.Entry(key, value) : $0 }))
    }

    /// Cheap enough to ask of every change: only a dying object has the word in it.
    private static func isDying(_ text: [UInt8]) -> Bool {
        (try? JSON.read(text))?["metadata"]?["deletionTimestamp"]?.stringValue != nil
    }
}
