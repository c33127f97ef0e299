// SPDX-License-Identifier: Apache-2.0

extension ExpositionWriter {
    /// Istio's TCP metrics, with its names and labels.
    mutating func writeTraffic(_ traffic: [TrafficLabels: TrafficTotals], sockets: [Int64]) {
        let rows = traffic.map { (labels: TrafficText($0.key), totals: $0.value) }.sorted { $0.labels.open < $1.labels.open }
        begin("istio_tcp_connections_opened", .counter, help: "TCP connections opened.", unit: nil)
        for row in rows { sample("istio_tcp_connections_opened_total", row.labels.open, String(row.totals.opened)) }
        begin("istio_tcp_connections_closed", .counter, help: "TCP connections closed.", unit: nil)
        for row in rows { writeClosed("istio_tcp_connections_closed_total", row, ResponseFlag.allCases[...]) }
        begin("istio_tcp_connections_failed", .counter, help: "TCP connections that ended with a response flag.", unit: nil)
        for row in rows { writeClosed("istio_tcp_connections_failed_total", row, ResponseFlag.allCases.dropFirst()) }
        begin("istio_tcp_received_bytes", .counter, help: "Bytes that clients sent.", unit: "bytes")
        for row in rows { sample("istio_tcp_received_bytes_total", row.labels.open, String(row.totals.received)) }
        begin("istio_tcp_sent_bytes", .counter, help: "Bytes that servers sent.", unit: "bytes")
        for row in rows { sample("istio_tcp_sent_bytes_total", row.labels.open, String(row.totals.sent)) }
        begin("istio_tcp_sockets_open", .gauge, help: "Connections that are open now.", unit: nil)
        for reporter in Reporter.allCases {
            sample("istio_tcp_sockets_open", "reporter=\"\(reporter.word)\"", String(sockets[reporter.rawValue]))
        }
    }

    private mutating func writeClosed(
        _ name: String, _ row: (labels: TrafficText, totals: TrafficTotals), _ flags: ArraySlice<ResponseFlag>
    ) {
        for flag in flags where row.totals.closed[flag.rawValue] > 0 {
            sample(name, row.labels.with(flag), String(row.totals.closed[flag.rawValue]))
        }
    }
}

/// The labels of one series as text, around the response flags.
private struct TrafficText {
    private let before: String
    private let after: String

    init(_ labels: TrafficLabels) {
        let (source, destination, service) = (labels.source, labels.destination, labels.service)
        before = ExpositionWriter.labels([
            ("reporter", labels.reporter.word), ("source_workload", source.workload),
            ("source_canonical_service", source.canonicalService), ("source_canonical_revision", source.canonicalRevision),
            ("source_workload_namespace", source.namespace), ("source_principal", source.principal),
            ("source_app", source.app), ("source_version", source.version), ("source_cluster", source.cluster),
            ("destination_service", service.host), ("destination_service_namespace", service.namespace),
            ("destination_service_name", service.name), ("destination_workload", destination.workload),
            ("destination_canonical_service", destination.canonicalService),
            ("destination_canonical_revision", destination.canonicalRevision),
            ("destination_workload_namespace", destination.namespace), ("destination_principal", destination.principal),
            ("destination_app", destination.app), ("destination_version", destination.version),
            ("destination_cluster", destination.cluster), ("request_protocol", "tcp"),
        ])
        let security = ("connection_security_policy", labels.security.word)
        let locality = [
            ("source_region", source.region), ("source_zone", source.zone), ("destination_region", destination.region),
            ("destination_zone", destination.zone),
        ]
        // As ztunnel does: where neither workload is known, nothing is said of where they are.
        after = ExpositionWriter.labels([security] + (source.isKnown || destination.isKnown ? locality : []))
    }

    func with(_ flag: ResponseFlag) -> String { "\(before),response_flags=\"\(flag.word)\",\(after)" }

    var open: String { with(.none) }
}
