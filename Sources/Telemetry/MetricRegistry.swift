// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// Adds the shards' numbers up and writes them as text. Owned by the loop that serves the scrape; not for several threads.
///
/// A series that one shard let expire while another still tells it must not shrink, for a reader takes a smaller number for a
/// restart: so the last numbers of expired series stay here until no shard has told the series for as long again.
package final class MetricRegistry {
    private struct Retired {
        var totals: TrafficTotals
        var lastSeen: Instant

        mutating func absorb(_ sample: TrafficSample, _ now: Instant) {
            totals.merge(sample.totals)
            lastSeen = now
        }
    }

    private let options: MetricOptions
    private var latest: [Int: MetricSnapshot] = [:]
    private var retired: [TrafficLabels: Retired] = [:]
    private var control: [ControlFamily: [[String]: Double]] = [:]

    package init(options: MetricOptions = MetricOptions()) { self.options = options }

    /// Takes a shard's newest snapshot. Each exactly once, in the order in which the shard made them.
    package func absorb(_ snapshot: MetricSnapshot, now: Instant) {
        latest[snapshot.shard] = snapshot
        for sample in snapshot.retired {
            retired[sample.labels, default: Retired(totals: .init(), lastSeen: now)].absorb(sample, now)
        }
        for sample in snapshot.traffic { retired[sample.labels]?.lastSeen = now }
        expire(now: now)
    }

    /// Sets a number that isn't a loop's: the certificates' expiry, how many workloads are captured. Replaces what stood there.
    /// - Parameter labels: the values of the family's labels, in their order.
    package func set(_ family: ControlFamily, _ labels: [String] = [], to value: Double) {
        control[family, default: [:]][labels] = value
    }

    /// Forgets all series of a family, before they are set anew: what is gone must not be told any longer.
    package func clear(_ family: ControlFamily) { control[family] = nil }

    /// Adds to a counter that isn't a loop's.
    package func add(_ amount: Double = 1, to family: ControlFamily, _ labels: [String] = []) {
        control[family, default: [:]][labels, default: 0] += amount
    }

    /// Everything as OpenMetrics text. Memory is in proportion to the number of series, which the shards bound.
    package func exposition() -> [UInt8] {
        var writer = ExpositionWriter()
        for family in ControlFamily.allCases { writer.write(family, control[family] ?? [:]) }
        writer.writeTraffic(mergedTraffic(), sockets: sum(\.sockets, count: Reporter.allCases.count))
        writer.writeDecisions(mergedDecisions())
        let cells = sum(\.cells, count: MetricLayout.standard.count)
        for family in MetricFamily.allCases { writer.write(family, cells) }
        return writer.finish()
    }

    /// The media type of `exposition`.
    package static let contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    /// How many traffic series there are at most in an exposition.
    package var seriesCount: Int { mergedTraffic().count }

    private func mergedTraffic() -> [TrafficLabels: TrafficTotals] {
        var merged = retired.mapValues(\.totals)
        for snapshot in latest.values {
            for sample in snapshot.traffic { merged[sample.labels, default: TrafficTotals()].merge(sample.totals) }
        }
        return merged
    }

    private func mergedDecisions() -> [PolicyCount: UInt64] {
        latest.values.reduce(into: [:]) { merged, snapshot in merged.merge(snapshot.decisions) { $0 &+ $1 } }
    }

    private func sum(_ numbers: KeyPath<MetricSnapshot, [Int64]>, count: Int) -> [Int64] {
        var total = [Int64](repeating: 0, count: count)
        for snapshot in latest.values {
            for (index, number) in snapshot[keyPath: numbers].enumerated() { total[index] &+= number }
        }
        return total
    }

    /// Bounded like the shards together: beyond that the longest unseen go first.
    private func expire(now: Instant) {
        retired = retired.filter { now.since($0.value.lastSeen) <= options.idle }
        let excess = retired.count - options.maximumSeries * max(1, latest.count)
        guard excess > 0 else { return }
        for (labels, _) in retired.sorted(by: { $0.value.lastSeen < $1.value.lastSeen }).prefix(excess) { retired[labels] = nil }
    }
}
