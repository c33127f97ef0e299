// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// What a workload is made of, in the order of its fields. A value: whoever makes many workloads fills one of these and makes each at once.
package struct WorkloadFields: Hashable, Sendable {
    package var uid: String = ""
    package var name: String = ""
    package var namespace: String = ""
    package var addresses: [IPAddress] = []
    package var network: String = ""
    package var tunnelProtocol: Workload.TunnelProtocol = Workload.TunnelProtocol.none
    package var trustDomain: String = ""
    package var serviceAccount: String = ""
    package var node: String = ""
    package var canonicalName: String = ""
    package var canonicalRevision: String = ""
    package var kind: Workload.Kind = Workload.Kind.deployment
    package var workloadName: String = ""
    package var nativeTunnel: Bool = false
    package var authorizationPolicies: [String] = []
    package var status: Workload.Status = Workload.Status.healthy
    package var clusterID: String = ""
    package var services: [ServiceMembership] = []
    package var networkMode: Workload.NetworkMode = Workload.NetworkMode.standard
    package var capacity: UInt32?
    /// What few workloads have; nil if it is all at its defaults.
    fileprivate(set) var rare: RareParts?

    package init() {}

    /// What few workloads have.
    package struct Rare: Hashable, Sendable {
        package var hostname: String = ""
        package var waypoint: GatewayAddress?
        package var networkGateway: GatewayAddress?
        package var applicationTunnel: ApplicationTunnel?
        package var locality: Locality?

        package init() {}
    }

    package mutating func setRare(_ change: (inout Rare) -> Void) {
        var parts = rare?.parts ?? Rare()
        change(&parts)
        rare = parts == Rare() ? nil : RareParts(parts)
    }
}

/// What few workloads have, on the heap: the others don't pay for it.
final class RareParts: Sendable {
    let parts: WorkloadFields.Rare

    init(_ parts: WorkloadFields.Rare) { self.parts = parts }
}

extension RareParts: Hashable {
    static func == (a: RareParts, b: RareParts) -> Bool { a === b || a.parts == b.parts }
    func hash(into hasher: inout Hasher) { hasher.combine(parts) }
}

/// The fields of a workload and of all its copies. Immutable.
final class WorkloadStorage: Sendable {
    let fields: WorkloadFields

    /// What every new workload begins with.
    static let blank = WorkloadStorage(WorkloadFields())

    init(_ fields: WorkloadFields) { self.fields = fields }
}

extension WorkloadStorage: Hashable {
    static func == (a: WorkloadStorage, b: WorkloadStorage) -> Bool { a === b || a.fields == b.fields }
    func hash(into hasher: inout Hasher) { hasher.combine(fields) }
}
