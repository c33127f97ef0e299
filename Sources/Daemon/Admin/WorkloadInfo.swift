// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Documents

/// Where a workload's capture stands.
package enum CaptureState: Hashable, Sendable {
    /// Its namespace isn't labelled, or it is of another host.
    case notCaptured
    /// Its capture is being set up.
    case pending
    case captured
    /// Released; open connections finish.
    case draining
    /// It can't be captured, and why.
    case refused(reason: String)

    package var word: String {
        switch self {
        case .notCaptured: "-"
        case .pending: "pending"
        case .captured: "captured"
        case .draining: "draining"
        case .refused: "refused"
        }
    }

    package var reason: String? { if case .refused(let reason) = self { reason } else { nil } }
}

/// One workload of the mesh, with what this host does for it.
package struct WorkloadInfo: Sendable {
    package var uid: String
    package var name: String
    package var namespace: String
    package var addresses: [IPAddress]
    package var network: String
    package var node: String
    package var identity: String?
    package var trustDomain: String
    package var serviceAccount: String
    /// `HBONE` or `TCP`.
    package var speaksHBONE: Bool
    package var waypoint: String?
    package var workloadName: String
    /// `deployment`, `pod`, …
    package var workloadType: String
    package var canonicalName: String
    package var canonicalRevision: String
    package var clusterID: String
    package var region: String = ""
    package var zone: String = ""
    package var subzone: String = ""
    package var isHealthy: Bool
    /// Keys of the policies that name it.
    package var policies: [String] = []
    /// Whether it is of this host.
    package var isLocal: Bool
    package var capture = CaptureState.notCaptured
    /// The name of its network namespace, if it is of this host.
    package var networkNamespace: String?
    package var connections = 0

    package init(
        uid: String, name: String, namespace: String, addresses: [IPAddress], network: String, node: String, identity: String?,
        trustDomain: String, serviceAccount: String, speaksHBONE: Bool, waypoint: String? = nil, workloadName: String,
        workloadType: String, canonicalName: String, canonicalRevision: String, clusterID: String, isHealthy: Bool, isLocal: Bool
    ) {
        self.uid = uid
        self.name = name
        self.namespace = namespace
        self.addresses = addresses
        self.network = network
        self.node = node
        self.identity = identity
        self.trustDomain = trustDomain
        self.serviceAccount = serviceAccount
        self.speaksHBONE = speaksHBONE
        self.waypoint = waypoint
        self.workloadName = workloadName
        self.workloadType = workloadType
        self.canonicalName = canonicalName
        self.canonicalRevision = canonicalRevision
        self.clusterID = clusterID
        self.isHealthy = isHealthy
        self.isLocal = isLocal
    }

    /// For `/workloads`.
    package var document: Value {
        .object(present: [
            ("name", .string(name)), ("namespace", .string(namespace)), ("uid", .string(uid)),
            ("addresses", .array(addresses.map { .string($0.description) })), ("network", .string(network)),
            ("node", .string(node)), ("identity", .text(identity)), ("protocol", .string(protocolWord)),
            ("waypoint", .text(waypoint)), ("status", .string(isHealthy ? "healthy" : "unhealthy")), ("local", .bool(isLocal)),
            ("captureState", .string(capture.word)), ("captureReason", .text(capture.reason)),
            ("networkNamespace", .text(networkNamespace)), ("connections", .integer(connections)),
            ("policies", .array(policies.map { .string($0) })),
        ])
    }

    /// For `/config_dump`, as a ztunnel tells it.
    var dump: Value {
        .object(present: [
            ("uid", .string(uid)), ("workloadIps", .array(addresses.map { .string($0.description) })),
            ("waypoint", waypoint.map { .object([("destination", .string($0))]) }), ("protocol", .string(protocolWord)),
            ("name", .string(name)), ("namespace", .string(namespace)), ("serviceAccount", .string(serviceAccount)),
            ("workloadName", .string(workloadName)), ("workloadType", .string(workloadType)),
            ("canonicalName", .string(canonicalName)), ("canonicalRevision", .string(canonicalRevision)),
            ("clusterId", .string(clusterID)), ("trustDomain", .string(trustDomain)),
            (
                "locality",
                .object([("region", .string(region)), ("zone", .string(zone)), ("subzone", .string(subzone))])
            ),
            ("node", .string(node)), ("network", .string(network)), ("status", .string(isHealthy ? "Healthy" : "Unhealthy")),
            ("hostname", .string("")), ("authorizationPolicies", .array(policies.map { .string($0) })),
        ])
    }

    private var protocolWord: String { speaksHBONE ? "HBONE" : "TCP" }
}
