// SPDX-License-Identifier: Apache-2.0

/// What the streams of one loop may let their peers send ahead, beyond the window that each starts with. Without it a thousand stalled
/// applications could make us hold gigabytes.
package final class WindowBudget {
    private(set) var left: Int
    /// Bytes that were received and that applications haven't taken yet, and how many there may be.
    private(set) var held = 0
    private let heldLimit: Int
    /// Told of each connection that ends, or doesn't begin, because too much is held.
    package var onRefusal: () -> Void = {}

    /// - Parameters:
    ///   - bytes: what grown windows may promise.
    ///   - held: what may wait for applications. The first windows of many streams come to more than a host has.
    package init(bytes: Int, held: Int = .max) {
        left = bytes
        heldLimit = held
    }

    /// True if so many bytes more may wait. One holder has half of all at most, so that who never reads reaches his limit before others do.
    package func hold(_ bytes: Int, for holder: HeldBytes?) -> Bool {
        guard held + bytes <= heldLimit, (holder?.count ?? 0) + bytes <= heldLimit / 2 else {
            onRefusal()
            return false
        }
        held += bytes
        holder?.count += bytes
        return true
    }

    /// Bytes that were held are gone.
    package func release(_ bytes: Int, of holder: HeldBytes?) {
        held -= bytes
        holder?.count -= bytes
    }

    /// True if so much more may be promised.
    func take(_ bytes: Int) -> Bool {
        guard bytes <= left else { return false }
        left -= bytes
        return true
    }

    func giveBack(_ bytes: Int) { left += bytes }
}

/// What waits on one loop for the applications of one workload, or of what one peer sent. Shared by the tunnels of whoever is to be bounded.
package final class HeldBytes {
    package internal(set) var count = 0

    package init() {}
}
