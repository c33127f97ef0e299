// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Kernel
internal import TLS

/// A workload of this host whose traffic is captured: what every loop needs of it. Immutable.
final class EnrolledWorkload: Sendable {
    let uid: String
    /// `NAMESPACE/NAME`, for people.
    let name: String
    let identity: SPIFFEID
    let addresses: [IPAddress]
    let network: String
    let place: WorkloadPlace

    init(_ plan: EnrolmentPlan, at place: WorkloadPlace) {
        uid = plan.uid
        name = plan.name
        identity = plan.identity
        addresses = plan.addresses
        network = plan.network
        self.place = place
    }
}

/// Where a workload is captured: its namespace, and our listeners 15001, 15006 and 15008 in it, which all loops watch. A workload whose resource changes
/// stays in its place. The last holder closes everything, and so lets the kernel free the namespace.
final class WorkloadPlace: Sendable {
    let namespace: NetworkNamespace
    let outbound: Descriptor
    let inbound: Descriptor
    let hbone: Descriptor

    init(
        namespace: consuming NetworkNamespace, outbound: consuming Descriptor, inbound: consuming Descriptor,
        hbone: consuming Descriptor
    ) {
        self.namespace = namespace
        self.outbound = outbound
        self.inbound = inbound
        self.hbone = hbone
    }

    /// New connections are refused from now on, those that wait to be accepted too.
    func stopListening() {
        outbound.stopListening()
        inbound.stopListening()
        hbone.stopListening()
    }
}

/// A certificate with its key, ready for both ends of tunnels.
struct WorkloadCredential: Sendable {
    let credential: Credential
    let server: TLSContext
    let client: TLSContext

    init(_ credential: Credential) throws(CertificateFailure) {
        self.credential = credential
        server = try TLSContext(role: .server, credential: credential)
        client = try TLSContext(role: .client, credential: credential)
    }
}
