// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// The signals a daemon acts on.
package enum Signal: Sendable, CaseIterable {
    /// Read the configuration again.
    case reload
    /// Finish what runs, then end.
    case terminate
    case interrupt

    var number: CInt {
        switch self {
        case .reload: SIGHUP
        case .terminate: SIGTERM
        case .interrupt: SIGINT
        }
    }
}

/// Signals as something to read, so that they arrive on a loop like everything else.
package struct SignalDescriptor: ~Copyable {
    package let descriptor: Descriptor

    /// Blocks the signals for this thread and every thread made after: call it first in `main`. SIGPIPE is ignored: a peer that is
    /// gone is told by the call that finds out.
    package init() throws(Errno) {
        var set = sigset_t()
        _ = unsafe sigemptyset(&set)
        for signal in Signal.allCases { _ = unsafe sigaddset(&set, signal.number) }
        _ = unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        _ = Glibc.signal(SIGPIPE, SIG_IGN)
        descriptor = Descriptor(
            takingOwnership: try call { unsafe signalfd(-1, &set, CInt(SFD_CLOEXEC) | CInt(SFD_NONBLOCK)) })
    }

    /// The next signal that waits; nil if none.
    package borrowing func next() throws(Errno) -> Signal? {
        var information = signalfd_siginfo()
        let transfer = try unsafe withUnsafeMutableBytes(of: &information) { bytes throws(Errno) in
            try unsafe descriptor.read(into: bytes)
        }
        guard case .moved = transfer else { return nil }
        return Signal.allCases.first { UInt32($0.number) == information.ssi_signo }
    }
}

/// Ignores SIGPIPE in programs without a loop.
package func ignoreBrokenPipes() { _ = Glibc.signal(SIGPIPE, SIG_IGN) }
