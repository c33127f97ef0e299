// SPDX-License-Identifier: Apache-2.0

internal import Kernel
internal import Loop
internal import Telemetry

/// What a worker refuses or puts off, and how that is counted and said.
extension Worker {
    /// Seconds between two lines that say that a workload's connections wait.
    private static let pacedLineInterval = 10

    /// Counts a refusal, and says so unless it was said often enough in this second.
    func refuse(_ reason: RefusalReason, _ what: @autoclosure () -> String) {
        metrics.refused(reason)
        guard log.isOn(.warn), let more = refusalLines.take(second: second) else { return }
        log.warn("refused \(what())\(more)")
    }

    /// Whether such a connection of the workload may begin now. If not, it is counted and said, and the caller asks again after `Loop.paceRest`.
    func mayBegin(_ workload: WorkerWorkload, _ kind: Beginning) -> Bool {
        if loop.mayBegin(workload.tenant, kind) { return true }
        metrics.paced()
        if second >= workload.pacedLine + Self.pacedLineInterval {
            workload.pacedLine = second
            log.warn(
                "new connections of \(workload.shared.name) wait: others need this loop too (limits.busyPace: \(settings.pace))")
        }
        return false
    }

    /// The turn's time in seconds of the monotonic clock.
    var second: Int { Int(loop.now.nanoseconds / 1_000_000_000) }

    /// The limits are the daemon's, shared evenly between its workers.
    func limitReached(_ workload: WorkerWorkload) -> RefusalReason? {
        if connections.count >= settings.connections { return .daemonConnections }
        if workload.open >= settings.connectionsPerWorkload { return .workloadConnections }
        if descriptorsInUse + inboundTunnels >= settings.descriptors { return .descriptors }
        if workload.descriptors + workload.inboundTunnels.count >= settings.descriptorsPerWorkload { return .workloadDescriptors }
        return nil
    }
}
