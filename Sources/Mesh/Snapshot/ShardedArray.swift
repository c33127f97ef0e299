// SPDX-License-Identifier: Apache-2.0

/// A long array whose copies share what they have alike: a change copies one shard and the list of shards, not all of it.
struct ShardedArray<Element: Sendable>: Sendable {
    private var shards: ContiguousArray<ContiguousArray<Element>> = []
    private(set) var count = 0
    private static var bits: Int { 8 }
    private static var size: Int { 1 << bits }

    var indices: Range<Int> { 0..<count }

    subscript(index: Int) -> Element {
        get { shards[index >> Self.bits][index & (Self.size - 1)] }
        set { shards[index >> Self.bits][index & (Self.size - 1)] = newValue }
    }

    mutating func append(_ element: Element) {
        if count & (Self.size - 1) == 0 {
            var shard = ContiguousArray<Element>()
            shard.reserveCapacity(Self.size)
            shards.append(shard)
        }
        shards[count >> Self.bits].append(element)
        count += 1
    }
}
