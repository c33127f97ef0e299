// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// One thing that serves or calls: what a host must know of it to reach it, to recognise it and to decide for it.
///
/// A value whose copies share their fields until one is changed: discovery, translation and snapshots hold the same ones. The fields are those of
/// `istio.workload.Workload`; empty strings mean the defaults written beside them.
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

    private var storage: Shared<WorkloadFields>
    private static let blank = Shared(WorkloadFields())

    package init() { storage = Self.blank }

    package init(_ fields: WorkloadFields) { storage = Shared(fields) }

    /// What it has in common with others of its application.
    package var common: Shared<WorkloadCommon> { storage.content.common }

    private subscript<Field>(own path: WritableKeyPath<WorkloadFields, Field>) -> Field {
        get { storage.content[keyPath: path] }
        set {
            var fields = storage.content
            fields[keyPath: path] = newValue
            storage = Shared(fields)
        }
    }

    private subscript<Field>(common path: WritableKeyPath<WorkloadCommon, Field>) -> Field {
        get { storage.content.common.content[keyPath: path] }
        set {
            var fields = storage.content
            var common = fields.common.content
            common[keyPath: path] = newValue
            fields.common = Shared(common)
            storage = Shared(fields)
        }
    }
}

// MARK: - Fields

extension Workload {
    /// Unique in the mesh: `CLUSTER/GROUP/KIND/NAMESPACE/NAME`.
    package var uid: String {
        get { storage.content.uid }
        set { self[own: \.uid] = newValue }
    }
    package var name: String {
        get { storage.content.name }
        set { self[own: \.name] = newValue }
    }
    package var namespace: String {
        get { storage.content.common.content.namespace }
        set { self[common: \.namespace] = newValue }
    }
    /// IPv4 and IPv6 addresses in `network`; empty if only `hostname` is known.
    package var addresses: [IPAddress] {
        get { storage.content.addresses }
        set { self[own: \.addresses] = newValue }
    }
    /// A DNS name instead of addresses.
    package var hostname: String {
        get { storage.content.common.content.hostname }
        set { self[common: \.hostname] = newValue }
    }
    /// Where the addresses are valid; "" is the default network.
    package var network: String {
        get { storage.content.common.content.network }
        set { self[common: \.network] = newValue }
    }
    package var tunnelProtocol: TunnelProtocol {
        get { storage.content.tunnelProtocol }
        set { self[own: \.tunnelProtocol] = newValue }
    }
    /// "" means the mesh's own.
    package var trustDomain: String {
        get { storage.content.common.content.trustDomain }
        set { self[common: \.trustDomain] = newValue }
    }
    /// "" means `default`.
    package var serviceAccount: String {
        get { storage.content.common.content.serviceAccount }
        set { self[common: \.serviceAccount] = newValue }
    }
    /// The proxy that traffic addressed to this workload (not to a service) must pass.
    package var waypoint: GatewayAddress? {
        get { storage.content.common.content.waypoint }
        set { self[common: \.waypoint] = newValue }
    }
    /// The host it runs on: decides locality, and which host captures it.
    package var node: String {
        get { storage.content.node }
        set { self[own: \.node] = newValue }
    }
    /// What metrics call the application: see `canonicalName(labels:)`.
    package var canonicalName: String {
        get { storage.content.common.content.canonicalName }
        set { self[common: \.canonicalName] = newValue }
    }
    package var canonicalRevision: String {
        get { storage.content.common.content.canonicalRevision }
        set { self[common: \.canonicalRevision] = newValue }
    }
    package var kind: Kind {
        get { storage.content.common.content.kind }
        set { self[common: \.kind] = newValue }
    }
    /// The controller's name, or the workload's own.
    package var workloadName: String {
        get { storage.content.workloadName }
        set { self[own: \.workloadName] = newValue }
    }
    /// It speaks HBONE itself, without a proxy of ours in front.
    package var nativeTunnel: Bool {
        get { storage.content.nativeTunnel }
        set { self[own: \.nativeTunnel] = newValue }
    }
    /// Policies with a selector that apply to it, `NAMESPACE/NAME`. Those of its namespace and of the mesh aren't listed.
    package var authorizationPolicies: [String] {
        get { storage.content.common.content.authorizationPolicies }
        set { self[common: \.authorizationPolicies] = newValue }
    }
    package var status: Status {
        get { storage.content.status }
        set { self[own: \.status] = newValue }
    }
    /// "" means `Kubernetes`.
    package var clusterID: String {
        get { storage.content.common.content.clusterID }
        set { self[common: \.clusterID] = newValue }
    }
    /// The way in from other networks.
    package var networkGateway: GatewayAddress? {
        get { storage.content.common.content.networkGateway }
        set { self[common: \.networkGateway] = newValue }
    }
    /// The services it is an endpoint of, sorted by service.
    package var services: [ServiceMembership] {
        get { storage.content.common.content.services }
        set { self[common: \.services] = newValue }
    }
    /// Where the application wants its traffic instead of at the port asked for.
    package var applicationTunnel: ApplicationTunnel? {
        get { storage.content.common.content.applicationTunnel }
        set { self[common: \.applicationTunnel] = newValue }
    }
    package var locality: Locality? {
        get { storage.content.common.content.locality }
        set { self[common: \.locality] = newValue }
    }
    package var networkMode: NetworkMode {
        get { storage.content.networkMode }
        set { self[own: \.networkMode] = newValue }
    }
    /// Its weight beside other endpoints; nil means 1, 0 means none of the traffic.
    package var capacity: UInt32? {
        get { storage.content.capacity }
        set { self[own: \.capacity] = newValue }
    }
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
