// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// An eventfd: wakes a loop from another thread. Any thread may `signal`; the loop that watches it calls `clear`.
package struct EventCounter: ~Copyable, Sendable {
    package let descriptor: Descriptor

    package init() throws(Errno) {
        descriptor = Descriptor(takingOwnership: try call { eventfd(0, CInt(EFD_CLOEXEC) | CInt(EFD_NONBLOCK)) })
    }

    /// Makes the descriptor readable. A counter that is full is readable already, so would-block is success.
    package borrowing func signal() {
        var one: UInt64 = 1
        let number = descriptor.number
        let result = unsafe Glibc.write(number, &one, 8)
        if result == -1 { Errno.current.trapIfOurs() }
    }

    package borrowing func clear() {
        var count: UInt64 = 0
        let number = descriptor.number
        let result = unsafe Glibc.read(number, &count, 8)
        if result == -1 { Errno.current.trapIfOurs() }
    }
}
