// SPDX-License-Identifier: Apache-2.0

/// How many lines of one sort may be written: what a peer can cause a thousand times a second must not fill the log or hide the rest of it.
///
/// A value of whoever writes the lines, on its loop.
struct LogQuota {
    /// Enough to see who it is; an incident of one second fills no screen.
    private static let perSecond = 10

    private var second = Int.min
    private var left = 0
    private(set) var keptBack = 0

    /// What to put behind the line: nothing, or how many were not written before it. Nil: this one isn't written either.
    mutating func take(second now: Int) -> String? {
        if now != second {
            second = now
            left = Self.perSecond
        }
        guard left > 0 else {
            keptBack += 1
            return nil
        }
        left -= 1
        defer { keptBack = 0 }
        return keptBack == 0 ? "" : " (\(keptBack) lines like this were not written)"
    }
}
