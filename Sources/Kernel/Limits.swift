// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// What the system lets this process have.
package enum Limits {
    /// Raises the number of descriptors to the most that is allowed; returns what is allowed now.
    package static func raiseDescriptors() -> Int {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_cur)
    }

    /// How many processors this process may use.
    package static var processors: Int { max(1, Int(sysconf(CInt(_SC_NPROCESSORS_ONLN)))) }

    /// No core file: it would hold keys.
    package static func forbidCore() { _ = clinux_no_core() }

    /// Few malloc arenas and fixed thresholds: memory that a burst took goes back to the system. Call before other threads exist.
    /// - Parameter returned: bytes. A block that is larger is the system's to give and to take at once, which costs a fault for each of its pages; so
    ///   much may be free at the end of the heap before that goes back too.
    package static func configureAllocator(returned: Int = 128 << 10) { clinux_configure_allocator(CInt(clamping: returned)) }

    /// Gives free memory back now.
    package static func trimMemory() { clinux_trim_allocator() }

    package static var userID: UInt32 { getuid() }
    package static var processID: CInt { getpid() }
}
