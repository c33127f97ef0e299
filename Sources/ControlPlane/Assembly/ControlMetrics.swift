// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Discovery
internal import Kernel
internal import ResourceAPI
internal import Telemetry

/// What Prometheus is told of the control plane, as of now. On its loop.
struct ControlMetrics {
    let state: ControlState
    let discovery: DiscoveryServer
    let counters: AuthorityCounters
    let replicas: Int
    let watches: Int
    let clients: Int

    func exposition() -> [UInt8] {
        var writer = ExpositionWriter()
        write(&writer, "warren_control_build", .gauge, "Which version this is.", [(["version": warrenVersion], 1)])
        write(
            &writer, "warren_control_objects", .gauge, "Objects in the store, by resource.",
            APIKinds.all.map { (["resource": $0.resource], Double(state.cache.count($0.resource))) })
        write(&writer, "warren_control_revision", .gauge, "Of the newest change.", [([:], Double(state.revision))])
        write(&writer, "warren_control_store_up", .gauge, "Whether the store answers.", [([:], state.failure == nil ? 1 : 0)])
        write(
            &writer, "warren_control_replicas", .gauge, "Replicas of the control plane on this store.", [([:], Double(replicas))])
        write(&writer, "warren_control_connections", .gauge, "Connections to the API and discovery.", [([:], Double(clients))])
        write(&writer, "warren_control_watches", .gauge, "Watches that are open.", [([:], Double(watches))])
        let metrics = discovery.metrics
        write(
            &writer, "warren_control_connected_nodes", .gauge, "Hosts that are connected for discovery.",
            [([:], Double(discovery.connectedNodes))])
        let types = ResourceType.allCases
        write(
            &writer, "warren_control_pushes", .counter, "Responses sent to hosts, by type.",
            types.map { (["type": $0.rawValue], Double(metrics.pushes[$0.rank])) })
        write(
            &writer, "warren_control_acknowledged", .counter, "Responses that hosts acknowledged, by type.",
            types.map { (["type": $0.rawValue], Double(metrics.acknowledged[$0.rank])) })
        write(
            &writer, "warren_control_refused", .counter, "Responses that hosts refused, by type.",
            types.map { (["type": $0.rawValue], Double(metrics.refused[$0.rank])) })
        write(
            &writer, "warren_control_unknown_types", .counter, "Requests of hosts for types that aren't known here.",
            [([:], Double(metrics.unknownTypes))])
        write(
            &writer, "warren_control_certificates_issued", .counter, "Certificates issued, by what for.",
            counters.issued.sorted { $0.key.rawValue < $1.key.rawValue }.map { (["use": $0.key.rawValue], Double($0.value)) })
        write(
            &writer, "warren_control_certificates_refused", .counter, "Requests for certificates that were refused, by reason.",
            counters.refused.sorted { $0.key.rawValue < $1.key.rawValue }.map { (["reason": $0.key.rawValue], Double($0.value)) })
        acknowledgement(&writer, metrics.acknowledgementTime)
        return writer.finish()
    }

    private func write(
        _ writer: inout ExpositionWriter, _ name: String, _ kind: MetricKind, _ help: String,
        _ samples: [(labels: [String: String], value: Double)]
    ) {
        writer.begin(name, kind, help: help, unit: nil)
        let suffix = kind == .counter ? "_total" : ""
        for sample in samples {
            let labels = ExpositionWriter.labels(sample.labels.sorted { $0.key < $1.key })
            writer.sample(name + suffix, labels, ExpositionWriter.number(sample.value))
        }
    }

    private func acknowledgement(_ writer: inout ExpositionWriter, _ times: TimeHistogram) {
        let name = "warren_control_acknowledgement_seconds"
        writer.begin(
            name, .histogram, help: "From accepting a change to every connected host's acknowledgement.", unit: "seconds")
        var sum: UInt64 = 0
        for (bound, count) in zip(TimeHistogram.bounds, times.counts) {
            sum += count
            writer.sample("\(name)_bucket", "le=\"\(ExpositionWriter.number(Double(bound) / 1000))\"", String(sum))
        }
        writer.sample("\(name)_bucket", "le=\"+Inf\"", String(times.count))
        writer.sample("\(name)_sum", "", ExpositionWriter.number(times.sum.seconds))
        writer.sample("\(name)_count", "", String(times.count))
    }
}
