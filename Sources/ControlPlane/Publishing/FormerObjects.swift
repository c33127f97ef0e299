// SPDX-License-Identifier: Apache-2.0

internal import Kernel
internal import Store

/// The objects with a condition that stand, one after the other in the order of their keys, while they change: it holds a place among them and
/// nothing else.
struct FormerObjects {
    /// Not looked at before.
    let begins: Instant
    /// When it was made, as a revision.
    let asOf: UInt64
    private var resources = PublishedKind.resources.filter { PublishedKind.hasCondition($0) }[...]
    private var last: StoreKey?

    init(since: Instant, settling: Interval, asOf: UInt64) {
        begins = since + settling
        self.asOf = asOf
    }

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
