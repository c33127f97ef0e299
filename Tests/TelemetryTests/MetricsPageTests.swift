// SPDX-License-Identifier: Apache-2.0

import Kernel
import Testing

@testable import Telemetry

/// docs/metrics.md held against the tables of metrics: each is told there as it is, and nothing is told that isn't there.
@Suite struct MetricsPageTests {
    private let page: String

    init() throws {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        page = String(decoding: try File.read("/\(root)/docs/metrics.md", limit: 1 << 20), as: UTF8.self)
    }

    private func row(_ name: String, _ kind: MetricKind, _ labels: [String], _ help: String) -> String {
        let told = kind == .counter ? name + "_total" : name
        return "| `\(told)` | \(kind.rawValue) | \(labels.isEmpty ? "–" : labels.joined(separator: " · ")) | \(help) |"
    }

    @Test(arguments: MetricFamily.allCases) func `a metric of the loops is on the page`(family: MetricFamily) {
        let labels = family.labels.map { "`\($0.name)`: \($0.values.joined(separator: ", "))" }
        let row = row(family.name, family.kind, labels, family.help)
        #expect(page.contains(row), "docs/metrics.md needs the line\n\(row)")
    }

    @Test(arguments: ControlFamily.allCases) func `a metric of the daemon is on the page`(family: ControlFamily) {
        let row = row(family.name, family.kind, family.labels.map { "`\($0)`" }, family.help)
        #expect(page.contains(row), "docs/metrics.md needs the line\n\(row)")
    }

    /// Every name that an exposition can have, with the samples' suffixes.
    private var names: Set<String> {
        let registry = MetricRegistry()
        registry.absorb(MetricShard(number: 0).snapshot(now: moment(1)), now: moment(1))
        var names: Set<String> = []
        for line in lines(registry, "# TYPE ") {
            let words = line.split(separator: " ").map(String.init)
            names.insert(words[3] == "counter" ? words[2] + "_total" : words[2])
        }
        return names
    }

    @Test func `the page has every metric that is told, and no other`() {
        let prefixes = ["istio_", "warren_", "workload_manager_", "process_"]
        let told = page.matches(of: /[a-z]+_[a-z_]+/).map { String($0.output) }.filter { word in
            prefixes.contains { word.hasPrefix($0) }
        }
        #expect(names.subtracting(told) == [], "docs/metrics.md lacks them")
        #expect(Set(told).subtracting(names) == [], "docs/metrics.md tells of what isn't there")
    }

    @Test func `the page has every label of traffic and every response flag`() {
        let registry = MetricRegistry()
        let shard = MetricShard(number: 0)
        shard.close(shard.open(labels()), .none, now: moment(1))
        registry.absorb(shard.snapshot(now: moment(1)), now: moment(1))
        for line in lines(registry, "istio_tcp_connections_closed_total") {
            for label in line.matches(of: /([a-z_]+)="/).map({ String($0.output.1) }) {
                #expect(page.contains("`\(label)`"), "docs/metrics.md lacks the label \(label)")
            }
        }
        for flag in ResponseFlag.allCases { #expect(page.contains("`\(flag.word)`"), "docs/metrics.md lacks \(flag.word)") }
    }
}
