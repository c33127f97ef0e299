// SPDX-License-Identifier: Apache-2.0

import Kernel
import Testing

@testable import Loop

/// Who begins connections as fast as they come is slowed down where others would have to wait for it, and nowhere else.
@Suite struct BeginningPaceTests {
    private let start = Instant(nanoseconds: 1_000_000_000_000)
    private let flood = Tenant(place: 1)
    private let quiet = Tenant(place: 2)

    /// Judges window after window, in each of which the flood asks as often as it may.
    private func begun(
        _ pace: inout BeginningPace, windows: Range<UInt64>, isStrained: Bool, beside others: Bool, most: Int = 1_000
    ) -> Int {
        var begun = 0
        for window in windows {
            let now = start + .milliseconds(16 * window)
            pace.judge(isStrained: isStrained, now: now)
            if others { pace.served(quiet, now: now) }
            pace.served(flood, now: now)
            for _ in 0..<most where pace.mayBegin(flood, .outgoing, now: now) {
                pace.began(flood, .outgoing, now: now)
                begun += 1
            }
        }
        return begun
    }

    @Test func `on a strained loop that others use a tenant comes down to what it always has`() {
        var pace = BeginningPace(perSecond: 1_000, now: start)
        let first = begun(&pace, windows: 0..<16, isStrained: true, beside: true)
        #expect(250...8_000 ~= first, "what was saved, at a spacing that widens: \(first)")
        // 16 ms each: 16 of them.
        let later = begun(&pace, windows: 16..<76, isStrained: true, beside: true)
        #expect(later == 60 * 16)
        let now = start + .milliseconds(16 * 75)
        #expect(!pace.mayBegin(flood, .outgoing, now: now))
        #expect(pace.mayBegin(quiet, .outgoing, now: now), "who begins little has its savings")
    }

    @Test func `who is alone on its loop isn't held up, nor by somebody who was there a while ago`() {
        var pace = BeginningPace(perSecond: 10, now: start)
        #expect(begun(&pace, windows: 0..<10, isStrained: true, beside: false) == 10_000)
        _ = begun(&pace, windows: 10..<14, isStrained: true, beside: true)
        #expect(!pace.mayBegin(flood, .outgoing, now: start + .milliseconds(16 * 13)))
        pace.served(flood, now: start + .milliseconds(16 * 80))
        #expect(pace.mayBegin(flood, .outgoing, now: start + .milliseconds(16 * 80)))
    }

    @Test func `a loop that has time again holds nobody up`() {
        var pace = BeginningPace(perSecond: 1_000, now: start)
        #expect(begun(&pace, windows: 0..<10, isStrained: false, beside: true) == 10_000)
        _ = begun(&pace, windows: 10..<100, isStrained: true, beside: true)
        _ = begun(&pace, windows: 100..<140, isStrained: false, beside: true)
        #expect(begun(&pace, windows: 140..<141, isStrained: false, beside: true) == 1_000)
    }

    @Test func `after a pause it is as if nothing had been`() {
        var pace = BeginningPace(perSecond: 1_000, now: start)
        _ = begun(&pace, windows: 0..<40, isStrained: true, beside: true)
        #expect(begun(&pace, windows: 200..<201, isStrained: false, beside: true) == 1_000)
    }

    @Test func `who floods one way doesn't stop the others`() {
        var pace = BeginningPace(perSecond: 1_000, now: start)
        _ = begun(&pace, windows: 0..<40, isStrained: true, beside: true)
        let now = start + .milliseconds(16 * 39)
        for kind in Beginning.allCases { #expect(pace.mayBegin(flood, kind, now: now) == (kind != .outgoing)) }
    }

    @Test func `who is turned away costs an eighth`() {
        var pace = BeginningPace(perSecond: 1_000, now: start)
        _ = begun(&pace, windows: 0..<40, isStrained: true, beside: true)
        let now = start + .milliseconds(16 * 39)
        var count = 0
        while pace.mayBegin(quiet, .tunnel, now: now), count < 10_000 {
            pace.began(quiet, .tunnel, parts: 1, now: now)
            count += 1
        }
        #expect(count == 250 * 8 - 7)
    }

    @Test func `the daemon's own work is never held up`() {
        var pace = BeginningPace(perSecond: 1, now: start)
        _ = begun(&pace, windows: 0..<40, isStrained: true, beside: true)
        for _ in 0..<1_000 { pace.began(.none, .request, now: start) }
        #expect(pace.mayBegin(.none, .request, now: start + .milliseconds(16 * 40)))
    }

    @Test(arguments: [1, 4, 1_000, 1_000_000, Int.max]) func `every pace lets something begin`(perSecond: Int) {
        var pace = BeginningPace(perSecond: perSecond, now: start)
        _ = begun(&pace, windows: 0..<40, isStrained: true, beside: true)
        #expect(begun(&pace, windows: 40..<140, isStrained: true, beside: true) > 0)
    }
}
