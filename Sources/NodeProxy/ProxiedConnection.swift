// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Kernel
internal import Loop
internal import Tunnel

/// A connection that a worker carries, whatever its path.
protocol ProxiedConnection: AnyObject {
    /// The captured workload at this end.
    var workload: WorkerWorkload { get }
    /// The captured workload at the other end, if that is of this host too and no tunnel lies between.
    var destination: WorkerWorkload? { get }
    /// How many descriptors it has, at most.
    var descriptors: Int { get }
    /// The snapshot changed: is it still allowed?
    func judge()
    /// Ends it: both applications see a reset.
    func cut(_ failure: ConnectionFailure)
    /// Brings the byte counters of metrics up to now.
    func account()
    func describe() -> ConnectionInfo
}

/// A workload as one worker serves it.
final class WorkerWorkload {
    private(set) var shared: EnrolledWorkload
    var credential: WorkloadCredential
    /// Its share of the loop: what it does, and what is done to it, costs others no more than that.
    let tenant: Tenant
    /// Connections that this worker carries for it.
    var open = 0
    /// Descriptors that these have.
    var descriptors = 0
    /// What its applications haven't read yet.
    let held = HeldBytes()
    /// TLS handshakes under way with it that peers began.
    var handshakes = 0
    /// The second in which it was last said that its new connections wait.
    var pacedLine = -1_000
    var isDraining = false
    var listeners: [WorkloadListener] = []
    /// Tunnels that ended at this workload, by identity of the object.
    var inboundTunnels: [ObjectIdentifier: InboundTunnel] = [:]

    /// Its resource changed; connections that are open keep what they were begun with.
    func replace(_ shared: EnrolledWorkload, _ credential: WorkloadCredential) {
        self.shared = shared
        self.credential = credential
    }

    init(_ shared: EnrolledWorkload, _ credential: WorkloadCredential, _ tenant: Tenant) {
        self.tenant = tenant
        self.shared = shared
        self.credential = credential
    }
}
