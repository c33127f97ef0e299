// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// One thing that serves or calls: what a host must know of it to reach it, to recognise it and to decide for it.
///
/// A value whose copies share their fields until one is changed: discovery, translation and snapshots hold the same ones. The fields are those of `istio.workload.Workload`; empty strings mean the defaults written beside them.
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

    private var storage: WorkloadStorage

    package init() { storage = .blank }

    package init(_ fields: WorkloadFields) { storage = WorkloadStorage(fields) }

    /// All at once.
    package var fields: WorkloadFields {
        get { storage.fields }
        set { storage = WorkloadStorage(newValue) }
    }

    private mutating func change(_ body: (inout WorkloadFields) -> Void) {
        var fields = storage.fields
        body(&fields)
        storage = WorkloadStorage(fields)
    }
}

// MARK: - Fields

extension Workload {
    /// Unique in the mesh: `CLUSTER/GROUP/KIND/NAMESPACE/NAME`.
    package var uid: String {
        get { storage.fields.uid }
        set { change { $0.uid = newValue } }
    }
    package var name: String {
        get { storage.fields.name }
        set { change { $0.name = newValue } }
    }
    package var namespace: String {
        get { storage.fields.namespace }
        set { change { $0.namespace = newValue } }
    }
    /// IPv4 and IPv6 addresses in `network`; empty if only `hostname` is known.
    package var addresses: [IPAddress] {
        get { storage.fields.addresses }
        set { change { $0.addresses = newValue } }
    }
    /// A DNS name instead of addresses.
    package var hostname: String {
        get { storage.fields.rare?.parts.hostname ?? "" }
        set { change { $0.setRare { $0.hostname = newValue } } }
    }
    /// Where the addresses are valid; "" is the default network.
    package var network: String {
        get { storage.fields.network }
        set { change { $0.network = newValue } }
    }
    package var tunnelProtocol: TunnelProtocol {
        get { storage.fields.tunnelProtocol }
        set { change { $0.tunnelProtocol = newValue } }
    }
    /// "" means the mesh's own.
    package var trustDomain: String {
        get { storage.fields.trustDomain }
        set { change { $0.trustDomain = newValue } }
    }
    /// "" means `default`.
    package var serviceAccount: String {
        get { storage.fields.serviceAccount }
        set { change { $0.serviceAccount = newValue } }
    }
    /// The proxy that traffic addressed to this workload (not to a service) must pass.
    package var waypoint: GatewayAddress? {
        get { storage.fields.rare?.parts.waypoint }
        set { change { $0.setRare { $0.waypoint = newValue } } }
    }
    /// The host it runs on: decides locality, and which host captures it.
    package var node: String {
        get { storage.fields.node }
        set { change { $0.node = newValue } }
    }
    /// What metrics call the application: see `canonicalName(labels:)`.
    package var canonicalName: String {
        get { storage.fields.canonicalName }
        set { change { $0.canonicalName = newValue } }
    }
    package var canonicalRevision: String {
        get { storage.fields.canonicalRevision }
        set { change { $0.canonicalRevision = newValue } }
    }
    package var kind: Kind {
        get { storage.fields.kind }
        set { change { $0.kind = newValue } }
    }
    /// The controller's name, or the workload's own.
    package var workloadName: String {
        get { storage.fields.workloadName }
        set { change { $0.workloadName = newValue } }
    }
    /// It speaks HBONE itself, without a proxy of ours in front.
    package var nativeTunnel: Bool {
        get { storage.fields.nativeTunnel }
        set { change { $0.nativeTunnel = newValue } }
    }
    /// Policies with a selector that apply to it, `NAMESPACE/NAME`. Those of its namespace and of the mesh aren't listed.
    package var authorizationPolicies: [String] {
        get { storage.fields.authorizationPolicies }
        set { change { $0.authorizationPolicies = newValue } }
    }
    package var status: Status {
        get { storage.fields.status }
        set { change { $0.status = newValue } }
    }
    /// "" means `Kubernetes`.
    package var clusterID: String {
        get { storage.fields.clusterID }
        set { change { $0.clusterID = newValue } }
    }
    /// The way in from other networks.
    package var networkGateway: GatewayAddress? {
        get { storage.fields.rare?.parts.networkGateway }
        set { change { $0.setRare { $0.networkGateway = newValue } } }
    }
    /// The services it is an endpoint of, sorted by service.
    package var services: [ServiceMembership] {
        get { storage.fields.services }
        set { change { $0.services = newValue } }
    }
    /// Where the application wants its traffic instead of at the port asked for.
    package var applicationTunnel: ApplicationTunnel? {
        get { storage.fields.rare?.parts.applicationTunnel }
        set { change { $0.setRare { $0.applicationTunnel = newValue } } }
    }
    package var locality: Locality? {
        get { storage.fields.rare?.parts.locality }
        set { change { $0.setRare { $0.locality = newValue } } }
    }
    package var networkMode: NetworkMode {
        get { storage.fields.networkMode }
        set { change { $0.networkMode = newValue } }
    }
    /// Its weight beside other endpoints; nil means 1, 0 means none of the traffic.
    package var capacity: UInt32? {
        get { storage.fields.capacity }
        set { change { $0.capacity = newValue } }
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
