// SPDX-License-Identifier: Apache-2.0

internal import Discovery
internal import Kernel
internal import Loop

/// Says beside this replica's name how far its hosts are, for whoever adds up what all say. A report is about all objects at once, and is written
/// when it says something else than the last: while nothing is changed in the mesh and nobody comes or goes, that is never. A large one, which hosts
/// that refuse much make so, is written less often: what hosts do mustn't fill the store. On the loop of the API.
final class HostsReporter: TimerTarget {
    /// Between two reports, at least.
    private static let interval = Interval.milliseconds(250)
    /// While nobody is there to read them.
    private static let idle = Interval.seconds(2)

    private let replicas: Replicas
    private let state: ControlState
    private let publishing: Publishing
    private let loop: Loop
    /// The newest revision that somebody here waits for.
    private let wanted: () -> UInt64
    private var said: ReplicaReport?
    private var isResting = false
    /// For the sake of the store.
    private var notBefore = Instant(nanoseconds: 0)
    /// Bytes of reports that one second may cost; what is small is told as often as anything changes.
    private static let rate: UInt64 = 8 << 10

    init(
        _ replicas: Replicas, state: ControlState, publishing: Publishing, loop: Loop, wanted: @escaping () -> UInt64
    ) {
        self.replicas = replicas
        self.state = state
        self.publishing = publishing
        self.loop = loop
        self.wanted = wanted
        if replicas.isShared { arm() }
    }

    /// From here on the last report stands until our name ends: hosts that we send away are on their way to others, and are waited for.
    func rest() { isResting = true }

    private func arm() { _ = loop.arm(replicas.count > 1 ? Self.interval : Self.idle, self, tag: 0) }

    func timerFired(_ tag: UInt32) {
        guard !isResting else { return }
        arm()
        guard publishing.isLoaded else { return }
        // Alone, what was said at first is enough: that we are here, and nothing of what comes later.
        let now = Instant.now()
        guard replicas.count > 1 || said == nil, now >= notBefore else { return }
        // Never as of what hasn't come here, whatever others ask for: it would pass for news when it is old.
        let asOf = max(wanted(), min(replicas.reading?.asOf ?? 0, state.revision))
        let report = ReplicaReport(asOf: asOf, hosts: publishing.survey().summary(upTo: asOf))
        guard report != said else { return }
        said = report
        let text = report.text
        notBefore = now + Interval(nanoseconds: UInt64(text.count) * 1_000_000_000 / Self.rate)
        replicas.say(text)
    }
}
