// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// Where each series of the fixed families lies in a shard's array of cells. The same for every shard, so that shards add up cell
/// by cell.
struct MetricLayout: Sendable {
    static let standard = MetricLayout()

    /// The first cell of each family, by its raw value.
    let first: [Int]
    /// All cells together.
    let count: Int

    private init() {
        var first: [Int] = []
        var next = 0
        for family in MetricFamily.allCases {
            first.append(next)
            let series = family.labels.reduce(1) { $0 * $1.values.count }
            next += series * (family.kind == .histogram ? LatencyBuckets.cells : 1)
        }
        self.first = first
        count = next
    }
}

/// The buckets of every latency histogram: from a connect on one host to a lost SYN's second retransmission.
///
/// A histogram takes the buckets' cells, one more for what is above the last, and the sum in nanoseconds; each observation is in
/// one bucket only and added up when written.
enum LatencyBuckets {
    /// Upper bounds as they are written, in seconds, and in nanoseconds.
    static let bounds: [(text: String, nanoseconds: UInt64)] = [
        ("0.0001", 100_000), ("0.00025", 250_000), ("0.0005", 500_000), ("0.001", 1_000_000), ("0.0025", 2_500_000),
        ("0.005", 5_000_000), ("0.01", 10_000_000), ("0.025", 25_000_000), ("0.05", 50_000_000), ("0.1", 100_000_000),
        ("0.25", 250_000_000), ("0.5", 500_000_000), ("1.0", 1_000_000_000), ("2.5", 2_500_000_000), ("5.0", 5_000_000_000),
        ("10.0", 10_000_000_000),
    ]

    static var cells: Int { bounds.count + 2 }

    /// Which bucket a time falls into.
    static func index(_ time: Interval) -> Int {
        bounds.firstIndex { time.nanoseconds <= $0.nanoseconds } ?? bounds.count
    }
}
