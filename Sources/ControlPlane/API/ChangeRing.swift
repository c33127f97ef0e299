// SPDX-License-Identifier: Apache-2.0

internal import Store

/// The newest changes, for watches: each reads on from where it is. Bounded in number and bytes; a watch that has fallen behind the oldest has lost
/// its place and is told so. On the loop of the API.
struct ChangeRing {
    /// Changes and bytes of texts that are held at most. Texts are shared with the cache while they are the newest.
    private static let limit = 20_000
    private static let byteLimit = 48 << 20

    private var changes: [StoreChange] = []
    /// How many at the front were dropped already.
    private var dropped = 0
    private var bytes = 0
    /// The number of the first that is still here; numbers go on for ever.
    private(set) var start = 0
    /// Every change after this revision is here.
    private(set) var floor: UInt64 = 0

    /// The number of the next change to come.
    var end: Int { start + changes.count - dropped }

    /// Begins anew with what is known of the time before `revision`; every watch that isn't there already has lost its place.
    mutating func load(history: [StoreChange], revision: UInt64) {
        start = end + 1
        changes = []
        dropped = 0
        bytes = 0
        floor = history.first.map { $0.revision - 1 } ?? revision
        for change in history { append(change) }
    }

    mutating func append(_ change: StoreChange) {
        changes.append(change)
        bytes += Self.size(change)
        while changes.count - dropped > Self.limit || bytes > Self.byteLimit, changes.count - dropped > 1 { drop() }
        if dropped > 1024, dropped * 2 > changes.count {
            changes.removeFirst(dropped)
            dropped = 0
        }
    }

    private mutating func drop() {
        let oldest = changes[dropped]
        bytes -= Self.size(oldest)
        // Its texts go now; its place goes with the others'.
        changes[dropped] = StoreChange(key: oldest.key, revision: oldest.revision, value: nil, previous: nil)
        dropped += 1
        start += 1
        floor = max(floor, oldest.revision)
    }

    private static func size(_ change: StoreChange) -> Int { 128 + (change.value?.count ?? 0) + (change.previous?.count ?? 0) }

    /// The change with this number; nil if it isn't here (any more, or yet).
    subscript(number: Int) -> StoreChange? {
        guard number >= start, number < end else { return nil }
        return changes[dropped + number - start]
    }

    /// The number of the first change after a revision; nil if some after it are gone.
    func number(after revision: UInt64) -> Int? {
        guard revision >= floor else { return nil }
        var (low, high) = (dropped, changes.count)
        while low < high {
            let middle = (low + high) / 2
            if changes[middle].revision <= revision { low = middle + 1 } else { high = middle }
        }
        return start + low - dropped
    }
}
