// SPDX-License-Identifier: Apache-2.0

import Kernel
import Testing

@testable import Telemetry

@Suite struct ExpositionTests {
    private func sum(_ shard: MetricShard) -> MetricRegistry {
        let registry = MetricRegistry()
        registry.absorb(shard.snapshot(now: moment(1)), now: moment(1))
        return registry
    }

    @Test func `an exposition ends with the end mark, once`() {
        let text = String(decoding: MetricRegistry().exposition(), as: UTF8.self)
        #expect(text.hasSuffix("\n# EOF\n"))
        #expect(text.split(separator: "\n").count { $0 == "# EOF" } == 1)
    }

    /// The grammar of OpenMetrics as far as a reader trips over it: each family once with type before samples, sample names that
    /// fit the type, no line that is neither.
    @Test func `every sample belongs to the family above it`() throws {
        let shard = MetricShard(number: 0)
        shard.close(shard.open(labels("a\"b\\c\nd")), .deny, now: moment(1))
        shard.handshake(.server, .expired, took: .milliseconds(3))
        shard.decided(.denied, policy: "shop/deny-all")
        let registry = sum(shard)
        registry.set(.build, ["warrend", "0.0.0"], to: 1)
        registry.set(.certificateExpiry, ["spiffe://cluster.local/ns/shop/sa/web"], to: 1_900_000_000.5)
        var (family, kind): (String, String) = ("", "")
        var families: Set<String> = []
        for line in String(decoding: registry.exposition(), as: UTF8.self).split(separator: "\n").dropLast() {
            let words = line.split(separator: " ", maxSplits: 3).map(String.init)
            if line.hasPrefix("# HELP ") {
                family = words[2]
                #expect(families.insert(family).inserted, "\(family) comes twice")
            } else if line.hasPrefix("# TYPE ") {
                #expect(words[2] == family)
                kind = words[3]
            } else if line.hasPrefix("# UNIT ") {
                #expect(words[2] == family && family.hasSuffix("_" + words[3]), "\(line)")
            } else {
                let name = String(line.prefix { $0 != "{" && $0 != " " })
                let suffixes = ["counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]][kind] ?? []
                #expect(suffixes.contains { family + $0 == name }, "\(name) in \(family), a \(kind)")
                #expect(line.split(separator: " ").last.flatMap { Double($0) } != nil, "\(line)")
            }
        }
        #expect(families.count == 7 + ControlFamily.allCases.count + MetricFamily.allCases.count)
    }

    @Test(arguments: [
        ("plain", "plain"), ("a\"b", "a\\\"b"), ("a\\b", "a\\\\b"), ("a\nb", "a\\nb"), ("a\r\u{1b}[2Jb\u{7f}", "a  [2Jb "),
        ("\u{85}\u{2028}ü", "  ü"), ("\"} 1\nforged_total 99", "\\\"} 1\\nforged_total 99"),
    ])
    func `a hostile label value can't leave its quotes`(value: String, written: String) {
        #expect(ExpositionWriter.escaped(value) == written)
    }

    @Test func `a label value is bounded`() {
        let peer = PeerLabels(workload: String(repeating: "ü", count: 100_000))
        #expect(peer.workload.utf8.count <= 256 + 6)
    }

    @Test func `a histogram's buckets add up, its bounds belong below, its sum is exact`() {
        let shard = MetricShard(number: 0)
        for nanoseconds: UInt64 in [100_000, 100_001, 1_000_000, 10_000_000_000, 10_000_000_001] {
            shard.connected(.application, took: Interval(nanoseconds: nanoseconds))
        }
        let name = "warren_tcp_connect_seconds"
        let registry = sum(shard)
        #expect(value(registry, "\(name)_bucket", "application", "le=\"0.0001\"") == "1")
        #expect(value(registry, "\(name)_bucket", "application", "le=\"0.00025\"") == "2")
        #expect(value(registry, "\(name)_bucket", "application", "le=\"0.001\"") == "3")
        #expect(value(registry, "\(name)_bucket", "application", "le=\"10.0\"") == "4")
        #expect(value(registry, "\(name)_bucket", "application", "le=\"+Inf\"") == "5")
        #expect(value(registry, "\(name)_count", "application") == "5")
        #expect(value(registry, "\(name)_sum", "application") == "20.001200002")
        #expect(value(registry, "\(name)_count", "plain") == "0")
    }

    @Test func `every event has its own series`() {
        let shard = MetricShard(number: 0)
        for side in TunnelSide.allCases {
            for result in HandshakeResult.allCases { shard.handshake(side, result, took: .milliseconds(1)) }
            for end in TunnelEnd.allCases {
                shard.tunnelOpened(side)
                shard.tunnelClosed(side, end)
            }
            for answer in ConnectAnswer.allCases { shard.answered(side, answer, took: .milliseconds(1)) }
            shard.streamOpened(side)
        }
        for reason in RefusalReason.allCases { shard.refused(reason) }
        for path in TrafficPath.allCases { shard.began(path) }
        let registry = sum(shard)
        let words = [
            "warren_tls_handshakes_total", "warren_tunnels_closed_total", "warren_hbone_responses_total", "warren_refused_total",
        ]
        for name in words {
            let found = lines(registry, name)
            #expect(found.count >= 8 && found.allSatisfy { $0.hasSuffix(" 1") }, "\(found)")
        }
        #expect(lines(registry, "warren_tunnels{").allSatisfy { $0.hasSuffix(" 0") })
        #expect(value(registry, "warren_tls_handshake_seconds_count", "client") == "1")
        #expect(value(registry, "warren_tunnel_streams", "server") == "1")
        #expect(value(registry, "warren_connections_total", "path=\"local\"") == "1")
    }

    @Test func `words of a label differ from each other`() {
        for words in [
            HandshakeResult.allCases.map(\.word), RefusalReason.allCases.map(\.word), TunnelEnd.allCases.map(\.word),
            ConnectAnswer.allCases.map(\.word), ResponseFlag.allCases.map(\.word), TrafficPath.allCases.map(\.word),
        ] { #expect(Set(words).count == words.count) }
        #expect(Set(MetricFamily.allCases.map(\.name)).count == MetricFamily.allCases.count)
    }

    @Test(arguments: [
        (200, ConnectAnswer.ok), (400, .badRequest), (401, .unauthorized), (403, .forbidden), (405, .methodNotAllowed),
        (503, .unavailable), (500, .otherStatus), (-1, .otherStatus),
    ])
    func `a status has its answer`(status: Int, answer: ConnectAnswer) { #expect(ConnectAnswer(status: status) == answer) }

    @Test func `families of the daemon are set, cleared and added to`() {
        let registry = MetricRegistry()
        registry.set(.certificateExpiry, ["spiffe://a/ns/b/sa/c"], to: 1_900_000_000)
        registry.add(to: .meshReloads, ["applied"])
        registry.add(to: .meshReloads, ["applied"])
        #expect(
            value(registry, "warren_certificate_expiry_timestamp_seconds", "identity=\"spiffe://a/ns/b/sa/c\"") == "1900000000")
        #expect(value(registry, "warren_mesh_reloads_total", "result=\"applied\"") == "2")
        #expect(value(registry, "workload_manager_active_proxy_count") == "0")
        registry.clear(.certificateExpiry)
        #expect(lines(registry, "warren_certificate_expiry_timestamp_seconds").isEmpty)
    }
}

@Suite struct ProcessMetricsTests {
    @Test func `this process has descriptors, memory and processor time`() {
        let metrics = ProcessMetrics.read()
        #expect((metrics.openDescriptors ?? 0) >= 3)
        #expect((metrics.maximumDescriptors ?? 0) >= metrics.openDescriptors ?? .max)
        #expect((metrics.residentMemory ?? 0) > 1 << 20)
        #expect((metrics.virtualMemory ?? 0) >= metrics.residentMemory ?? .max)
        #expect(metrics.processorSeconds != nil)
        let registry = MetricRegistry()
        registry.set(metrics)
        #expect(value(registry, "process_open_fds") == String(metrics.openDescriptors ?? -1))
    }

    @Test(arguments: [
        ("1 (a b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0", 3.0), ("1 (x) S 1", nil), ("", nil), ("1 (x", nil),
        ("1 (x) S 1 2 3 4 5 6 7 8 9 10 many few", nil),
    ])
    func `processor time is read behind a name with brackets`(stat: String, seconds: Double?) {
        #expect(ProcessMetrics.processorTime(stat) == seconds)
    }

    @Test func `a number is found by its line alone`() {
        #expect(ProcFile.number(after: "VmRSS:", in: "VmHWM: 5 kB\nVmRSS:\t  123 kB\n") == 123)
        #expect(ProcFile.number(after: "VmRSS:", in: "VmHWM: 5 kB\n") == nil)
        #expect(ProcFile.number(after: "Max open files", in: "Max open files   unlimited  unlimited") == nil)
    }
}
