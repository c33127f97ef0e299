// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc
import Synchronization

/// A thread of ours. It runs its body to the end; whoever made it may wait for that, and once nobody can any more its stack goes with its end.
package final class Thread: Sendable {
    private let handle: pthread_t
    private let isJoined = Atomic<Bool>(false)

    /// - Parameters:
    ///   - name: shown by `ps -L` and `top -H`; 15 bytes count.
    ///   - niceness: 0 to 19, added to that of the thread that makes it: the more the sooner it makes way for the others (nice(2)).
    package init(name: String, niceness: CInt = 0, _ body: @escaping @Sendable () -> Void) throws(Errno) {
        let start = unsafe Unmanaged.passRetained(ThreadStart(name: name, niceness: niceness, body: body))
        var handle = pthread_t()
        let failure = unsafe pthread_create(
            &handle, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let start = unsafe Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
                _ = unsafe clinux_set_thread_name(start.name)
                // Of this thread alone on Linux. Beyond 19 is 19, and to be nicer is never forbidden.
                if start.niceness > 0 {
                    let which = CInt(PRIO_PROCESS.rawValue)
                    _ = setpriority(which, 0, getpriority(which, 0) + start.niceness)
                }
                let stack = AlternateStack()
                start.body()
                _ = consume stack
                return nil
            }, start.toOpaque())
        guard failure == 0 else {
            unsafe start.release()
            throw Errno(failure)
        }
        self.handle = handle
    }

    deinit {
        if !isJoined.load(ordering: .relaxed) { _ = pthread_detach(handle) }
    }

    /// Waits until the body has returned. Once only.
    package func join() {
        isJoined.store(true, ordering: .relaxed)
        _ = pthread_join(handle, nil)
    }

    /// The kernel's number of the calling thread.
    package static var currentID: CInt { clinux_thread_id() }

    /// Pauses the calling thread. Not on a loop.
    package static func sleep(_ time: Interval) {
        let end = Instant.now() + time
        var wanted = timespec(tv_sec: Int(end.nanoseconds / 1_000_000_000), tv_nsec: Int(end.nanoseconds % 1_000_000_000))
        while unsafe clock_nanosleep(CLOCK_MONOTONIC, CInt(TIMER_ABSTIME), &wanted, nil) == EINTR {}
    }
}

private final class ThreadStart: Sendable {
    let name: String
    let niceness: CInt
    let body: @Sendable () -> Void

    init(name: String, niceness: CInt, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.niceness = niceness
        self.body = body
    }
}
