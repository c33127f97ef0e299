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

/// Brings what is captured on this host in line with the mesh. On the node's loop; everything that blocks is an errand.
final class Enrolment {
    private let node: Node
    private(set) var enrollees: [String: Enrollee] = [:]
    private var wanted: [String: EnrolmentPlan] = [:]
    private var numbers = 0

    init(node: Node) { self.node = node }

    /// The mesh, or the namespaces of this host, changed.
    func reconcile(_ snapshot: MeshSnapshot) {
        wanted = plans(snapshot)
        for (uid, enrollee) in enrollees where wanted[uid]?.namespaceName != enrollee.plan.namespaceName {
            enrollee.isInMesh = snapshot.workload(uid: uid) != nil
            leave(enrollee)
        }
        for (uid, plan) in wanted {
            guard let enrollee = enrollees[uid] else {
                enrol(plan)
                continue
            }
            guard enrollee.plan.namespaceName == plan.namespaceName else { continue }
            enrollee.isInMesh = true
            switch enrollee.phase {
            case .refused: retry(enrollee, plan)
            case .draining: comeBack(enrollee)
            case .captured: if enrollee.plan != plan { replace(enrollee, plan) }
            case .preparing, .releasing, .finishing: break
            }
        }
    }

    private func plans(_ snapshot: MeshSnapshot) -> [String: EnrolmentPlan] {
        var plans: [String: EnrolmentPlan] = [:]
        for local in snapshot.local where local.captured && local.node == node.configuration.node {
            guard let name = local.networkNamespace, let id = snapshot.workload(uid: local.uid),
                let identity = snapshot[id].identity
            else { continue }
            let workload = snapshot[id].workload
            let nonTCP = local.nonTCP.map { $0 == .drop } ?? (node.configuration.capture.nonTCP == .drop)
            plans[local.uid] = EnrolmentPlan(
                uid: local.uid, name: workload.displayName, identity: identity, addresses: workload.addresses.sorted(),
                network: workload.network, namespaceName: name, dropsNonTCP: nonTCP)
        }
        return plans
    }

    // MARK: - In

    private func enrol(_ plan: EnrolmentPlan) {
        numbers += 1
        let enrollee = Enrollee(numbers, plan)
        enrollees[plan.uid] = enrollee
        prepare(enrollee)
    }

    private func retry(_ enrollee: Enrollee, _ plan: EnrolmentPlan) {
        if enrollee.workload == nil { enrollee.plan = plan }
        enrollee.phase = .preparing
        if enrollee.workload == nil { prepare(enrollee) } else { install(enrollee) }
    }

    /// The enrollee that sent an errand, if it is still here.
    private func enrollee(_ plan: EnrolmentPlan, _ number: Int) -> Enrollee? {
        enrollees[plan.uid].flatMap { $0.number == number ? $0 : nil }
    }

    /// Another identity, other addresses or other rules, in the same namespace: captured throughout, since a release in between would let new
    /// connections out in plain (I01).
    private func replace(_ enrollee: Enrollee, _ plan: EnrolmentPlan) {
        guard !enrollee.isReplacing, let place = enrollee.workload?.place else { return }
        enrollee.isReplacing = true
        let (authority, directory, number) = (node.authority, node.captureDirectory, enrollee.number)
        node.errand {
            CapturedNamespace.replace(plan, at: place, authority: authority, stateDirectory: directory)
        } then: { node, result in
            node.enrolment.replaced(plan, number, result)
        }
    }

    private func replaced(_ plan: EnrolmentPlan, _ number: Int, _ result: Result<PreparedWorkload, CaptureRefusal>) {
        guard let enrollee = enrollee(plan, number) else { return }
        enrollee.isReplacing = false
        guard case .captured = enrollee.phase else { return }
        switch result {
        case .success(let prepared):
            enrollee.plan = plan
            enrollee.workload = prepared.workload
            enrollee.credential = prepared.credential
            enrollee.nextRenewal = Authority.renewal(of: prepared.credential.credential)
            enrollee.lastRefusal = nil
            node.tell(.replace(prepared.workload, prepared.credential))
            node.probes.update()
            node.log.scoped(.capture).info("\(plan.name) changed: it is \(plan.identity) now")
        case .failure(let refusal):
            // Captured as it was, and tried again: to let it go would open it.
            if enrollee.lastRefusal != refusal.reason {
                node.log.scoped(.capture).error("\(plan.name) stays as it was: \(refusal.reason)")
            }
            enrollee.lastRefusal = refusal.reason
        }
    }

    private func prepare(_ enrollee: Enrollee) {
        let plan = enrollee.plan
        if let other = enrollees.values.first(where: {
            $0 !== enrollee && $0.plan.namespaceName == plan.namespaceName && $0.workload != nil
        }) {
            refuse(
                enrollee,
                "network namespace \(plan.namespaceName) already belongs to \(other.plan.name): one workload per namespace")
            // One that only drains makes way: its successor has the namespace.
            if wanted[other.plan.uid] == nil {
                remove(other, ConnectionFailure(.shutdown, "\(plan.name) took over its namespace"))
            }
            return
        }
        let (authority, stateDirectory, number) = (node.authority, node.captureDirectory, enrollee.number)
        node.errand {
            CapturedNamespace.prepare(plan, authority: authority, stateDirectory: stateDirectory)
        } then: { node, result in
            node.enrolment.prepared(plan, number, result)
        }
    }

    private func prepared(
        _ plan: EnrolmentPlan, _ number: Int, _ result: Result<PreparedWorkload, CaptureRefusal>
    ) {
        guard let enrollee = enrollee(plan, number), case .preparing = enrollee.phase else {
            // It left while it was being prepared; nothing was redirected yet, and the listeners close with this value.
            return
        }
        switch result {
        case .failure(let refusal): refuse(enrollee, refusal.reason)
        case .success(let prepared):
            enrollee.workload = prepared.workload
            enrollee.credential = prepared.credential
            enrollee.nextRenewal = Authority.renewal(of: prepared.credential.credential)
            // Listeners and certificate first: only then may anything be redirected to them.
            node.tell(.enrol(prepared.workload, prepared.credential))
            install(enrollee)
        }
        if wanted[plan.uid]?.namespaceName != plan.namespaceName { leave(enrollee) }
    }

    private func install(_ enrollee: Enrollee) {
        guard let workload = enrollee.workload else { return }
        let (plan, directory, number) = (enrollee.plan, node.captureDirectory, enrollee.number)
        node.errand {
            CapturedNamespace.install(plan, workload, stateDirectory: directory)
        } then: { node, failure in
            node.enrolment.installed(plan, number, failure)
        }
    }

    private func installed(_ plan: EnrolmentPlan, _ number: Int, _ failure: CaptureRefusal?) {
        guard let enrollee = enrollee(plan, number), case .preparing = enrollee.phase else { return }
        if let failure {
            // Listeners and certificate stay for the next try; what rules there may be lead to them.
            refuse(enrollee, failure.reason)
            return
        }
        enrollee.phase = .captured
        node.log.scoped(.capture).info("captured \(plan.name) in \(plan.namespaceName)")
        node.workloadsSettled()
        if wanted[plan.uid]?.namespaceName != plan.namespaceName { leave(enrollee) }
        if let newer = wanted[plan.uid], newer != plan { replace(enrollee, newer) }
    }

    private func refuse(_ enrollee: Enrollee, _ reason: String) {
        enrollee.phase = .refused(reason)
        // Tried again every few seconds: said once per reason.
        if enrollee.lastRefusal != reason { node.log.scoped(.capture).error("can't capture \(enrollee.plan.name): \(reason)") }
        enrollee.lastRefusal = reason
        node.workloadsSettled()
    }

    // MARK: - Out

    private func leave(_ enrollee: Enrollee) {
        switch enrollee.phase {
        case .refused:
            if enrollee.workload == nil { enrollees[enrollee.plan.uid] = nil } else { finish(enrollee, nil) }
        case .preparing:
            // What was redirected meanwhile is released when the errand is back.
            if enrollee.workload == nil { enrollees[enrollee.plan.uid] = nil }
        case .captured: release(enrollee)
        case .releasing, .draining, .finishing: break
        }
    }

    /// Step one: new connections are free at once, open ones go on (I02).
    private func release(_ enrollee: Enrollee) {
        guard let workload = enrollee.workload else { return }
        enrollee.phase = .releasing
        let (plan, directory, number) = (enrollee.plan, node.captureDirectory, enrollee.number)
        node.tell(.drain(uid: plan.uid, retiring: !enrollee.isInMesh))
        node.errand {
            CapturedNamespace.beginRelease(plan, workload, stateDirectory: directory)
        } then: { node, failure in
            node.enrolment.released(plan, number, failure)
        }
    }

    private func released(_ plan: EnrolmentPlan, _ number: Int, _ failure: CaptureRefusal?) {
        guard let enrollee = enrollee(plan, number), case .releasing = enrollee.phase else { return }
        if let failure { node.log.scoped(.capture).error("releasing \(plan.name): \(failure.reason)") }
        enrollee.phase = .draining(since: Instant.now(), idle: nil)
        enrollee.census = [:]
        node.log.scoped(.capture).info("released \(plan.name); its captured connections go on")
        if wanted[plan.uid]?.namespaceName == plan.namespaceName { comeBack(enrollee) } else { node.needCensus() }
    }

    private func comeBack(_ enrollee: Enrollee) {
        enrollee.phase = .preparing
        node.tell(.resume(uid: enrollee.plan.uid))
        install(enrollee)
    }

    /// Somebody counted: is anything still draining for a reason?
    func counted(worker: Int, open: [String: Int], workers: Int) {
        let now = Instant.now()
        for enrollee in enrollees.values {
            guard case .draining(let since, let idle) = enrollee.phase else { continue }
            enrollee.census[worker] = open[enrollee.plan.uid] ?? 0
            guard enrollee.census.count == workers else { continue }
            let total = enrollee.census.values.reduce(0, +)
            let limits = node.configuration.capture
            let isOver = limits.drainMaximum.map { now.since(since) >= $0 } ?? false
            let isLate = !enrollee.isInMesh && now.since(since) >= node.configuration.timeouts.drain
            if total == 0 {
                let idleSince = idle ?? now
                enrollee.phase = .draining(since: since, idle: idleSince)
                if now.since(idleSince) >= limits.drainLimit { finish(enrollee, nil) }
            } else {
                enrollee.phase = .draining(since: since, idle: nil)
                if isOver || isLate { finish(enrollee, ConnectionFailure(.shutdown, "\(enrollee.plan.name) was released")) }
            }
        }
    }

    var isDraining: Bool {
        enrollees.values.contains { if case .draining = $0.phase { true } else { false } }
    }

    /// Step two: nothing of ours is left.
    private func finish(_ enrollee: Enrollee, _ failure: ConnectionFailure?) {
        guard let workload = enrollee.workload else { return }
        enrollee.phase = .finishing
        let (plan, directory, number) = (enrollee.plan, node.captureDirectory, enrollee.number)
        node.tell(.remove(uid: plan.uid, failure ?? ConnectionFailure(.shutdown, "\(plan.name) was released")))
        forgetKey(of: enrollee)
        node.errand {
            CapturedNamespace.finishRelease(plan, workload, stateDirectory: directory)
        } then: { node, failure in
            node.enrolment.finished(plan, number, failure)
        }
    }

    private func finished(_ plan: EnrolmentPlan, _ number: Int, _ failure: CaptureRefusal?) {
        guard let enrollee = enrollee(plan, number), case .finishing = enrollee.phase else { return }
        enrollees[plan.uid] = nil
        if let failure {
            node.log.scoped(.capture).error(
                "rules of \(plan.name) may be left: \(failure.reason); `warrend cleanup` removes them")
        } else {
            node.log.scoped(.capture).info("nothing is left of the capture of \(plan.name)")
        }
        node.reconcile()
    }

    /// At once and with all that is open: its namespace is gone or given to another.
    private func remove(_ enrollee: Enrollee, _ failure: ConnectionFailure) {
        switch enrollee.phase {
        case .finishing: break
        case .preparing, .captured, .refused, .releasing, .draining:
            if enrollee.workload != nil { finish(enrollee, failure) } else { enrollees[enrollee.plan.uid] = nil }
        }
    }

    /// The certificate of an identity that no workload here has any more is forgotten.
    private func forgetKey(of enrollee: Enrollee) {
        let identity = enrollee.plan.identity
        let isShared = enrollees.values.contains { $0 !== enrollee && $0.plan.identity == identity }
        guard !isShared, !enrollee.isInMesh, let authority = node.authority else { return }
        node.errand {
            authority.forget(identity)
        } then: { _, _ in
        }
    }

    // MARK: - Namespaces that vanish, rules that vanish, certificates that end

    /// Something changed below /run/netns: a name that is gone, or that means another namespace now, ends its workload (I04).
    func namespacesChanged() {
        for enrollee in enrollees.values {
            guard let workload = enrollee.workload else { continue }
            if case .finishing = enrollee.phase { continue }
            let current = try? NetworkNamespace(path: "/run/netns/\(enrollee.plan.namespaceName)").identity
            guard current != workload.place.namespace.identity else { continue }
            node.log.scoped(.capture).warn("network namespace \(enrollee.plan.namespaceName) of \(enrollee.plan.name) is gone")
            remove(enrollee, ConnectionFailure(.shutdown, "the network namespace of \(enrollee.plan.name) is gone"))
        }
        node.reconcile()
    }

    /// After a start: what a process before us captured and nobody wants any more is released. Nothing can be open in it.
    func releaseLeftovers() {
        let names = Set(wanted.values.map(\.namespaceName))
        let directory = node.captureDirectory
        node.errand {
            Capture(stateDirectory: directory).cleanup(exceptNamed: names)
        } then: { node, report in
            for line in report.removed { node.log.scoped(.capture).info("left over from before: \(line)") }
            for line in report.failures { node.log.scoped(.capture).error("left over from before: \(line)") }
        }
    }

    /// New connections are refused; open ones go on (I07).
    func stopListening() {
        for enrollee in enrollees.values { enrollee.workload?.place.stopListening() }
    }

    /// Puts back what somebody else took away (I03).
    func verify() {
        for enrollee in enrollees.values {
            guard case .captured = enrollee.phase, !enrollee.isVerifying, let workload = enrollee.workload else { continue }
            enrollee.isVerifying = true
            let (plan, directory, number) = (enrollee.plan, node.captureDirectory, enrollee.number)
            node.errand {
                CapturedNamespace.restore(plan, workload, stateDirectory: directory)
            } then: { node, restored in
                node.enrolment.restored(plan, number, restored)
            }
        }
    }

    private func restored(_ plan: EnrolmentPlan, _ number: Int, _ result: Result<[String], CaptureRefusal>) {
        enrollee(plan, number)?.isVerifying = false
        switch result {
        case .success(let missing) where missing.isEmpty: break
        case .success(let missing):
            node.metrics.captureRestored()
            node.log.scoped(.capture).warn("restored the capture of \(plan.name): \(missing.joined(separator: ", "))")
        case .failure(let failure):
            node.log.scoped(.capture).error("the capture of \(plan.name) can't be restored: \(failure.reason)")
        }
    }

    /// Renews what is due. Called now and then; wall time decides (I11).
    func renewDue() {
        guard let authority = node.authority else { return }
        let now = WallTime.now().seconds
        for enrollee in enrollees.values where enrollee.isInPlace && enrollee.isDue(now) {
            let plan = enrollee.plan
            enrollee.isRenewing = true
            node.errand {
                authority.credential(for: plan.identity, renew: true)
            } then: { node, result in
                node.enrolment.renewed(plan, result)
            }
        }
    }

    /// The CA changed: every certificate is made anew, and every tunnel on an old one takes no new stream (I09).
    func renewAll() {
        for enrollee in enrollees.values { enrollee.nextRenewal = 0 }
        renewDue()
    }

    private func renewed(_ plan: EnrolmentPlan, _ result: Result<WorkloadCredential, AuthorityFailure>) {
        guard let enrollee = enrollees[plan.uid], enrollee.plan.identity == plan.identity, enrollee.isInPlace else { return }
        enrollee.isRenewing = false
        // After a failure half a minute's rest; the old certificate serves while it is valid.
        enrollee.nextRenewal = WallTime.now().seconds + 30
        switch result {
        case .success(let credential):
            enrollee.credential = credential
            enrollee.renewalFailure = nil
            enrollee.nextRenewal = Authority.renewal(of: credential.credential)
            node.tell(.renew(uid: plan.uid, credential))
            node.log.scoped(.identity).info("renewed the certificate of \(plan.identity)")
        case .failure(let failure):
            enrollee.renewalFailure = failure.description
            node.log.scoped(.identity).error("the certificate of \(plan.identity) can't be renewed: \(failure)")
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
