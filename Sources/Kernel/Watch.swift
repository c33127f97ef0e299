// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// Tells that something in a directory changed (inotify). What changed is for the reader to look up: names in events are only a hint, and
/// events may be lost under load, so every reader looks at everything again.
package struct DirectoryWatch: ~Copyable {
    package let descriptor: Descriptor

    package init() throws(Errno) {
        descriptor = Descriptor(takingOwnership: try call { inotify_init1(CInt(IN_CLOEXEC) | CInt(IN_NONBLOCK)) })
    }

    /// Adds a directory: files closed after writing, renamed, made, removed in it, and the end of the directory itself.
    package borrowing func add(_ path: String) throws(Errno) {
        let number = descriptor.number
        let mask = UInt32(
            IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB)
        _ = try call { unsafe inotify_add_watch(number, path, mask) }
    }

    /// Takes all events that wait. True if there was one.
    package borrowing func drain() throws(Errno) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        var any = false
        while case .moved = try descriptor.read(into: &buffer) { any = true }
        return any
    }
}
