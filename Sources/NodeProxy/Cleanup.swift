// SPDX-License-Identifier: Apache-2.0

internal import Capture
internal import Daemon
internal import Kernel

/// `warrend cleanup`: takes away what capture left in this host's namespaces, without a daemon; after a crash, or before leaving the mesh.
enum Cleanup {
    static func run(_ configuration: DaemonConfiguration?) -> CInt {
        guard let configuration else { return ExitCode.configuration }
        guard Limits.userID == 0 else {
            StandardStream.error.write("warrend: cleanup needs to run as root: it enters network namespaces\n")
            return 77
        }
        guard !isRunning(configuration.runDirectory) else {
            StandardStream.error.write(
                "warrend: a warrend is running, and would put back what is removed: stop it first (`systemctl stop warrend`)\n")
            return 1
        }
        let draining = Generations(runDirectory: configuration.runDirectory).live()
        guard draining.isEmpty else {
            let processes = draining.map { "\($0.process)" }.joined(separator: ", ")
            StandardStream.error.write(
                "warrend: connections that are captured are still being finished: end process \(processes) first (`kill`)\n")
            return 1
        }
        let capture = Capture(stateDirectory: "\(configuration.runDirectory)/capture")
        var report = capture.cleanup()
        removeProbes(&report)
        GuardCommand.remove(configuration, &report)
        for line in report.removed { StandardStream.output.write("\(line)\n") }
        for line in report.failures { StandardStream.error.write("warrend: \(line)\n") }
        if report.removed.isEmpty && report.failures.isEmpty { StandardStream.output.write("nothing was left\n") }
        return report.failures.isEmpty ? 0 : 1
    }

    /// A daemon holds this lock as long as it lives.
    static func isRunning(_ directory: String) -> Bool {
        guard (try? File.status(directory)) != nil else { return false }
        do throws(Errno) {
            _ = try File.lock("\(directory)/warrend.lock")
            return false
        } catch {
            return error == .wouldBlock
        }
    }

    /// The rules for probes lie in the host's own namespace.
    private static func removeProbes(_ report: inout CleanupReport) {
        guard let host = try? NetworkNamespace.current() else { return }
        do throws(CaptureFailure) {
            let child = RulesChild()
            guard try !child.run(.list(table: ProbeRules.table), in: host).isEmpty else { return }
            _ = try child.run(.apply(ProbeRules.absentText), in: host)
            report.removed.append("host: removed the table \(ProbeRules.table)")
        } catch {
            report.failures.append("host: \(error). \(error.remedy)")
        }
    }
}
