// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// What a command has to do with the outside: where it prints, whom it asks, what time it is. One per run of the program, on its
/// one thread.
package final class Session {
    package let console: Console
    /// Sends a request to the admin API at a socket.
    let ask: (AdminRequest) -> Result<AdminAnswer, AdminFailure>
    let now: () -> WallTime
    /// Pauses between two pictures of `--watch`; false ends it.
    let pause: (Interval) -> Bool

    package init(
        console: Console, ask: @escaping (AdminRequest) -> Result<AdminAnswer, AdminFailure> = AdminClient.send,
        now: @escaping () -> WallTime = WallTime.now, pause: @escaping (Interval) -> Bool = Session.sleep
    ) {
        self.console = console
        self.ask = ask
        self.now = now
        self.pause = pause
    }

    package static func sleep(_ time: Interval) -> Bool {
        Thread.sleep(time)
        return true
    }

    /// Says that the command line is wrong.
    func usage(_ message: String, hint: String = "") -> ExitCode {
        console.complain("warren: \(message)\(hint.isEmpty ? "" : ". \(hint)")\n")
        return .usage
    }

    /// Says that something failed.
    func failed(_ message: String, remedy: String = "") -> ExitCode {
        // Names in it may be those of peers.
        console.complain("warren: \(printable(message))\n\(remedy.isEmpty ? "" : "  → \(printable(remedy))\n")")
        return .failed
    }

    /// Says that the daemon didn't answer as it should.
    func failed(_ failure: AdminFailure) -> ExitCode {
        _ = failed(failure.message, remedy: failure.remedy)
        return failure.isUnreachable ? .unreachable : .failed
    }
}
