// SPDX-License-Identifier: Apache-2.0

internal import CLinux

/// What a fault of a program of ours leaves on standard error: program, version, signal, thread, build-id, and the stack as offsets that
/// `deploy/symbolize.sh` turns into functions. Then the signal ends the process as it would have. No core and no memory: both hold keys.
package enum CrashReport {
    /// From now on a fault is reported. First thing in `main`, on the first thread; threads made by `Thread` take part by themselves.
    /// It replaces what the Swift runtime does on a fault, whatever SWIFT_BACKTRACE says.
    package static func install(program: String, version: String) {
        // The first thread lasts as long as the process, and so does its stack.
        _ = unsafe clinux_make_alternate_stack()
        guard unsafe clinux_install_crash_report(program, version) == 0 else { bug("no handler for faults can be set") }
    }
}

/// Where the calling thread handles signals: a stack that has overflowed can't carry its own report. Owned by the thread's start,
/// which drops it at the end. Without memory for it the thread does without.
@safe struct AlternateStack: ~Copyable {
    private let memory: UnsafeMutableRawPointer?

    init() { unsafe memory = clinux_make_alternate_stack() }

    deinit {
        if let memory = unsafe memory { unsafe clinux_drop_alternate_stack(memory) }
    }
}
