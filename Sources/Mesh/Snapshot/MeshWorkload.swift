// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// A workload in a snapshot, with what decisions need worked out beforehand. Immutable; a connection may hold one.
package final class MeshWorkload: Sendable {
    package let id: WorkloadID
    /// Which of the snapshot's sets of policies applies to it.
    let policySet: Int32
    package let workload: Workload
    /// What a tunnel to it, addressed directly, may find at the other end.
    package let acceptedIdentities: [SPIFFEID]

    /// Nil only if a name in it can't be part of a SPIFFE identity; such a workload is refused wherever identity counts.
    package var identity: SPIFFEID? { acceptedIdentities.first }

    /// A service that it serves, with the ports as it serves them.
    package struct Membership: Sendable {
        package let service: ServiceID
        package let ports: [Port]
    }

    /// - Parameter identities: its own, if it has one.
    init(id: WorkloadID, workload: Workload, identities: [SPIFFEID], policySet: Int32) {
        self.id = id
        self.workload = workload
        self.policySet = policySet
        acceptedIdentities = identities
    }

    /// An address for a caller who asked for `family`: the same family if the workload has one and the service allows it.
    func address(preferring family: IPAddress.Family, families: Service.IPFamilies) -> IPAddress? {
        var other: IPAddress?
        for address in workload.addresses where families.allow(address.family) {
            if address.family == family { return address }
            other = other ?? address
        }
        return other
    }
}

extension Service.IPFamilies {
    func allow(_ family: IPAddress.Family) -> Bool {
        switch self {
        case .automatic, .dual: true
        case .v4Only: family == .v4
        case .v6Only: family == .v6
        }
    }
}

/// A service in a snapshot, with its endpoints. Immutable.
package final class MeshService: Sendable {
    package let id: ServiceID
    package let service: Service
    package let endpoints: ContiguousArray<Endpoint>
    /// `service.subjectAltNames` as identities; what is none is left out.
    package let identities: [SPIFFEID]

    /// A workload that serves this service, with the ports as it serves them.
    package struct Endpoint: Sendable {
        package let workload: WorkloadID
        package let ports: [Port]

        init(workload: WorkloadID, ports: [Port]) {
            self.workload = workload
            self.ports = ports
        }

        /// The port behind a port of the service; nil if this endpoint doesn't serve it.
        func targetPort(of port: Port) -> UInt16? {
            let own = ports.first { $0.servicePort == port.servicePort }
            if let own, own.targetPort != 0 { return own.targetPort }
            if port.targetPort != 0 { return port.targetPort }
            // A number was neither asked for here nor there, so the target is the port itself, as Kubernetes defaults it. A named
            // target that the endpoint lacks isn't in its list.
            return own == nil ? nil : port.servicePort
        }
    }

    init(id: ServiceID, service: Service, endpoints: ContiguousArray<Endpoint>) {
        self.id = id
        self.service = service
        self.endpoints = endpoints
        identities = service.subjectAltNames.compactMap(SPIFFEID.init)
    }

    func port(_ number: UInt16) -> Port? { service.ports.first { $0.servicePort == number } }
}
