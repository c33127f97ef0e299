// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel

/// `warrend upgrade`: has systemd start the program that is installed now, while the one that runs serves until the new one does, and then finishes
/// its connections outside of the unit. docs/decisions/0016 says why so. Blocking.
enum UpgradeCommand {
    static let unit = "warrend.service"

    private static let patience = Interval.seconds(15)
    /// systemd answers within milliseconds, unless it is busy booting.
    private static let systemPatience = Interval.seconds(20)
    private static let poll = Interval.milliseconds(20)

    static func run(_ configuration: DaemonConfiguration?, unit: String) -> CInt {
        guard let configuration else { return ExitCode.configuration }
        guard Limits.userID == 0 else { return fail("needs to run as root", 77) }
        do throws(HandoverFailure) {
            let process = try detach(configuration, unit)
            StandardStream.output.write("process \(process) serves until the next one does\n")
            // Its own bounds end a start that hangs: the daemon's handover.timeout.
            let restart = try tool(
                "systemctl", ["restart", unit], within: bound(configuration))
            guard restart.end == .exited(0) else {
                return fail(
                    "\(unit) didn't start: \(restart.text). Process \(process) serves on; `journalctl -u \(unit)` says why", 1)
            }
            StandardStream.output.write("the new one serves; process \(process) finishes its connections\n")
            return 0
        } catch { return fail("\(error)", ExitCode.unavailable) }
    }

    private static func bound(_ configuration: DaemonConfiguration) -> Interval {
        Interval(nanoseconds: configuration.handover.timeout.nanoseconds + Interval.minutes(1).nanoseconds)
    }

    /// Takes the daemon that runs out of the unit; its number. A failure leaves it where it was.
    private static func detach(_ configuration: DaemonConfiguration, _ unit: String) throws(HandoverFailure) -> CInt {
        guard let channel = try HandoverChannel.dial(configuration, patience: patience) else {
            throw HandoverFailure("no warrend that can hand over runs with \(configuration.runDirectory)")
        }
        guard case .server(_, let process) = try channel.ask(.who).message else {
            throw HandoverFailure("no answer of a warrend")
        }
        guard try mainProcess(unit) == process else {
            let scope = scope(process)
            if isIn(scope, process) { return process }
            throw HandoverFailure(
                "process \(process) isn't the main process of \(unit). Start the new one beside it: `warrend --take-over`")
        }
        try move(process)
        guard case .detached = try channel.ask(.detach).message else { throw HandoverFailure("process \(process) stays") }
        try waitUntil("another process is the main process of \(unit)") { () throws(HandoverFailure) in
            try mainProcess(unit) != process
        }
        return process
    }

    private static func scope(_ process: CInt) -> String { "warrend-draining-\(process).scope" }

    /// Has systemd move the process into a scope: what is left in the unit's control group would end with the unit.
    private static func move(_ process: CInt) throws(HandoverFailure) {
        let scope = scope(process)
        let call = try tool(
            "busctl",
            [
                "call", "--quiet", "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                "StartTransientUnit", "ssa(sv)a(sa(sv))", scope, "fail", "4", "Description", "s",
                "Warren node proxy: connections of process \(process)", "PIDs", "au", "1", "\(process)", "CollectMode", "s",
                "inactive-or-failed", "TimeoutStopUSec", "t", "60000000", "0",
            ], within: systemPatience)
        guard call.end == .exited(0) else { throw HandoverFailure("systemd makes no \(scope): \(call.text)") }
        try waitUntil("process \(process) is in \(scope)") { isIn(scope, process) }
    }

    private static func isIn(_ scope: String, _ process: CInt) -> Bool {
        guard let bytes = try? File.read("/proc/\(process)/cgroup", limit: 64 * 1024) else { return false }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").contains { $0.hasSuffix("/\(scope)") }
    }

    private static func mainProcess(_ unit: String) throws(HandoverFailure) -> CInt? {
        let answer = try tool("systemctl", ["show", "--property=MainPID", "--value", unit], within: systemPatience)
        guard answer.end == .exited(0) else { throw HandoverFailure("systemctl: \(answer.text)") }
        return CInt(answer.text)
    }

    private static func waitUntil(_ what: String, _ isSo: () throws(HandoverFailure) -> Bool) throws(HandoverFailure) {
        let deadline = Instant.now() + systemPatience
        while !(try isSo()) {
            guard Instant.now() < deadline else { throw HandoverFailure("not within \(systemPatience.seconds) s: \(what)") }
            Thread.sleep(poll)
        }
    }

    /// Runs a program of systemd's; what it wrote, in one line.
    private static func tool(
        _ program: String, _ arguments: [String], within limit: Interval
    ) throws(HandoverFailure) -> (end: ProcessEnd, text: String) {
        let result: (end: ProcessEnd, text: String)?
        do throws(Errno) { result = try output(program, arguments, within: limit) } catch {
            throw HandoverFailure("\(program) can't be run: \(error)")
        }
        guard let result else {
            throw HandoverFailure("\(program) \(arguments.first ?? "") doesn't end within \(limit.seconds) s")
        }
        return result
    }

    /// Nil: it didn't end in time, and was killed.
    private static func output(
        _ program: String, _ arguments: [String], within limit: Interval
    ) throws(Errno) -> (end: ProcessEnd, text: String)? {
        let pipe = try BlockingPipe()
        let output = pipe.writeEnd.number
        var child = try ChildProcess(program, arguments, descriptors: [(output, 1), (output, 2)])
        guard let end = try child.wait(atMost: limit) else { return nil }
        try pipe.readEnd.setNonBlocking()
        // A few lines; the pipe holds more than they have.
        var buffer = [UInt8](repeating: 0, count: 4096)
        guard case .moved(let count) = try pipe.readEnd.read(into: &buffer) else { return (end, "") }
        return (end, String(decoding: buffer.prefix(count), as: UTF8.self).split(separator: "\n").joined(separator: "; "))
    }

    private static func fail(_ text: String, _ code: CInt) -> CInt {
        StandardStream.error.write("warrend: upgrade: \(text)\n")
        return code
    }
}
