// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// One thing that serves or calls: what a host must know of it to reach it, to recognise it and to decide for it.
///
/// The fields are those of `istio.workload.Workload`; empty strings mean the defaults written beside them.
package struct Workload: Hashable, Sendable {
    package enum TunnelProtocol: Int32, Hashable, Sendable, CaseIterable {
        /// Plain TCP to the workload's own port.
        case none = 0
        /// HBONE on port 15008: such a workload is never dialled in plain (I01).
        case hbone = 1
        /// Istio sidecars' mutual TLS, which we don't speak: refused.
        case legacyIstioMTLS = 2
    }

    /// What kind of controller the metrics shall name.
    package enum Kind: Int32, Hashable, Sendable, CaseIterable {
        case deployment = 0
        case cronJob = 1
        case pod = 2
        case job = 3
    }

    package enum Status: Int32, Hashable, Sendable, CaseIterable {
        case healthy = 0
        case unhealthy = 1
    }

    package enum NetworkMode: Int32, Hashable, Sendable, CaseIterable {
        case standard = 0
        /// The address is the host's, shared by many: never looked up by address.
        case hostNetwork = 1
    }

    /// Unique in the mesh: `CLUSTER/GROUP/KIND/NAMESPACE/NAME`.
    package var uid = ""
    package var name = ""
    package var namespace = ""
    /// IPv4 and IPv6 addresses in `network`; empty if only `hostname` is known.
    package var addresses: [IPAddress] = []
    /// A DNS name instead of addresses.
    package var hostname = ""
    /// Where the addresses are valid; "" is the default network.
    package var network = ""
    package var tunnelProtocol = TunnelProtocol.none
    /// "" means the mesh's own.
    package var trustDomain = ""
    /// "" means `default`.
    package var serviceAccount = ""
    /// The proxy that traffic addressed to this workload (not to a service) must pass.
    package var waypoint: GatewayAddress?
    /// The host it runs on: decides locality, and which host captures it.
    package var node = ""
    /// What metrics call the application: see `canonicalName(labels:)`.
    package var canonicalName = ""
    package var canonicalRevision = ""
    package var kind = Kind.deployment
    /// The controller's name, or the workload's own.
    package var workloadName = ""
    /// It speaks HBONE itself, without a proxy of ours in front.
    package var nativeTunnel = false
    /// Policies with a selector that apply to it, `NAMESPACE/NAME`. Those of its namespace and of the mesh aren't listed.
    package var authorizationPolicies: [String] = []
    package var status = Status.healthy
    /// "" means `Kubernetes`.
    package var clusterID = ""
    /// The way in from other networks.
    package var networkGateway: GatewayAddress?
    /// The services it is an endpoint of, sorted by service.
    package var services: [ServiceMembership] = []
    /// Where the application wants its traffic instead of at the port asked for.
    package var applicationTunnel: ApplicationTunnel?
    package var locality: Locality?
    package var networkMode = NetworkMode.standard
    /// Its weight beside other endpoints; nil means 1, 0 means none of the traffic.
    package var capacity: UInt32?

    package init() {}
}

extension Workload {
    /// Who the workload is, from the mesh's point of view. Nil if its names can't be part of an identity.
    package func identity(options: MeshOptions) -> SPIFFEID? {
        SPIFFEID(
            trustDomain: trustDomain.isEmpty ? options.trustDomain : trustDomain, namespace: namespace,
            serviceAccount: serviceAccount.isEmpty ? "default" : serviceAccount)
    }

    /// How a sentence names it: `shop/db-1`.
    package var displayName: String { "\(namespace)/\(name)" }
}

/// One service of a workload, with the ports as this workload serves them.
package struct ServiceMembership: Hashable, Sendable {
    /// `NAMESPACE/HOSTNAME`.
    package let service: String
    /// A port of the service that isn't here isn't served by this workload, unless the service's own target is a number.
    package let ports: [Port]

    package init(service: String, ports: [Port]) {
        self.service = service
        self.ports = ports
    }
}
