// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// Whether a tunnel carries a stream that moves in bulk. What shares its TCP connection waits behind megabytes in the kernel's send buffer,
/// milliseconds at line rate, whichever way the bulk goes. A value inside the tunnel; a comparison per frame.
struct BulkWatch {
    /// Small frames don't count: many streams that each say little share a tunnel well.
    static let frame = 8 * 1024
    /// This much in large frames within a spell, of all streams together, is bulk: as much as takes a plain relay over to splice.
    static let amount = 512 * 1024
    static let spell = Interval.milliseconds(50)
    /// A tunnel counts as busy for so long after the last of it: a transfer may pause to look at its disk.
    static let memory = Interval.seconds(1)

    private var begun: Instant?
    private var moved = 0
    private var last: Instant?

    /// Notes what one frame carried. True if bulk begins with it.
    mutating func note(_ count: Int, at now: Instant) -> Bool {
        guard count >= Self.frame else { return false }
        if let begun, now.since(begun) < Self.spell {
            moved &+= count
        } else {
            begun = now
            moved = count
        }
        guard moved >= Self.amount else { return false }
        let isNew = !isBusy(at: now)
        last = now
        return isNew
    }

    func isBusy(at now: Instant) -> Bool { last.map { now.since($0) < Self.memory } ?? false }
}
