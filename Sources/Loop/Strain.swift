// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// Whether a loop has less of a processor than it needs to answer at once: it hardly sleeps, or waits for a processor when it wakes. A value
/// inside the loop, told of each turn.
struct Strain: ~Copyable {
    /// Over so long it is judged.
    static let window = Interval.milliseconds(16)
    /// More than this part of a window awake is too much: half.
    private static let awake: UInt64 = 2
    /// More than this part of a window spent waiting for a processor is too much: an eighth.
    private static let waiting: UInt64 = 8

    private var began: Instant
    private var slept: UInt64 = 0
    /// Nil before the first turn on the loop's own thread, and where the kernel doesn't count it: then sleep alone tells.
    private var processor: ProcessorWait?
    private var isOpened = false
    private var waited = Interval.zero

    init(now: Instant) { began = now }

    /// A turn begins, before which the loop slept since `start`; nil: it had no time to.
    /// - Returns: at the end of a window, whether the loop was strained in it; nil within one.
    mutating func turned(sleptSince start: Instant?, now: Instant) -> Bool? {
        if let start { slept &+= now.since(start).nanoseconds }
        let passed = now.since(began).nanoseconds
        guard passed >= Self.window.nanoseconds else { return nil }
        let isSleepless = slept < passed / Self.awake
        let delay = delay()
        (began, slept) = (now, 0)
        return isSleepless || delay.nanoseconds > passed / Self.waiting
    }

    /// How long the loop waited for a processor since this was last asked.
    private mutating func delay() -> Interval {
        if !isOpened {
            isOpened = true
            processor = try? ProcessorWait()
            waited = processor?.total() ?? .zero
            return .zero
        }
        guard let total = processor?.total() else { return .zero }
        defer { waited = total }
        return Interval(nanoseconds: total.nanoseconds &- min(waited, total).nanoseconds)
    }
}
