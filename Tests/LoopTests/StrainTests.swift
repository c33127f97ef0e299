// SPDX-License-Identifier: Apache-2.0

import Kernel
import Testing

@testable import Loop

@Suite struct StrainTests {
    private static let tooSoon = Interval.milliseconds(10)

    private func expect(_ wanted: Bool?, _ judgement: Bool?, at place: SourceLocation = #_sourceLocation) {
        #expect(judgement == wanted, sourceLocation: place)
    }

    private static func after(_ milliseconds: UInt64, from start: Instant) -> Instant {
        start + .milliseconds(milliseconds)
    }

    @Test func `a loop that hardly sleeps is strained, one that sleeps isn't`() {
        let start = Instant.now()
        var strain = Strain(now: start)
        expect(nil, strain.turned(sleptSince: nil, now: start + Self.tooSoon))
        expect(true, strain.turned(sleptSince: Self.after(12, from: start), now: Self.after(16, from: start)))
        expect(nil, strain.turned(sleptSince: Self.after(16, from: start), now: Self.after(27, from: start)))
        expect(false, strain.turned(sleptSince: nil, now: Self.after(32, from: start)))
        expect(true, strain.turned(sleptSince: nil, now: Self.after(48, from: start)))
    }

    @Test func `a loop without work isn't strained`() throws {
        let start = Instant.now()
        var strain = Strain(now: start)
        for window: UInt64 in 1...5 {
            let (from, to) = (Self.after(1000 * (window - 1), from: start), Self.after(1000 * window, from: start))
            expect(false, strain.turned(sleptSince: from, now: to))
        }
    }
}
