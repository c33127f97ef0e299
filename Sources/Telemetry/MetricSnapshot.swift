// SPDX-License-Identifier: Apache-2.0

/// One shard's numbers at one moment: a value that goes from its loop to whoever scrapes.
package struct MetricSnapshot: Sendable {
    package let shard: Int
    let cells: [Int64]
    let traffic: [TrafficSample]
    /// Series that ended since the snapshot before: their last numbers.
    let retired: [TrafficSample]
    let decisions: [PolicyCount: UInt64]
    /// Open connections by reporter.
    let sockets: [Int64]
}
