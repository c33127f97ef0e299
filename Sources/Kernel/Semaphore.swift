// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// Lets a thread that may block wait for another: a count that `signal` raises and `wait` takes from. Any thread may do either.
@safe package final class Semaphore: Sendable {
    nonisolated(unsafe) private let handle: UnsafeMutablePointer<sem_t>

    package init() {
        unsafe handle = .allocate(capacity: 1)
        // Fails for counts beyond SEM_VALUE_MAX alone.
        _ = unsafe sem_init(handle, 0, 0)
    }

    deinit {
        _ = unsafe sem_destroy(handle)
        unsafe handle.deallocate()
    }

    package func signal() { _ = unsafe sem_post(handle) }

    /// Waits for a signal; false when its time is up. Not on a loop.
    package func wait(until end: Instant) -> Bool {
        var time = timespec(tv_sec: Int(clamping: end.nanoseconds / 1_000_000_000), tv_nsec: Int(end.nanoseconds % 1_000_000_000))
        while unsafe clinux_sem_wait_until(handle, &time) != 0 {
            if errno == ETIMEDOUT { return false }
        }
        return true
    }

    /// Waits for a signal, however long that takes.
    package func wait() { while unsafe sem_wait(handle) != 0 {} }
}
