// SPDX-License-Identifier: Apache-2.0

/// What the streams of one loop may let their peers send ahead, beyond the window that each starts with. Without it a thousand stalled
/// applications could make us hold gigabytes.
package final class WindowBudget {
    private(set) var left: Int

    package init(bytes: Int) { left = bytes }

    /// True if so much more may be promised.
    func take(_ bytes: Int) -> Bool {
        guard bytes <= left else { return false }
        left -= bytes
        return true
    }

    func giveBack(_ bytes: Int) { left += bytes }
}
