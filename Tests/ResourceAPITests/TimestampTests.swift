// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ResourceAPI

/// Times as metadata tell them, and ages as kubectl shows them.
@Suite struct TimestampTests {
    private static let moments: [(Int64, String)] = [
        (0, "1970-01-01T00:00:00Z"), (951_782_400, "2000-02-29T00:00:00Z"), (1_764_208_800, "2025-11-27T02:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"), (4_102_444_799, "2099-12-31T23:59:59Z"), (1_709_251_199, "2024-02-29T23:59:59Z"),
    ]

    @Test(arguments: moments) func `a moment and its text are the same`(_ seconds: Int64, _ text: String) {
        #expect(Timestamp(seconds: seconds).description == text)
        #expect(Timestamp(text)?.seconds == seconds)
    }

    @Test func `fractions and offsets are understood, other texts aren't`() {
        #expect(Timestamp("2025-11-27T02:00:00.123456Z")?.seconds == 1_764_208_800)
        #expect(Timestamp("2025-11-27T03:00:00+01:00")?.seconds == 1_764_208_800)
        for text in [
            "", "2025-11-27", "2025-13-27T02:00:00Z", "2025-11-27T02:00:00", "2025-11-27T02:00:00.Z", "2025-11-27T02:00:00Zz",
            "äääääääääääääääääääää",
        ] {
            #expect(Timestamp(text) == nil)
        }
    }

    private static let ages: [(Int64, String)] = [
        (45, "45s"), (119, "119s"), (125, "2m5s"), (600, "10m"), (3 * 3600, "3h"), (5 * 3600 + 720, "5h12m"), (10 * 3600, "10h"),
        (50 * 3600, "2d2h"), (8 * 86400, "8d"), (800 * 86400, "2y70d"), (-1, "0s"), (-60, "<invalid>"),
    ]

    @Test(arguments: ages) func `ages read as kubectl's`(_ seconds: Int64, _ text: String) {
        #expect(Timestamp(seconds: 1000).age(at: Timestamp(seconds: 1000 + seconds)) == text)
    }
}
