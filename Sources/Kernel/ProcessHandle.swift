// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// A process that isn't our child, held so that its number can't come to mean another. Any thread.
package struct ProcessHandle: ~Copyable, Sendable {
    fileprivate let descriptor: Descriptor

    /// `noSuchProcess` if it is gone. Whoever has the number from elsewhere makes sure afterwards that it still is the one that was meant.
    package init(_ id: CInt) throws(Errno) {
        descriptor = Descriptor(takingOwnership: try call { clinux_open_process(id) })
    }

    package enum Request: Sendable {
        /// Finish what runs, then end.
        case terminate
        case kill
    }

    /// A process that is gone by now is no error.
    package borrowing func ask(_ request: Request) throws(Errno) {
        let number = descriptor.number
        do throws(Errno) {
            _ = try call { clinux_signal_process(number, request == .kill ? SIGKILL : SIGTERM) }
        } catch {
            guard error == .noSuchProcess else { throw error }
        }
    }
}

extension ProcessHandle {
    /// Whether it has ended, reaped or not.
    package borrowing func hasEnded() -> Bool {
        var entry = pollfd(fd: descriptor.number, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&entry, 1, 0) == 1
    }
}
