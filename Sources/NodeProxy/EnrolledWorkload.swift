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

/// Where a workload is captured: its namespace, and our listeners in it. A workload whose resource changes stays in its place. The last holder closes
/// everything, and so lets the kernel free the namespace.
final class WorkloadPlace: Sendable {
    let namespace: NetworkNamespace
    /// Nil in a daemon that handed them over and finishes what it has.
    let listeners: WorkloadListeners?

    init(namespace: consuming NetworkNamespace, listeners: WorkloadListeners?) {
        self.namespace = namespace
        self.listeners = listeners
    }

    /// The same namespace, without the listeners.
    func withoutListeners() throws(Errno) -> WorkloadPlace {
        let descriptor = try namespace.descriptor.duplicate()
        return WorkloadPlace(namespace: try NetworkNamespace(takingOwnership: descriptor), listeners: nil)
    }
}

/// A workload's listeners 15001, 15006 and 15008 in its namespace, which all loops watch, and for a moment those of two daemons. Immutable; closed by
/// the last holder.
final class WorkloadListeners: Sendable {
    private let outbound: Descriptor
    private let inbound: Descriptor
    private let hbone: Descriptor

    init(outbound: consuming Descriptor, inbound: consuming Descriptor, hbone: consuming Descriptor) {
        self.outbound = outbound
        self.inbound = inbound
        self.hbone = hbone
    }

    func number(_ port: WorkloadListener.Port) -> CInt {
        switch port {
        case .outbound: outbound.number
        case .inbound: inbound.number
        case .hbone: hbone.number
        }
    }

    func localAddress(_ port: WorkloadListener.Port) -> SocketAddress? {
        switch port {
        case .outbound: outbound.localAddress()
        case .inbound: inbound.localAddress()
        case .hbone: hbone.localAddress()
        }
    }

    func accept(_ port: WorkloadListener.Port) throws(Errno) -> Accepted? {
        switch port {
        case .outbound: try outbound.accept()
        case .inbound: try inbound.accept()
        case .hbone: try hbone.accept()
        }
    }

    /// New connections are refused from now on, those that wait to be accepted too: in every process that has these sockets, so never while another
    /// daemon may have them.
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
