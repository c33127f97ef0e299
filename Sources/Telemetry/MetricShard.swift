// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// One loop's metrics: plain numbers that its thread alone changes. No lock, no atomic, no text while traffic flows.
///
/// Owned by the loop; a scrape asks each loop by a message for `snapshot`, and a `MetricRegistry` elsewhere adds the answers up.
package final class MetricShard {
    /// Which shard this is, for the registry.
    package let number: Int
    let options: MetricOptions
    private let layout = MetricLayout.standard
    private var cells: [Int64]
    var traffic: TrafficTable
    private var decisions: [PolicyCount: UInt64] = [:]

    package init(number: Int, options: MetricOptions = MetricOptions()) {
        self.number = number
        self.options = options
        cells = Array(repeating: 0, count: layout.count)
        traffic = TrafficTable(maximumSeries: options.maximumSeries)
    }

    // MARK: - Tunnels

    /// A handshake ended. The time counts only if it succeeded: failures last as long as the peer likes.
    package func handshake(_ side: TunnelSide, _ result: HandshakeResult, took time: Interval) {
        add(1, .handshakes, side.rawValue * HandshakeResult.allCases.count + result.rawValue)
        if result == .ok { observe(time, .handshakeSeconds, side.rawValue) }
    }

    package func tunnelOpened(_ side: TunnelSide) {
        add(1, .tunnels, side.rawValue)
        add(1, .tunnelsOpened, side.rawValue)
    }

    package func tunnelClosed(_ side: TunnelSide, _ end: TunnelEnd) {
        add(-1, .tunnels, side.rawValue)
        add(1, .tunnelsClosed, side.rawValue * TunnelEnd.allCases.count + end.rawValue)
    }

    package func streamOpened(_ side: TunnelSide) { add(1, .streams, side.rawValue) }
    package func streamClosed(_ side: TunnelSide) { add(-1, .streams, side.rawValue) }
    package func streamRetried() { add(1, .streamRetries) }

    /// A CONNECT was answered, by us as server or to us as client. The time counts for a client's 200.
    package func answered(_ side: TunnelSide, _ answer: ConnectAnswer, took time: Interval) {
        add(1, .connectAnswers, side.rawValue * ConnectAnswer.allCases.count + answer.rawValue)
        if answer == .ok && side == .client { observe(time, .hboneConnectSeconds) }
    }

    // MARK: - Connections

    /// A TCP connect succeeded.
    package func connected(_ target: ConnectTarget, took time: Interval) { observe(time, .connectSeconds, target.rawValue) }
    /// It is known how a connection's bytes will go.
    package func began(_ path: TrafficPath) { add(1, .connections, path.rawValue) }
    package func refused(_ reason: RefusalReason) { add(1, .refused, reason.rawValue) }
    package func endpointRetried() { add(1, .endpointRetries) }
    package func wasReset() { add(1, .resets) }
    package func spliced(_ bytes: Int) { add(Int64(clamping: bytes), .splicedBytes) }
    package func acceptPaused() { add(1, .acceptPauses) }
    package func paced() { add(1, .paces) }
    package func captureRestored() { add(1, .captureRestores) }

    /// A decision, and the policy that made it (`namespace/name`; nil for the default). Policies beyond 1,000 are counted as
    /// `unknown`.
    package func decided(_ decision: PolicyDecision, policy: String?) {
        let count = PolicyCount(decision: decision, policy: policy ?? "none")
        if decisions[count] == nil && decisions.count >= options.maximumPolicies {
            decisions[PolicyCount(decision: decision, policy: unknownLabel), default: 0] &+= 1
        } else {
            decisions[count, default: 0] &+= 1
        }
    }

    // MARK: - Traffic

    /// Counts a connection as opened and finds, once for its whole life, the series that its bytes go to. Every `open` needs one
    /// `close`.
    package func open(_ labels: TrafficLabels) -> TrafficSeries {
        let (series, overflowed) = traffic.open(labels)
        if overflowed { add(1, .overflowed) }
        return series
    }

    /// Bytes that went by: *received* is what the client sent, *sent* what the server sent, at both reporters, as Istio counts.
    @inline(__always)
    package func add(received: Int, sent: Int, to series: TrafficSeries) {
        traffic.add(received: received, sent: sent, to: series)
    }

    /// Counts the connection as closed. The series is gone when it was long idle without an open one.
    package func close(_ series: TrafficSeries, _ flag: ResponseFlag, now: Instant) { traffic.close(series, flag, now: now) }

    // MARK: - Scrape

    /// All numbers as they are now, to be sent to the registry, which must get each snapshot exactly once: what has expired is
    /// told in it and then forgotten. Take one at least each minute, asked or not, so that series expire.
    package func snapshot(now: Instant) -> MetricSnapshot {
        let retired = traffic.retire(idleSince: now, longerThan: options.idle)
        return MetricSnapshot(
            shard: number, cells: cells, traffic: traffic.samples, retired: retired, decisions: decisions,
            sockets: traffic.openCounts)
    }

    private func add(_ amount: Int64, _ family: MetricFamily, _ index: Int = 0) {
        cells[layout.first[family.rawValue] + index] &+= amount
    }

    private func observe(_ time: Interval, _ family: MetricFamily, _ index: Int = 0) {
        let base = layout.first[family.rawValue] + index * LatencyBuckets.cells
        cells[base + LatencyBuckets.index(time)] &+= 1
        cells[base + LatencyBuckets.cells - 1] &+= Int64(clamping: time.nanoseconds)
    }
}

/// Bounds of a shard.
package struct MetricOptions: Sendable {
    /// Traffic series per shard. 2,000 pairs of workloads and services that talk at the same time are a large host; a series
    /// costs about 400 bytes here and 4 kB of text in each scrape.
    package var maximumSeries: Int
    package var maximumPolicies: Int
    /// How long a series without an open connection is still told: longer than any scrape interval, so that its last bytes are
    /// seen.
    package var idle: Interval

    package init(maximumSeries: Int = 2000, maximumPolicies: Int = 1000, idle: Interval = .seconds(15 * 60)) {
        self.maximumSeries = maximumSeries
        self.maximumPolicies = maximumPolicies
        self.idle = idle
    }
}

/// What policy decisions are counted by.
struct PolicyCount: Hashable, Sendable {
    let decision: PolicyDecision
    let policy: String
}
