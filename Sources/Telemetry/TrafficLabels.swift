// SPDX-License-Identifier: Apache-2.0

/// Who measured: the client's host or the server's.
package enum Reporter: Int, Sendable, CaseIterable {
    case source
    case destination

    package var word: String { self == .source ? "source" : "destination" }
}

/// What Istio's metrics say about one end of a connection. Immutable: made once per workload (or per connection where it is made
/// of a peer's certificate) and shared by all its connections.
///
/// What is empty or absent is the word `unknown`, as dashboards expect. Values are cut at 256 bytes: they may come from a peer.
package final class PeerLabels: Sendable {
    package let workload: String
    package let canonicalService: String
    package let canonicalRevision: String
    package let namespace: String
    /// With its scheme: `spiffe://…`.
    package let principal: String
    package let app: String
    package let version: String
    package let cluster: String
    package let region: String
    package let zone: String
    /// Whether the workload itself is known: without one on either side the locality labels are left out.
    package let isKnown: Bool
    private let fingerprint: Int

    package init(
        workload: String? = nil, canonicalService: String? = nil, canonicalRevision: String? = nil, namespace: String? = nil,
        principal: String? = nil, app: String? = nil, version: String? = nil, cluster: String? = nil, region: String? = nil,
        zone: String? = nil
    ) {
        self.workload = labelValue(workload)
        self.canonicalService = labelValue(canonicalService)
        self.canonicalRevision = labelValue(canonicalRevision)
        self.namespace = labelValue(namespace)
        self.principal = labelValue(principal)
        self.app = labelValue(app)
        self.version = labelValue(version)
        self.cluster = labelValue(cluster)
        self.region = labelValue(region)
        self.zone = labelValue(zone)
        isKnown = self.workload != unknownLabel
        var hasher = Hasher()
        for text in [
            self.workload, self.canonicalService, self.canonicalRevision, self.namespace, self.principal, self.app, self.version,
            self.cluster, self.region, self.zone,
        ] { hasher.combine(text) }
        fingerprint = hasher.finalize()
    }

    /// Nothing is known.
    package static let unknown = PeerLabels()
}

extension PeerLabels: Hashable {
    /// The same object, or one that says the same.
    package static func == (a: PeerLabels, b: PeerLabels) -> Bool {
        if a === b { return true }
        return a.fingerprint == b.fingerprint && a.workload == b.workload && a.canonicalService == b.canonicalService
            && a.canonicalRevision == b.canonicalRevision && a.namespace == b.namespace && a.principal == b.principal
            && a.app == b.app && a.version == b.version && a.cluster == b.cluster && a.region == b.region && a.zone == b.zone
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(fingerprint) }
}

/// What Istio's metrics say about the service that was asked for.
package final class ServiceLabels: Sendable, Hashable {
    /// The hostname: `db.shop.svc.cluster.local`.
    package let host: String
    package let namespace: String
    package let name: String

    package init(host: String? = nil, namespace: String? = nil, name: String? = nil) {
        self.host = labelValue(host)
        self.namespace = labelValue(namespace)
        self.name = labelValue(name)
    }

    /// No service was asked for, or none is known.
    package static let unknown = ServiceLabels()

    package static func == (a: ServiceLabels, b: ServiceLabels) -> Bool {
        a === b || a.host == b.host && a.namespace == b.namespace && a.name == b.name
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(host)
        hasher.combine(namespace)
    }
}

/// How the other end is known.
package enum ConnectionSecurity: Int, Sendable {
    case unknown
    case mutualTLS

    package var word: String { self == .mutualTLS ? "mutual_tls" : "unknown" }
}

/// What tells one traffic series from another, but for the response flags, which are known only at the end.
package struct TrafficLabels: Hashable, Sendable {
    package let reporter: Reporter
    package let source: PeerLabels
    package let destination: PeerLabels
    package let service: ServiceLabels
    package let security: ConnectionSecurity

    package init(
        reporter: Reporter, source: PeerLabels, destination: PeerLabels, service: ServiceLabels, security: ConnectionSecurity
    ) {
        self.reporter = reporter
        self.source = source
        self.destination = destination
        self.service = service
        self.security = security
    }

    /// Where connections are counted for which there is no room.
    static func overflow(_ reporter: Reporter) -> TrafficLabels {
        TrafficLabels(reporter: reporter, source: .unknown, destination: .unknown, service: .unknown, security: .unknown)
    }
}

let unknownLabel = "unknown"

private func labelValue(_ text: String?) -> String {
    guard let text, !text.isEmpty else { return unknownLabel }
    return LogText.cut(text, 256)
}
