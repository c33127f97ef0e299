// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// What a workload has for itself, and beside it what it has in common with others. A value: whoever makes many workloads fills one of these, with a
/// common part that many share, and makes each at once.
package struct WorkloadFields: Hashable, Sendable {
    package var uid = ""
    package var name = ""
    package var addresses: [IPAddress] = []
    package var node = ""
    package var workloadName = ""
    package var common: Shared<WorkloadCommon>
    package var capacity: UInt32?
    package var tunnelProtocol = Workload.TunnelProtocol.none
    package var status = Workload.Status.healthy
    package var networkMode = Workload.NetworkMode.standard
    package var nativeTunnel = false

    package init(_ common: Shared<WorkloadCommon> = Self.plain) { self.common = common }

    /// Of a workload of which nothing is known.
    package static let plain = Shared(WorkloadCommon())
}

/// What all workloads of one application say alike, and few say otherwise: a mesh has as many of these as applications, not as workloads.
package struct WorkloadCommon: Hashable, Sendable {
    package var namespace = ""
    package var network = ""
    package var trustDomain = ""
    package var serviceAccount = ""
    package var canonicalName = ""
    package var canonicalRevision = ""
    package var kind = Workload.Kind.deployment
    package var clusterID = ""
    package var authorizationPolicies: [String] = []
    package var services: [ServiceMembership] = []
    package var locality: Locality?
    package var hostname = ""
    package var waypoint: GatewayAddress?
    package var networkGateway: GatewayAddress?
    package var applicationTunnel: ApplicationTunnel?

    package init() {}
}
