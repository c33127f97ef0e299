// SPDX-License-Identifier: Apache-2.0

import Kernel
import Testing

struct ClockTests {
    @Test func `time goes on, and never further than it can be counted`() {
        let start = Instant.now()
        Thread.sleep(.milliseconds(2))
        #expect(Instant.now().since(start) >= .milliseconds(2))
        #expect(start.since(Instant.now() + .seconds(1)) == .zero)
        #expect(start + Interval(nanoseconds: .max) == Instant(nanoseconds: .max))
    }

    @Test(arguments: [
        (0, 0, "1970-01-01T00:00:00.000Z"), (951_782_399, 999_999_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400, 0, "2000-02-29T00:00:00.000Z"), (1_767_225_599, 1_000_000, "2025-12-31T23:59:59.001Z"),
        (4_107_542_400, 0, "2100-03-01T00:00:00.000Z"), (-1, 0, "1969-12-31T23:59:59.000Z"),
        (253_402_300_799, 0, "9999-12-31T23:59:59.000Z"),
    ])
    func `wall time is written by RFC 3339`(seconds: Int64, nanoseconds: Int64, text: String) {
        #expect(WallTime(seconds: seconds, nanoseconds: nanoseconds).description == text)
    }
}
