// SPDX-License-Identifier: Apache-2.0

import Kernel
import Synchronization

@testable import Telemetry

/// A pair of workloads through a service, as the source reports it.
func labels(_ source: String = "web", _ destination: String = "db", reporter: Reporter = .source) -> TrafficLabels {
    TrafficLabels(
        reporter: reporter,
        source: PeerLabels(workload: source, namespace: "shop", principal: "spiffe://cluster.local/ns/shop/sa/\(source)"),
        destination: PeerLabels(workload: destination, namespace: "shop"),
        service: ServiceLabels(host: "\(destination).shop.svc.cluster.local", namespace: "shop", name: destination),
        security: .mutualTLS)
}

func moment(_ seconds: UInt64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

/// The lines of an exposition that begin with `prefix`.
func lines(_ registry: MetricRegistry, _ prefix: String) -> [String] {
    String(decoding: registry.exposition(), as: UTF8.self).split(separator: "\n").map(String.init).filter { $0.hasPrefix(prefix) }
}

/// The value of the one sample with this name whose labels hold every text.
func value(_ registry: MetricRegistry, _ name: String, _ texts: String...) -> String? {
    let found = lines(registry, name).filter { line in
        (line.hasPrefix(name + "{") || line.hasPrefix(name + " ")) && texts.allSatisfy(line.contains)
    }
    return found.count == 1 ? found[0].split(separator: " ").last.map(String.init) : nil
}

/// Collects what a writer hands to its sink.
final class Collector: Sendable {
    private let bytes = Mutex<[UInt8]>([])

    var sink: LogSink { { [self] new in bytes.withLock { $0 += new } } }
    var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
    var lines: [String] { text.split(separator: "\n", omittingEmptySubsequences: true).map(String.init) }
}
