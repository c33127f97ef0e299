// SPDX-License-Identifier: Apache-2.0

internal import HTTP
internal import Kernel
internal import Telemetry
internal import Tunnel

/// What a worker was configured with: its share of the daemon's limits. Immutable.
struct WorkerSettings: Sendable {
    var tunnel = TunnelBounds()
    var clientHTTP2 = HTTP2Settings(.client)
    var serverHTTP2 = HTTP2Settings(.server)
    /// Probes of every leg.
    var keepalive = Keepalive()
    /// Name of the congestion control; nil: the host's.
    var congestionControl: String?
    /// From a captured connection to the moment when the application at the other end is reached, all attempts together.
    var reachTimeout = Interval.seconds(20)
    /// From SYN to established towards applications and unknown destinations.
    var connectTimeout = Interval.seconds(10)
    /// Connections of this worker, and of one workload on this worker.
    var connections = 100_000
    var connectionsPerWorkload = 50_000
    /// Descriptors that connections may use; what the daemon has beyond is kept for tunnels, admin, logs and accepting.
    var descriptors = 16_000
    /// How many of them one workload may use.
    var descriptorsPerWorkload = 14_000
    /// TLS handshakes under way that peers began; further ones are closed unheard, and their peers come again.
    var handshakes = 1000
    /// How many of them may be with one workload.
    var handshakesPerWorkload = 250
    /// Connections that a workload may always begin in a second, also while the worker is short of time and serves others.
    var pace = 1000
    /// What one peer address may have of this worker.
    var peers = PeerLedger.Bounds()
    /// Two for each direction that is being spliced; beyond, bytes are copied.
    var splicePipes = 64
    /// Two workloads of one host speak through a tunnel all the same.
    var tunnelsOnSameHost = false
    /// How many series a worker tells, and for how long.
    var metrics = MetricOptions()
    /// This host's name in the mesh.
    var node = ""
}
