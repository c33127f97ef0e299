// SPDX-License-Identifier: Apache-2.0

import Store
import Testing

@testable import ControlPlane

/// The newest changes, and where a watch goes on.
@Suite struct ChangeRingTests {
    private func change(_ revision: UInt64, bytes: Int = 1) -> StoreChange {
        StoreChange(key: StoreKey("services", "a"), revision: revision, value: [UInt8](repeating: 0, count: bytes), previous: nil)
    }

    private func revisions(_ ring: ChangeRing, after revision: UInt64) -> [UInt64]? {
        guard let number = ring.number(after: revision) else { return nil }
        return (number..<ring.end).compactMap { ring[$0]?.revision }
    }

    @Test func `a watch goes on behind its revision, whole transactions at a time`() {
        var ring = ChangeRing()
        ring.load(history: [change(3), change(4), change(4)], revision: 4)
        ring.append(change(5))
        #expect(revisions(ring, after: 2) == [3, 4, 4, 5])
        #expect(revisions(ring, after: 3) == [4, 4, 5])
        #expect(revisions(ring, after: 4) == [5])
        #expect(revisions(ring, after: 5) == [])
        #expect(revisions(ring, after: 1) == nil)
    }

    @Test func `without history only what comes is known`() {
        var ring = ChangeRing()
        ring.load(history: [], revision: 7)
        #expect(revisions(ring, after: 6) == nil)
        #expect(revisions(ring, after: 7) == [])
    }

    @Test func `numbers from before everything was read again lead nowhere`() {
        var ring = ChangeRing()
        ring.load(history: [], revision: 1)
        ring.append(change(2))
        let place = ring.end
        ring.load(history: [], revision: 9)
        #expect(place < ring.start)
        ring.append(change(10))
        #expect(ring[place] == nil)
        #expect(revisions(ring, after: 9) == [10])
    }

    @Test func `it is bounded in number, and what was dropped is said to be gone`() {
        var ring = ChangeRing()
        ring.load(history: [], revision: 0)
        for revision in 1...50_000 as ClosedRange<UInt64> { ring.append(change(revision)) }
        #expect(ring.end - ring.start == 20_000)
        #expect(revisions(ring, after: 29_999) == nil)
        #expect(revisions(ring, after: 30_000)?.count == 20_000)
        #expect(revisions(ring, after: 49_999) == [50_000])
    }

    @Test func `it is bounded in bytes, but the newest is always there`() {
        var ring = ChangeRing()
        ring.load(history: [], revision: 0)
        for revision in 1...100 as ClosedRange<UInt64> { ring.append(change(revision, bytes: 1 << 20)) }
        #expect((40...48).contains(ring.end - ring.start))
        ring.append(change(101, bytes: 60 << 20))
        #expect(revisions(ring, after: 100) == [101])
    }
}
