// SPDX-License-Identifier: Apache-2.0

/// Changes out of the answers of one watch, transaction by transaction. Pure.
struct EtcdFeed {
    private let keys: EtcdKeys
    /// What it has seen before, and doesn't tell again.
    private let start: UInt64
    /// Not taken yet, in order; the last transaction may not be whole.
    private(set) var changes: [StoreChange] = []
    /// Every transaction up to here has been seen whole.
    private(set) var complete: UInt64
    /// A value before this change isn't known any more, though there was one: whoever follows has to read everything anew.
    private(set) var lost: UInt64?
    /// Another store is put in this one's place: what follows is that one's.
    private(set) var isReplaced = false
    private var last: UInt64

    init(_ keys: EtcdKeys, after revision: UInt64) {
        self.keys = keys
        start = revision
        complete = revision
        last = revision
    }

    /// Where the watch has to begin: at what was seen already, so that etcd says when what follows isn't whole any more.
    var first: UInt64 { max(keys.asked(start), 1) }

    mutating func take(_ answer: EtcdWatchAnswer) {
        for event in answer.events {
            guard !isReplaced, let now = event.now else { continue }
            let revision = keys.told(now.revision)
            guard revision > start else { continue }
            if revision > last {
                complete = last
                last = revision
            }
            if now.key.elementsEqual(keys.store) {
                // All of this transaction is the other's: the objects vanish with it that aren't in the other store.
                isReplaced = true
                changes.removeAll { $0.revision >= revision }
                last = complete
                continue
            }
            guard let key = keys.object(now.key) else { continue }
            if event.before == nil, event.isDeletion || now.version > 1 { lost = revision }
            changes.append(
                StoreChange(
                    key: key, revision: revision, value: event.isDeletion ? nil : Array(now.value),
                    previous: event.before.map { Array($0.value) }))
        }
        if !answer.isFragment { complete = last }
    }

    /// Whole transactions, which are forgotten here.
    mutating func takeComplete() -> [StoreChange] {
        let count = changes.firstIndex { $0.revision > complete } ?? changes.count
        defer { changes.removeFirst(count) }
        return Array(changes.prefix(count))
    }
}
