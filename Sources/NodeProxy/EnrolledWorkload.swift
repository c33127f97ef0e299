// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Kernel
internal import TLS

/// A workload of this host whose traffic is captured: what every loop needs of it. Immutable; the last holder closes namespace and listeners.
final class EnrolledWorkload: Sendable {
    let uid: String
    /// `NAMESPACE/NAME`, for people.
    let name: String
    let identity: SPIFFEID
    let addresses: [IPAddress]
    let network: String
    let namespace: NetworkNamespace
    /// 15001, 15006 and 15008 inside the namespace, watched by all loops.
    let listeners: WorkloadListeners

    init(
        uid: String, name: String, identity: SPIFFEID, addresses: [IPAddress], network: String,
        namespace: consuming NetworkNamespace, listeners: consuming WorkloadListeners
    ) {
        self.uid = uid
        self.name = name
        self.identity = identity
        self.addresses = addresses
        self.network = network
        self.namespace = namespace
        self.listeners = listeners
    }
}

/// The three listening sockets of a captured workload.
struct WorkloadListeners: ~Copyable, Sendable {
    let outbound: Descriptor
    let inbound: Descriptor
    let hbone: Descriptor
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
