// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Mesh
internal import Telemetry
internal import Tunnel

/// What the node tells a worker. In order; each is done before the next is looked at.
enum WorkerMessage: Sendable {
    /// The mesh as it is now. Open connections are judged again (I17).
    case snapshot(MeshSnapshot)
    /// Begin to serve a workload's listeners.
    case enrol(EnrolledWorkload, WorkloadCredential)
    /// The same workload in the same place, with another identity or other addresses.
    case replace(EnrolledWorkload, WorkloadCredential)
    /// A renewed certificate; tunnels on the old one take no new stream (I09).
    case renew(uid: String, WorkloadCredential)
    /// Nothing new is captured; what is open goes on, and tunnels are still served.
    /// `retiring`: the workload itself left the mesh, so its tunnels say goodbye too.
    case drain(uid: String, retiring: Bool)
    /// Drained before, captured again.
    case resume(uid: String)
    /// The workload is gone: everything of it ends with this failure, and its listeners are let go.
    case remove(uid: String, ConnectionFailure)
    /// A connection that another worker accepted and this one has more time for.
    case passed(PassedConnection)
    /// Watch the probes' listeners.
    case probes(ProbeListeners)
    /// How many connections are open, by workload.
    case census
    case metrics
    case connections
    case tunnels
    /// Watch the listeners: until then those of a daemon that takes over are left to the one before it.
    case serve
    /// Another daemon has the listeners: watch none, finish what is open, and say goodbye on tunnels. Each workload as it is without them.
    case handedOver([EnrolledWorkload])
    /// Is there still nothing left?
    case confirmIdle(round: Int)
    /// No new connection; tell when all are gone.
    case shutdown
    /// End whatever is left.
    case halt
}

/// What workers and errands tell the node.
enum NodeMessage: Sendable {
    case census(worker: Int, open: [String: Int], tunnels: Int)
    case metrics(worker: Int, MetricSnapshot)
    case connections(worker: Int, [ConnectionInfo])
    case tunnels(worker: Int, [TunnelInfo])
    /// An old snapshot comes back: loops never free one.
    case returned(MeshSnapshot)
    case idle(worker: Int)
    case stillIdle(worker: Int, round: Int, Bool)
    /// An errand is done; the body runs on the node's loop.
    case done(@Sendable (Node) -> Void)
}
