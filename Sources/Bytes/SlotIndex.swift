// SPDX-License-Identifier: Apache-2.0

/// Finds the slots of a table by the hashes of their keys. It doesn't hold the keys, which the table has: eight bytes for a slot. It is in shards:
/// copies share those that are alike, so that a change to one copies a part of it. A value; one owner, one thread, though copies may be anywhere.
package struct SlotIndex: Sendable {
    @usableFromInline var shards = Self.none
    /// All that have nothing in them share this.
    private static let none = ContiguousArray(repeating: Shard(), count: shardCount)
    @usableFromInline static var shardBits: Int { 8 }
    @usableFromInline static var shardCount: Int { 1 << shardBits }

    package init() {}

    /// The slot with this hash of which `matches` holds; nil if there is none.
    @inlinable
    package func find(_ hash: Int, where matches: (Int32) -> Bool) -> Int32? {
        shards[Self.shard(hash)].find(Self.tag(hash), where: matches)
    }

    /// All slots that may have this hash: those that have it, in no order, and perhaps others.
    package func candidates(_ hash: Int, _ body: (Int32) -> Void) {
        _ = find(hash) {
            body($0)
            return false
        }
    }

    /// Adds a slot. The caller has looked whether its key is there already.
    package mutating func insert(_ slot: Int32, _ hash: Int) { shards[Self.shard(hash)].insert(slot, Self.tag(hash)) }

    /// Takes out a slot that was added with this hash; false if it isn't there.
    @discardableResult
    package mutating func remove(_ slot: Int32, _ hash: Int) -> Bool { shards[Self.shard(hash)].remove(slot, Self.tag(hash)) }

    @inlinable static func shard(_ hash: Int) -> Int { hash & (shardCount - 1) }
    @inlinable static func tag(_ hash: Int) -> UInt32 { UInt32(truncatingIfNeeded: hash >> shardBits) }

    /// A table with open addressing; what is removed leaves a mark until the table is made anew.
    @usableFromInline struct Shard: Sendable {
        @usableFromInline struct Place: Sendable {
            @inlinable static var empty: Int32 { -1 }
            @inlinable static var removed: Int32 { -2 }

            @usableFromInline var tag: UInt32
            @usableFromInline var slot: Int32
        }

        @usableFromInline var places: ContiguousArray<Place> = []
        /// Slots, and slots with marks.
        private var count = 0
        private var taken = 0

        @inlinable
        func find(_ tag: UInt32, where matches: (Int32) -> Bool) -> Int32? {
            guard !places.isEmpty else { return nil }
            let mask = places.count - 1
            var index = Int(tag) & mask
            while true {
                let place = places[index]
                if place.slot == Place.empty { return nil }
                if place.slot >= 0, place.tag == tag, matches(place.slot) { return place.slot }
                index = (index + 1) & mask
            }
        }

        mutating func insert(_ slot: Int32, _ tag: UInt32) {
            // A third is free, so that every search ends.
            if (taken + 1) * 3 > places.count * 2 { rebuild(for: count + 1) }
            let mask = places.count - 1
            var index = Int(tag) & mask
            while places[index].slot >= 0 { index = (index + 1) & mask }
            if places[index].slot == Place.empty { taken += 1 }
            places[index] = Place(tag: tag, slot: slot)
            count += 1
        }

        mutating func remove(_ slot: Int32, _ tag: UInt32) -> Bool {
            guard !places.isEmpty else { return false }
            let mask = places.count - 1
            var index = Int(tag) & mask
            while places[index].slot != Place.empty {
                if places[index].slot == slot, places[index].tag == tag {
                    places[index].slot = Place.removed
                    count -= 1
                    return true
                }
                index = (index + 1) & mask
            }
            return false
        }

        private mutating func rebuild(for wanted: Int) {
            var size = 8
            while wanted * 3 > size * 2 { size *= 2 }
            // Room to grow, or a table that is nearly full would be made anew again and again.
            if wanted * 2 > size { size *= 2 }
            let old = places
            places = ContiguousArray(repeating: Place(tag: 0, slot: Place.empty), count: size)
            (count, taken) = (0, 0)
            for place in old where place.slot >= 0 { insert(place.slot, place.tag) }
        }
    }
}
