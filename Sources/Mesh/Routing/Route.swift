// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// Where a captured connection goes.
package enum Route: Hashable, Sendable {
    /// Through a tunnel to this workload, CONNECT to `destination`. The other end must show one of the identities; there is at
    /// least one.
    case tunnel(workload: WorkloadID, destination: SocketAddress, service: ServiceID?, acceptedIdentities: [SPIFFEID])
    /// Straight to a workload that speaks no tunnel.
    case plain(SocketAddress, workload: WorkloadID, service: ServiceID?)
    /// Straight to where the application wanted: nothing is known of that address.
    case passthrough(SocketAddress)
    case refused(RouteRefusal)
}

/// Why a connection goes nowhere.
package enum RouteRefusal: Hashable, Sendable {
    case unknownServicePort(service: String, port: UInt16)
    case noEndpoint(service: String)
    case noHealthyEndpoint(service: String, unhealthy: Int)
    /// Endpoints exist, but none within the scopes that the service insists on.
    case noEndpointInScope(service: String)
    /// Endpoints exist, but none that serves this port at an address that can be dialled.
    case noEndpointForPort(service: String, port: UInt16)
    /// Every endpoint was tried and excluded.
    case allEndpointsTried(service: String)
    /// Its traffic must pass a waypoint, and this host can't send it there: sending it past would open what the waypoint closes.
    case waypointRequired(destination: String)
    /// It speaks Istio's sidecar protocol only.
    case unsupportedTunnel(workload: String)
    /// Its names make no SPIFFE identity, so nobody could tell who answers (I08).
    case noIdentity(workload: String)

    /// For the log and the CLI: one clause without a full stop.
    package var reason: String {
        switch self {
        case .unknownServicePort(let service, let port): "service \(service) has no port \(port)"
        case .noEndpoint(let service): "service \(service) has no endpoint"
        case .noHealthyEndpoint(let service, let count): "service \(service) has no healthy endpoint (\(count) unhealthy)"
        case .noEndpointInScope(let service): "service \(service) has no endpoint in the scope it insists on"
        case .noEndpointForPort(let service, let port): "no endpoint of service \(service) serves port \(port)"
        case .allEndpointsTried(let service): "every endpoint of service \(service) refused the connection"
        case .waypointRequired(let destination): "\(destination) is only reached through its waypoint, and there is none here"
        case .unsupportedTunnel(let workload): "workload \(workload) speaks a tunnel protocol that is not supported"
        case .noIdentity(let workload): "workload \(workload) has no valid identity"
        }
    }
}
