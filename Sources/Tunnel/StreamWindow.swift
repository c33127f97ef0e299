// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// How far a stream's peer may send ahead of the application. What is sent ahead waits before all others of the tunnel, in kernels' buffers at both
/// ends: so a window is as large as a stream needs to keep its pace, and no larger. A stream that empties its window faster than the way there and
/// back takes, or than processes are woken, gets twice as much; while others say something in the same tunnel, much less counts as fast, and a larger
/// window shrinks. A value inside the relay; a comparison per frame.
struct StreamWindow {
    /// Besides the way there and back: how much of a stream may wait somewhere. Eight milliseconds at 5 Gbit/s are 5 MB: alone a stream gets what it
    /// can use, since large batches cost less. A quarter of one is what others put up with.
    private static let slack = Interval.milliseconds(8)
    private static let sharedSlack = Interval.microseconds(250)
    /// What others said counts for so long.
    static let memory = Interval.seconds(1)

    /// What the window is beyond the one that each stream begins with.
    private(set) var grown = 0
    /// The most that it was beyond it: as much may be unread, also after it shrank, and as much was lent of the loop's budget.
    private(set) var lent = 0
    /// Bytes of the present window that came.
    private var taken = 0
    private var since: Instant

    init(at now: Instant) { since = now }

    /// Notes what came.
    /// - Parameters:
    ///   - way: the way there and back at its shortest, asked for once a window.
    ///   - isShared: others said something lately.
    /// - Returns: by how much the window is to grow (or, below zero, shrink), when that many bytes have come since it last did; zero if it may stay.
    mutating func note(
        _ count: Int, at now: Instant, initial: Int, largest: Int, way: () -> Interval, isShared: () -> Bool
    ) -> Int {
        taken += count
        let size = initial + grown
        guard taken >= size else { return 0 }
        let took = max(now.since(since), .microseconds(1))
        let bytes = taken
        taken = 0
        since = now
        let isShared = isShared()
        let horizon = 2 * way().seconds + (isShared ? Self.sharedSlack : Self.slack).seconds
        // What comes within that time at the present pace.
        let needed = Double(bytes) * horizon / took.seconds
        if needed > Double(size) { return max(0, min(size, largest - size)) }
        guard isShared, grown > 0, needed < Double(size / 2) else { return 0 }
        return -min(grown, size / 2)
    }

    /// It has grown by so much; below zero: shrunk.
    mutating func grow(_ bytes: Int) {
        grown += bytes
        lent = max(lent, grown)
    }

    /// Ends it; what was lent.
    mutating func giveBack() -> Int {
        defer { (grown, lent) = (0, 0) }
        return lent
    }
}
