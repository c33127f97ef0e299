// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Documents
internal import Telemetry

/// The answer to `GET /config_dump`, in the shape of a ztunnel's, so that `istioctl ztunnel-config -f FILE` reads it.
package struct ConfigDump: Sendable {
    package var workloads: [WorkloadInfo]
    package var services: [ServiceInfo]
    package var policies: [PolicyInfo]
    package var certificates: [CertificateInfo]
    package var connections: [ConnectionInfo]
    package var configuration: DaemonConfiguration

    package init(
        workloads: [WorkloadInfo], services: [ServiceInfo], policies: [PolicyInfo], certificates: [CertificateInfo],
        connections: [ConnectionInfo], configuration: DaemonConfiguration
    ) {
        self.workloads = workloads
        self.services = services
        self.policies = policies
        self.certificates = certificates
        self.connections = connections
        self.configuration = configuration
    }

    package var document: Value {
        .object([
            ("workloads", .array(workloads.map(\.dump))), ("services", .array(services.map(\.dump))),
            ("policies", .array(policies.map(\.dump))), ("stagedServices", .object([(String, Value)]())),
            ("staticConfig", .object([("workloads", .array([])), ("policies", .array([])), ("services", .array([]))])),
            ("version", .object([("version", .string(warrenVersion))])), ("config", configuration.document),
            ("certificates", .array(certificates.map(\.dump))), ("workloadState", workloadState),
        ])
    }

    /// The local workloads with their connections, by uid.
    private var workloadState: Value {
        let byWorkload = Dictionary(grouping: connections, by: \.workload)
        return .object(
            workloads.filter { $0.isLocal && $0.capture != .notCaptured }.map { workload in
                (workload.uid, Self.state(workload, byWorkload["\(workload.namespace)/\(workload.name)"] ?? []))
            })
    }

    private static func state(_ workload: WorkloadInfo, _ connections: [ConnectionInfo]) -> Value {
        .object([
            ("state", .string(word(workload.capture))),
            (
                "connections",
                .object([
                    ("inbound", .array(connections.filter { $0.direction == .inbound }.map(\.dump))),
                    ("outbound", .array(connections.filter { $0.direction == .outbound }.map(\.dump))),
                ])
            ),
            (
                "info",
                .object([
                    ("name", .string(workload.name)), ("namespace", .string(workload.namespace)),
                    ("trustDomain", .string(workload.trustDomain)), ("serviceAccount", .string(workload.serviceAccount)),
                ])
            ),
        ])
    }

    private static func word(_ capture: CaptureState) -> String {
        switch capture {
        case .captured: "Up"
        case .draining: "Draining"
        case .pending, .refused, .notCaptured: "Pending"
        }
    }
}

extension ConnectionInfo {
    /// For `/config_dump`: inbound the source is the other end, outbound it is ours.
    fileprivate var dump: Value {
        let (source, destination) =
            direction == .inbound
            ? (remote?.description ?? "", local.description) : (local.description, remote?.description ?? target)
        return .object([
            ("src", .string(source)), ("originalDst", .string(service ?? target)), ("actualDst", .string(destination)),
            ("protocol", .string(path == .hbone ? "HBONE" : "TCP")),
        ])
    }
}
