// SPDX-License-Identifier: Apache-2.0

import Kernel
import Testing

@testable import Telemetry

@Suite struct TrafficTests {
    private func registry(_ shards: MetricShard..., options: MetricOptions = MetricOptions()) -> MetricRegistry {
        let registry = MetricRegistry(options: options)
        for shard in shards { registry.absorb(shard.snapshot(now: moment(1)), now: moment(1)) }
        return registry
    }

    @Test func `a connection is counted when it opens, as it moves and when it closes`() {
        let shard = MetricShard(number: 0)
        let series = shard.open(labels())
        shard.add(received: 100, sent: 7, to: series)
        shard.add(received: 1, sent: 0, to: series)
        var sum = registry(shard)
        #expect(value(sum, "istio_tcp_connections_opened_total") == "1")
        #expect(value(sum, "istio_tcp_received_bytes_total") == "101")
        #expect(value(sum, "istio_tcp_sent_bytes_total") == "7")
        #expect(lines(sum, "istio_tcp_connections_closed_total").isEmpty)
        #expect(value(sum, "istio_tcp_sockets_open", "reporter=\"source\"") == "1")
        shard.close(series, .none, now: moment(2))
        sum = registry(shard)
        #expect(value(sum, "istio_tcp_connections_closed_total", "response_flags=\"-\"") == "1")
        #expect(lines(sum, "istio_tcp_connections_failed_total").isEmpty)
        #expect(value(sum, "istio_tcp_sockets_open", "reporter=\"source\"") == "0")
    }

    @Test func `what closed with a flag has failed with that flag`() {
        let shard = MetricShard(number: 0)
        for flag in [ResponseFlag.deny, .deny, .connect] { shard.close(shard.open(labels()), flag, now: moment(1)) }
        let sum = registry(shard)
        #expect(value(sum, "istio_tcp_connections_failed_total", "response_flags=\"DENY\"") == "2")
        #expect(value(sum, "istio_tcp_connections_closed_total", "response_flags=\"CONNECT\"") == "1")
        #expect(value(sum, "istio_tcp_connections_opened_total", "response_flags=\"-\"") == "3")
    }

    @Test func `all of Istio's labels are there, in its words`() throws {
        let shard = MetricShard(number: 0)
        _ = shard.open(labels())
        let line = try #require(lines(registry(shard), "istio_tcp_connections_opened_total").first)
        #expect(
            line == """
                istio_tcp_connections_opened_total{reporter="source",source_workload="web",source_canonical_service="unknown",\
                source_canonical_revision="unknown",source_workload_namespace="shop",\
                source_principal="spiffe://cluster.local/ns/shop/sa/web",source_app="unknown",source_version="unknown",\
                source_cluster="unknown",destination_service="db.shop.svc.cluster.local",destination_service_namespace="shop",\
                destination_service_name="db",destination_workload="db",destination_canonical_service="unknown",\
                destination_canonical_revision="unknown",destination_workload_namespace="shop",destination_principal="unknown",\
                destination_app="unknown",destination_version="unknown",destination_cluster="unknown",request_protocol="tcp",\
                response_flags="-",connection_security_policy="mutual_tls",source_region="unknown",source_zone="unknown",\
                destination_region="unknown",destination_zone="unknown"} 1
                """)
    }

    @Test func `locality is left out where neither workload is known`() throws {
        let shard = MetricShard(number: 0)
        _ = shard.open(.overflow(.destination))
        let line = try #require(lines(registry(shard), "istio_tcp_connections_opened_total").first)
        #expect(!line.contains("region"))
        #expect(line.contains("reporter=\"destination\""))
    }

    @Test func `labels that say the same are one series, whoever made them`() {
        let shard = MetricShard(number: 0)
        #expect(shard.open(labels()) == shard.open(labels()))
        #expect(shard.open(labels()) != shard.open(labels("web", "cache")))
        #expect(shard.open(labels()) != shard.open(labels(reporter: .destination)))
    }

    @Test func `shards add up`() {
        let (one, two) = (MetricShard(number: 0), MetricShard(number: 1))
        one.add(received: 1, sent: 2, to: one.open(labels()))
        two.add(received: 10, sent: 20, to: two.open(labels()))
        let sum = registry(one, two)
        #expect(value(sum, "istio_tcp_received_bytes_total") == "11")
        #expect(value(sum, "istio_tcp_sent_bytes_total") == "22")
        #expect(value(sum, "istio_tcp_sockets_open", "source") == "2")
    }

    @Test func `a newer snapshot replaces the one before`() {
        let shard = MetricShard(number: 0)
        let sum = MetricRegistry()
        let series = shard.open(labels())
        for second in 1...3 {
            shard.add(received: 1, sent: 0, to: series)
            sum.absorb(shard.snapshot(now: moment(UInt64(second))), now: moment(UInt64(second)))
        }
        #expect(value(sum, "istio_tcp_received_bytes_total") == "3")
    }
}

/// Memory is bounded, and no number ever shrinks while it is told.
@Suite struct ExpiryTests {
    private let options: MetricOptions = {
        var options = MetricOptions()
        options.idle = .seconds(60)
        options.maximumSeries = 3
        return options
    }()

    @Test func `an idle series is told until it expires, then forgotten everywhere`() {
        let shard = MetricShard(number: 0, options: options)
        let sum = MetricRegistry(options: options)
        shard.close(shard.open(labels()), .none, now: moment(10))
        for second: UInt64 in [20, 70, 71] { sum.absorb(shard.snapshot(now: moment(second)), now: moment(second)) }
        #expect(shard.traffic.count == 0)
        #expect(value(sum, "istio_tcp_connections_opened_total") == "1")
        sum.absorb(shard.snapshot(now: moment(131)), now: moment(131))
        #expect(sum.seriesCount == 1)
        sum.absorb(shard.snapshot(now: moment(132)), now: moment(132))
        #expect(sum.seriesCount == 0)
    }

    @Test func `a series with an open connection never expires`() {
        let shard = MetricShard(number: 0, options: options)
        let series = shard.open(labels())
        _ = shard.snapshot(now: moment(1_000_000))
        shard.add(received: 1, sent: 1, to: series)
        #expect(shard.traffic.samples.first?.totals.received == 1)
    }

    @Test func `what one shard forgets while another still tells it is not lost from the sum`() {
        let (idle, busy) = (MetricShard(number: 0, options: options), MetricShard(number: 1, options: options))
        let sum = MetricRegistry(options: options)
        idle.close(idle.open(labels()), .none, now: moment(1))
        let series = busy.open(labels())
        for second: UInt64 in stride(from: 2, to: 1000, by: 50) {
            busy.add(received: 5, sent: 0, to: series)
            for shard in [idle, busy] { sum.absorb(shard.snapshot(now: moment(second)), now: moment(second)) }
            #expect(value(sum, "istio_tcp_connections_opened_total") == "2")
        }
        #expect(idle.traffic.count == 0)
    }

    @Test func `a series that comes back after it expired goes on where it stood`() {
        let shard = MetricShard(number: 0, options: options)
        let sum = MetricRegistry(options: options)
        shard.close(shard.open(labels()), .none, now: moment(1))
        sum.absorb(shard.snapshot(now: moment(100)), now: moment(100))
        _ = shard.open(labels())
        sum.absorb(shard.snapshot(now: moment(101)), now: moment(101))
        #expect(value(sum, "istio_tcp_connections_opened_total") == "2")
    }

    @Test func `connections beyond the bound are counted as unknown and the bound is told`() {
        let shard = MetricShard(number: 0, options: options)
        var open: [TrafficSeries] = []
        for number in 0..<1000 { open.append(shard.open(labels("web-\(number)"))) }
        #expect(shard.traffic.count == 4)
        let sum = MetricRegistry(options: options)
        sum.absorb(shard.snapshot(now: moment(1)), now: moment(1))
        #expect(value(sum, "istio_tcp_connections_opened_total", "source_workload=\"unknown\"") == "997")
        #expect(value(sum, "warren_series_overflowed_total") == "997")
        for series in open { shard.close(series, .none, now: moment(2)) }
        sum.absorb(shard.snapshot(now: moment(63)), now: moment(63))
        #expect(shard.traffic.count == 0)
        #expect(shard.open(labels("new")) != shard.open(labels("newer")))
    }

    @Test func `what is kept of expired series is bounded too, the longest unseen go first`() {
        let sum = MetricRegistry(options: options)
        for round: UInt64 in 0..<20 {
            let shard = MetricShard(number: 0, options: options)
            shard.close(shard.open(labels("web-\(round)")), .none, now: moment(0))
            sum.absorb(shard.snapshot(now: moment(100 + round)), now: moment(100 + round))
        }
        #expect(sum.seriesCount == 3)
        #expect(lines(sum, "istio_tcp_connections_opened_total").contains { $0.contains("web-19") })
    }

    @Test func `policies beyond the bound are counted together`() {
        var options = options
        options.maximumPolicies = 2
        let shard = MetricShard(number: 0, options: options)
        for number in 0..<10 { shard.decided(.denied, policy: "shop/p\(number)") }
        let sum = MetricRegistry(options: options)
        sum.absorb(shard.snapshot(now: moment(1)), now: moment(1))
        #expect(value(sum, "warren_policy_decisions_total", "policy=\"shop/p0\"") == "1")
        #expect(value(sum, "warren_policy_decisions_total", "policy=\"unknown\"") == "8")
    }
}
