// SPDX-License-Identifier: Apache-2.0

internal import Capture
internal import Daemon
internal import Kernel

/// `warrend guard`: keeps off the network whom the last `warrend` captured, until the next one captures them. The units run it before the network is
/// up, and when the daemon has ended.
enum GuardCommand {
    static func run(_ configuration: DaemonConfiguration?) -> CInt {
        guard let configuration else { return ExitCode.configuration }
        guard Limits.userID == 0 else { return fail("needs to run as root: it loads rules", 77) }
        guard let directory = GuardFile.directory else {
            return fail("needs STATE_DIRECTORY, which systemd sets: run it by warren-guard.service", ExitCode.usage)
        }
        guard !Cleanup.isRunning(configuration.runDirectory) else {
            StandardStream.output.write("a warrend is running, and guards by itself\n")
            return 0
        }
        let path = GuardFile.path(directory)
        guard (try? File.status(path)) != nil else {
            StandardStream.output.write("nobody was captured yet: nobody to guard\n")
            return 0
        }
        guard let rules = GuardFile.read(path) else {
            return fail("\(path) isn't what warrend wrote. Remove it", ExitCode.configuration)
        }
        do throws(CaptureFailure) {
            let reservation = try rules.load().map { "; what a bridge passes isn't guarded: \($0)" } ?? ""
            StandardStream.output.write(
                "\(rules.count) addresses have no connections until warrend captures them\(reservation)\n")
            return 0
        } catch {
            return fail("\(error). \(error.remedy)", 71)
        }
    }

    /// Takes the rules away and forgets.
    static func remove(_ configuration: DaemonConfiguration, _ report: inout CleanupReport) {
        do throws(CaptureFailure) {
            if try GuardRules.isLoaded() {
                _ = try GuardRules().load()
                report.removed.append("host: removed the table \(GuardRules.table)")
            }
        } catch { report.failures.append("host: \(error). \(error.remedy)") }
        // Called by hand there is no word from systemd; then it is where the units have it, if this is the daemon that they run.
        let isStandard = configuration.runDirectory == DaemonConfiguration(node: "").runDirectory
        guard let directory = GuardFile.directory ?? (isStandard ? "/var/lib/warren" : nil) else { return }
        let path = GuardFile.path(directory)
        do throws(Errno) {
            try File.remove(path)
            report.removed.append("host: forgot whom to guard (\(path))")
        } catch {
            if error != .noSuchFile { report.failures.append("host: \(path) can't be removed: \(error)") }
        }
    }

    private static func fail(_ text: String, _ code: CInt) -> CInt {
        StandardStream.error.write("warrend: guard: \(text)\n")
        return code
    }
}
