// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Capture
internal import Daemon
internal import Kernel
internal import Mesh
internal import TLS
internal import Telemetry
internal import Tunnel

/// Brings what is captured on this host in line with the mesh. On the node's loop; everything that blocks is an errand.
final class Enrolment {
    let node: Node
    private(set) var enrollees: [String: Enrollee] = [:]
    var wanted: [String: EnrolmentPlan] = [:]
    var numbers = 0

    init(node: Node) { self.node = node }

    func insert(_ enrollee: Enrollee) { enrollees[enrollee.plan.uid] = enrollee }
    func forget(_ enrollee: Enrollee) { enrollees[enrollee.plan.uid] = nil }

    /// Another daemon looks after rules, records and keys; what becomes of the connections here is the same.
    var handsOff: Bool { node.duty == .draining }

    /// The mesh, or the namespaces of this host, changed.
    func reconcile(_ snapshot: MeshSnapshot) {
        wanted = plans(snapshot)
        // What it means is looked at when the hand-over is done or given up.
        guard node.duty != .offering else { return }
        // Who takes over takes nothing away yet.
        for (uid, enrollee) in enrollees
        where node.duty != .building && wanted[uid]?.namespaceName != enrollee.plan.namespaceName {
            enrollee.isInMesh = snapshot.workload(uid: uid) != nil
            leave(enrollee)
        }
        for (uid, plan) in wanted {
            guard let enrollee = enrollees[uid] else {
                if !handsOff { enrol(plan) }
                continue
            }
            guard enrollee.plan.namespaceName == plan.namespaceName else { continue }
            enrollee.isInMesh = true
            switch enrollee.phase {
            case .refused: retry(enrollee, plan)
            case .draining: comeBack(enrollee)
            case .captured: if enrollee.plan != plan, node.duty != .building { replace(enrollee, plan) }
            case .preparing, .releasing, .finishing: break
            }
        }
        node.hostGuard.update()
    }

    func plans(_ snapshot: MeshSnapshot) -> [String: EnrolmentPlan] {
        var plans: [String: EnrolmentPlan] = [:]
        for local in snapshot.local where local.captured && local.node == node.configuration.node {
            guard let name = local.networkNamespace, let id = snapshot.workload(uid: local.uid),
                let identity = snapshot[id].identity
            else { continue }
            let workload = snapshot[id].workload
            let nonTCP = local.nonTCP.map { $0 == .drop } ?? (node.configuration.capture.nonTCP == .drop)
            plans[local.uid] = EnrolmentPlan(
                uid: local.uid, name: workload.displayName, identity: identity, addresses: workload.addresses.sorted(),
                network: workload.network, namespaceName: name, dropsNonTCP: nonTCP, keepalive: node.configuration.keepalive)
        }
        return plans
    }

    // MARK: - In

    func enrol(_ plan: EnrolmentPlan) {
        numbers += 1
        let enrollee = Enrollee(numbers, plan)
        enrollees[plan.uid] = enrollee
        prepare(enrollee)
    }

    func retry(_ enrollee: Enrollee, _ plan: EnrolmentPlan) {
        if enrollee.workload == nil { enrollee.plan = plan }
        enrollee.phase = .preparing
        if enrollee.workload == nil { prepare(enrollee) } else { install(enrollee) }
    }

    /// The enrollee that sent an errand, if it is still here.
    func enrollee(_ plan: EnrolmentPlan, _ number: Int) -> Enrollee? {
        enrollees[plan.uid].flatMap { $0.number == number ? $0 : nil }
    }

    /// Another identity, other addresses or other rules, in the same namespace: captured throughout, since a release in between would let new
    /// connections out in plain (I01).
    func replace(_ enrollee: Enrollee, _ plan: EnrolmentPlan) {
        guard !enrollee.isReplacing, let place = enrollee.workload?.place else { return }
        if handsOff { return adopt(plan, for: enrollee, at: place) }
        enrollee.isReplacing = true
        let (node, directory, number) = (node, node.captureDirectory, enrollee.number)
        node.credentialSource(for: plan.identity) { authority in
            node.errand {
                CapturedNamespace.replace(plan, at: place, authority: authority, stateDirectory: directory)
            } then: { node, result in
                node.enrolment.replaced(plan, number, result)
            }
        }
    }

    func replaced(_ plan: EnrolmentPlan, _ number: Int, _ result: Result<PreparedWorkload, CaptureRefusal>) {
        guard let enrollee = enrollee(plan, number) else { return }
        enrollee.isReplacing = false
        guard case .captured = enrollee.phase else { return }
        switch result {
        case .success(let prepared):
            enrollee.plan = plan
            enrollee.workload = prepared.workload
            enrollee.credential = prepared.credential
            enrollee.nextRenewal = node.renewal(of: prepared.credential.credential)
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

    func prepare(_ enrollee: Enrollee) {
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
        let number = enrollee.number
        node.credentialSource(for: plan.identity) { [unowned self] in prepare(plan, number, $0) }
    }

    /// With what gives it its certificate at hand.
    private func prepare(_ plan: EnrolmentPlan, _ number: Int, _ authority: (any CredentialSource)?) {
        // It may have left while a control plane was asked.
        guard let enrollee = enrollee(plan, number), case .preparing = enrollee.phase else { return }
        var taken: [NamespaceIdentity: String] = [:]
        for other in enrollees.values where other !== enrollee {
            if let place = other.workload?.place { taken[place.namespace.identity] = other.plan.name }
        }
        // Its listeners may pass to another daemon at this moment; it is tried again soon.
        guard node.duty != .offering else { return enrollee.phase = .refused("another daemon takes over") }
        let inheritance = node.takeover?.inheritance
        node.errand { [taken] in
            CapturedNamespace.prepare(plan, taken: taken, authority: authority, inheritance: inheritance)
        } then: { node, result in
            node.enrolment.prepared(plan, number, result)
        }
    }

    func prepared(
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
            enrollee.nextRenewal = node.renewal(of: prepared.credential.credential)
            // Listeners and certificate first: only then may anything be redirected to them.
            node.tell(.enrol(prepared.workload, prepared.credential))
            if enrollee.isToDrain { return adoptRelease(enrollee) }
            install(enrollee)
        }
        if node.isInCharge, wanted[plan.uid]?.namespaceName != plan.namespaceName { leave(enrollee) }
    }

    func install(_ enrollee: Enrollee) {
        guard let workload = enrollee.workload else { return }
        let (plan, directory, number) = (enrollee.plan, node.captureDirectory, enrollee.number)
        node.errand {
            CapturedNamespace.install(plan, workload, stateDirectory: directory)
        } then: { node, failure in
            node.enrolment.installed(plan, number, failure)
        }
    }

    func installed(_ plan: EnrolmentPlan, _ number: Int, _ failure: CaptureRefusal?) {
        guard let enrollee = enrollee(plan, number), case .preparing = enrollee.phase else { return }
        if let failure {
            // Listeners and certificate stay for the next try; what rules there may be lead to them.
            refuse(enrollee, failure.reason)
            return
        }
        enrollee.phase = .captured
        node.registry.add(to: .proxiesStarted)
        node.log.scoped(.capture).info("captured \(plan.name) in \(plan.namespaceName)")
        node.hostGuard.update()
        node.workloadsSettled()
        guard node.isInCharge else { return }
        if wanted[plan.uid]?.namespaceName != plan.namespaceName { leave(enrollee) }
        if let newer = wanted[plan.uid], newer != plan { replace(enrollee, newer) }
    }

    func refuse(_ enrollee: Enrollee, _ reason: String) {
        enrollee.phase = .refused(reason)
        // Tried again every few seconds: said once per reason.
        if enrollee.lastRefusal != reason { node.log.scoped(.capture).error("can't capture \(enrollee.plan.name): \(reason)") }
        enrollee.lastRefusal = reason
        node.hostGuard.update()
        node.workloadsSettled()
    }

    // MARK: - Out

    func leave(_ enrollee: Enrollee) {
        switch enrollee.phase {
        case .refused where enrollee.isToDrain && enrollee.workload == nil: adoptAgain(enrollee)
        case .refused:
            if enrollee.workload == nil { enrollees[enrollee.plan.uid] = nil } else { finish(enrollee, nil) }
        // It will leave as soon as its listeners are ours.
        case .preparing where enrollee.isToDrain: break
        case .preparing:
            // What was redirected meanwhile is released when the errand is back.
            if enrollee.workload == nil { enrollees[enrollee.plan.uid] = nil }
        case .captured: release(enrollee)
        case .releasing, .draining, .finishing: break
        }
    }

    /// Step one: new connections are free at once, open ones go on (I02).
    func release(_ enrollee: Enrollee) {
        guard let workload = enrollee.workload else { return }
        enrollee.phase = .releasing
        let (plan, directory, number) = (enrollee.plan, node.captureDirectory, enrollee.number)
        node.tell(.drain(uid: plan.uid, retiring: !enrollee.isInMesh))
        if handsOff { return released(plan, number, nil) }
        node.errand {
            CapturedNamespace.beginRelease(plan, workload, stateDirectory: directory)
        } then: { node, failure in
            node.enrolment.released(plan, number, failure)
        }
    }

    func released(_ plan: EnrolmentPlan, _ number: Int, _ failure: CaptureRefusal?) {
        guard let enrollee = enrollee(plan, number), case .releasing = enrollee.phase else { return }
        if let failure { node.log.scoped(.capture).error("releasing \(plan.name): \(failure.reason)") }
        enrollee.phase = .draining(since: Instant.now(), idle: nil)
        enrollee.census = [:]
        if !handsOff { node.log.scoped(.capture).info("released \(plan.name); its captured connections go on") }
        if wanted[plan.uid]?.namespaceName == plan.namespaceName { comeBack(enrollee) } else { node.needCensus() }
    }

    func comeBack(_ enrollee: Enrollee) {
        enrollee.phase = handsOff ? .captured : .preparing
        node.tell(.resume(uid: enrollee.plan.uid))
        if handsOff { return }
        install(enrollee)
    }

    /// Somebody counted: is anything still draining for a reason?
    func counted(worker: Int, open: [String: Int], workers: Int) {
        guard node.duty == .serving || handsOff else { return }
        let now = Instant.now()
        for enrollee in enrollees.values {
            guard case .draining(let since, let idle) = enrollee.phase else { continue }
            enrollee.census[worker] = open[enrollee.plan.uid] ?? 0
            guard enrollee.census.count == workers else { continue }
            // Those of the daemons before this one are captured by the same rules.
            guard let elsewhere = handsOff ? 0 : node.earlier.open(enrollee.plan.uid) else { continue }
            let total = enrollee.census.values.reduce(0, +) + elsewhere
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
    func finish(_ enrollee: Enrollee, _ failure: ConnectionFailure?) {
        guard let workload = enrollee.workload else { return }
        enrollee.phase = .finishing
        let (plan, directory, number) = (enrollee.plan, node.captureDirectory, enrollee.number)
        node.tell(.remove(uid: plan.uid, failure ?? ConnectionFailure(.shutdown, "\(plan.name) was released")))
        if handsOff { return enrollees[plan.uid] = nil }
        forgetKey(of: enrollee)
        node.errand {
            CapturedNamespace.finishRelease(plan, workload, stateDirectory: directory)
        } then: { node, failure in
            node.enrolment.finished(plan, number, failure)
        }
    }

    func finished(_ plan: EnrolmentPlan, _ number: Int, _ failure: CaptureRefusal?) {
        guard let enrollee = enrollee(plan, number), case .finishing = enrollee.phase else { return }
        enrollees[plan.uid] = nil
        node.registry.add(to: .proxiesStopped)
        if let failure {
            node.log.scoped(.capture).error(
                "rules of \(plan.name) may be left: \(failure.reason); `warrend cleanup` removes them")
        } else {
            node.log.scoped(.capture).info("nothing is left of the capture of \(plan.name)")
        }
        node.reconcile()
    }

    /// At once and with all that is open: its namespace is gone or given to another.
    func remove(_ enrollee: Enrollee, _ failure: ConnectionFailure) {
        switch enrollee.phase {
        case .finishing: break
        case .preparing, .captured, .refused, .releasing, .draining:
            if enrollee.workload != nil { finish(enrollee, failure) } else { enrollees[enrollee.plan.uid] = nil }
        }
    }

    /// The certificate of an identity that no workload here has any more is forgotten.
    func forgetKey(of enrollee: Enrollee) {
        let identity = enrollee.plan.identity
        let isShared = enrollees.values.contains { $0 !== enrollee && $0.plan.identity == identity }
        if !isShared, !enrollee.isInMesh { node.forgetCredential(identity) }
    }
}
