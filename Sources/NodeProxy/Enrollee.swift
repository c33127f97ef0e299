// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Capture
internal import Daemon
internal import Kernel
internal import Mesh
internal import TLS
internal import Telemetry
internal import Tunnel

/// What a workload of this host must be like to be captured. A workload whose plan changes is released and captured anew.
struct EnrolmentPlan: Hashable, Sendable {
    let uid: String
    let name: String
    let identity: SPIFFEID
    let addresses: [IPAddress]
    let network: String
    /// Below /run/netns.
    let namespaceName: String
    let dropsNonTCP: Bool
    /// Of what its listeners accept.
    let keepalive: Keepalive
}

/// One workload of this host on its way in or out.
///
///     preparing ──► captured ──label gone──► releasing ──► draining ──idle, or time is up──► finishing ──► (gone)
///        │  ▲           ▲                                     │
///        ▼  │           └─────────────label back──────────────┘
///     refused (tried again)
final class Enrollee {
    enum Phase {
        /// Namespace, listeners, certificate and rules are being made, in this order (I02).
        case preparing
        case captured
        case refused(String)
        /// Redirection is being taken away.
        case releasing
        /// What was captured goes on; `idle` is when the last connection ended.
        case draining(since: Instant, idle: Instant?)
        /// The last rules are being taken away.
        case finishing
    }

    /// Tells the answer to an errand of this enrollee from one to its predecessor's.
    let number: Int
    /// What it is captured as.
    var plan: EnrolmentPlan
    var phase = Phase.preparing
    /// An errand is changing it from one plan to another, or looking after its rules.
    var isReplacing = false
    var isVerifying = false
    var workload: EnrolledWorkload?
    var credential: WorkloadCredential?
    /// Why it wasn't captured when that was last tried.
    var lastRefusal: String?
    /// Why the certificate wasn't renewed.
    var renewalFailure: String?
    var nextRenewal: Int64 = 0
    var isRenewing = false
    /// The mesh still has the workload, though uncaptured: its connections may take their time.
    var isInMesh = true
    /// Prepared only to finish a release that the daemon before us began.
    var isToDrain = false
    /// Connections by worker, as far as they answered.
    var census: [Int: Int] = [:]

    init(_ number: Int, _ plan: EnrolmentPlan) {
        self.number = number
        self.plan = plan
    }

    /// Also a certificate that isn't valid yet is due: the clock was set back (I11).
    func isDue(_ now: Int64) -> Bool { !isRenewing && isLate(now) }

    private func isLate(_ now: Int64) -> Bool {
        nextRenewal <= now || (credential.map { now < $0.credential.notBefore } ?? false)
    }

    /// Rules of ours may be in its namespace.
    var isInPlace: Bool {
        switch phase {
        case .captured, .releasing, .draining: true
        case .preparing, .refused, .finishing: false
        }
    }
}

struct CaptureRefusal: Error, Sendable {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}

/// A namespace with listeners and a certificate, ready to be redirected to.
struct PreparedWorkload: Sendable {
    let workload: EnrolledWorkload
    let credential: WorkloadCredential
}
