// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// Names the series of one connection: a place in its shard's table, good until the connection's `close`.
package struct TrafficSeries: Hashable, Sendable {
    let slot: Int32
}

/// What a traffic series counts.
struct TrafficTotals: Sendable {
    var opened: UInt64 = 0
    var received: UInt64 = 0
    var sent: UInt64 = 0
    /// By response flag. What closed with a flag has failed.
    var closed = [UInt64](repeating: 0, count: ResponseFlag.allCases.count)

    mutating func merge(_ other: TrafficTotals) {
        opened &+= other.opened
        received &+= other.received
        sent &+= other.sent
        for index in closed.indices { closed[index] &+= other.closed[index] }
    }
}

/// A series with its numbers, as a snapshot carries it.
struct TrafficSample: Sendable {
    let labels: TrafficLabels
    let totals: TrafficTotals
}

/// The traffic series of one shard: bounded, found by labels once per connection, then by place.
struct TrafficTable {
    private struct Entry {
        let labels: TrafficLabels
        var totals = TrafficTotals()
        var connections = 0
        var idleSince = Instant(nanoseconds: 0)
    }

    /// What is changed for every chunk of data, apart from the rest so that a change is two additions.
    private struct Moved {
        var received: UInt64 = 0
        var sent: UInt64 = 0

        @inline(__always)
        mutating func add(_ received: Int, _ sent: Int) {
            self.received &+= UInt64(clamping: received)
            self.sent &+= UInt64(clamping: sent)
        }
    }

    private let maximumSeries: Int
    private var entries: ContiguousArray<Entry?> = []
    /// By the same places as `entries`.
    private var moved: ContiguousArray<Moved> = []
    private var places: [TrafficLabels: Int32] = [:]
    private var free: [Int32] = []
    /// Open connections by reporter.
    private(set) var openCounts = [Int64](repeating: 0, count: Reporter.allCases.count)

    init(maximumSeries: Int) { self.maximumSeries = maximumSeries }

    var count: Int { places.count }

    mutating func open(_ labels: TrafficLabels) -> (series: TrafficSeries, overflowed: Bool) {
        openCounts[labels.reporter.rawValue] += 1
        let overflows = places[labels] == nil && places.count >= maximumSeries
        // Two more than the bound at most: one for each reporter.
        let slot = place(overflows ? .overflow(labels.reporter) : labels)
        entries[Int(slot)]?.totals.opened &+= 1
        entries[Int(slot)]?.connections += 1
        return (TrafficSeries(slot: slot), overflows)
    }

    @inline(__always)
    mutating func add(received: Int, sent: Int, to series: TrafficSeries) {
        moved[Int(series.slot)].add(received, sent)
    }

    mutating func close(_ series: TrafficSeries, _ flag: ResponseFlag, now: Instant) {
        let slot = Int(series.slot)
        invariant(entries[slot]?.connections ?? 0 > 0, "a connection was closed twice in its series")
        guard let reporter = entries[slot]?.labels.reporter else { return }
        openCounts[reporter.rawValue] -= 1
        entries[slot]?.totals.closed[flag.rawValue] &+= 1
        entries[slot]?.connections -= 1
        entries[slot]?.idleSince = now
    }

    /// Every series as it stands.
    var samples: [TrafficSample] { entries.indices.compactMap(sample) }

    /// Takes out the series that had no connection for longer than `idle`.
    mutating func retire(idleSince now: Instant, longerThan idle: Interval) -> [TrafficSample] {
        var retired: [TrafficSample] = []
        for slot in entries.indices {
            guard let entry = entries[slot], entry.connections == 0, now.since(entry.idleSince) > idle else { continue }
            retired += sample(slot).map { [$0] } ?? []
            entries[slot] = nil
            moved[slot] = Moved()
            places[entry.labels] = nil
            free.append(Int32(slot))
        }
        return retired
    }

    private func sample(_ slot: Int) -> TrafficSample? {
        guard let entry = entries[slot] else { return nil }
        var totals = entry.totals
        totals.received = moved[slot].received
        totals.sent = moved[slot].sent
        return TrafficSample(labels: entry.labels, totals: totals)
    }

    private mutating func place(_ labels: TrafficLabels) -> Int32 {
        if let slot = places[labels] { return slot }
        let slot: Int32
        if let used = free.popLast() {
            slot = used
            entries[Int(slot)] = Entry(labels: labels)
        } else {
            slot = Int32(entries.count)
            entries.append(Entry(labels: labels))
            moved.append(Moved())
        }
        places[labels] = slot
        return slot
    }
}
