// SPDX-License-Identifier: Apache-2.0

/// A name and addresses that stand for several workloads. The fields are those of `istio.workload.Service`.
package struct Service: Hashable, Sendable {
    package enum IPFamilies: Int32, Hashable, Sendable, CaseIterable {
        case automatic = 0
        case v4Only = 1
        case v6Only = 2
        case dual = 3
    }

    package enum Visibility: Int32, Hashable, Sendable, CaseIterable {
        case everywhere = 0
        /// Only callers of the same namespace see it.
        case namespace = 1
    }

    package var name = ""
    package var namespace = ""
    /// `db.shop.svc.cluster.local`, or a ServiceEntry's host.
    package var hostname = ""
    /// The virtual addresses; empty for a headless service. An entry with a length is a block.
    package var addresses: [NetworkAddress] = []
    package var ports: [Port] = []
    /// Identities (`spiffe://…`) that its endpoints may also show.
    package var subjectAltNames: [String] = []
    /// The proxy that all traffic to this service must pass.
    package var waypoint: GatewayAddress?
    /// Several, drawn by weight; used before `waypoint`.
    package var weightedWaypoints: [WeightedWaypoint] = []
    package var loadBalancing: LoadBalancing?
    package var ipFamilies = IPFamilies.automatic
    /// Chosen among services of one hostname when the caller's namespace decides nothing.
    package var canonical = false
    /// Gateways send traffic through the waypoint too.
    package var ingressUseWaypoint = false
    package var visibility = Visibility.everywhere

    package init() {}

    /// The key under which workloads and the wire name it: `NAMESPACE/HOSTNAME`.
    package var key: String { "\(namespace)/\(hostname)" }

    /// Whether that is its key: without making one.
    package func isCalled(_ key: String) -> Bool {
        let (first, second) = (namespace.utf8.count, hostname.utf8.count)
        let text = key.utf8.span
        guard text.count == first + 1 + second, text[first] == UInt8(ascii: "/") else { return false }
        let (namespace, hostname) = (namespace.utf8.span, hostname.utf8.span)
        for index in 0..<first where text[index] != namespace[index] { return false }
        for index in 0..<second where text[first + 1 + index] != hostname[index] { return false }
        return true
    }
}

/// How an endpoint is chosen.
package struct LoadBalancing: Hashable, Sendable {
    package enum Scope: Int32, Hashable, Sendable, CaseIterable {
        case unspecified = 0
        case region = 1
        case zone = 2
        case subzone = 3
        case node = 4
        case cluster = 5
        case network = 6
    }

    package enum Mode: Int32, Hashable, Sendable, CaseIterable {
        /// All endpoints alike.
        case unspecified = 0
        /// Only endpoints that share every scope with the caller.
        case strict = 1
        /// The endpoints that share most scopes, in the order given; others when there are none.
        case failover = 2
        /// Without endpoints the caller's own destination is dialled.
        case passthrough = 3
    }

    package enum HealthPolicy: Int32, Hashable, Sendable, CaseIterable {
        case onlyHealthy = 0
        case allowAll = 1
    }

    package var routingPreference: [Scope]
    package var mode: Mode
    package var healthPolicy: HealthPolicy

    package init(
        routingPreference: [Scope] = [], mode: Mode = .unspecified, healthPolicy: HealthPolicy = .onlyHealthy
    ) {
        self.routingPreference = routingPreference
        self.mode = mode
        self.healthPolicy = healthPolicy
    }
}
