// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Capture
internal import Daemon
internal import Kernel
internal import Mesh
internal import TLS
internal import Telemetry
internal import Tunnel

// What changes without the mesh: namespaces that vanish, rules that vanish, certificates that end.
extension Enrolment {
    /// Something changed below /run/netns: a name that is gone, or that means another namespace now, ends its workload (I04).
    func namespacesChanged() {
        guard node.isInCharge || handsOff else { return }
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
    ///
    /// A first mesh that captures nothing here is more likely a wrong path or an empty mount than a wish: what stands is left standing then (I18),
    /// and looked at again with the next mesh. False if so.
    func releaseLeftovers() -> Bool {
        // Those too whose release the daemon before this one began.
        let names = Set(wanted.values.map(\.namespaceName)).union(enrollees.values.map(\.plan.namespaceName))
        guard !names.isEmpty || node.isMeshAuthoritative else { return false }
        let directory = node.captureDirectory
        node.errand {
            Capture(stateDirectory: directory).cleanup(exceptNamed: names)
        } then: { node, report in
            for line in report.removed { node.log.scoped(.capture).info("left over from before: \(line)") }
            for line in report.failures { node.log.scoped(.capture).error("left over from before: \(line)") }
        }
        return true
    }

    /// New connections are refused; open ones go on (I07).
    func stopListening() {
        for enrollee in enrollees.values { enrollee.workload?.place.listeners?.stopListening() }
    }

    /// Puts back what somebody else took away (I03).
    func verify() {
        guard node.isInCharge else { return }
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

    func restored(_ plan: EnrolmentPlan, _ number: Int, _ result: Result<[String], CaptureRefusal>) {
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
        guard node.isInCharge else { return }
        let now = WallTime.now().seconds
        for enrollee in enrollees.values where enrollee.isInPlace && enrollee.isDue(now) {
            let plan = enrollee.plan
            enrollee.isRenewing = true
            node.renewCredential(plan.identity) { [unowned self] in renewed(plan, $0) }
        }
    }

    /// The control plane is back: what it couldn't renew is tried again, what has ended at once and the rest within some seconds by chance, since all
    /// hosts come back together (I25).
    func renewFailed() {
        let now = WallTime.now().seconds
        for enrollee in enrollees.values where enrollee.renewalFailure != nil {
            let hasEnded = enrollee.credential.map { $0.credential.notAfter <= now } ?? true
            enrollee.nextRenewal = hasEnded ? now : min(enrollee.nextRenewal, now + Int64(Self.comeback * randomFraction()))
        }
        renewDue()
    }

    /// Seconds.
    private static let comeback = 10.0

    /// The CA changed: every certificate is made anew, and every tunnel on an old one takes no new stream (I09).
    func renewAll() {
        for enrollee in enrollees.values { enrollee.nextRenewal = 0 }
        renewDue()
    }

    func renewed(_ plan: EnrolmentPlan, _ result: Result<WorkloadCredential, AuthorityFailure>) {
        guard let enrollee = enrollees[plan.uid], enrollee.plan.identity == plan.identity, enrollee.isInPlace else { return }
        enrollee.isRenewing = false
        // After a failure half a minute's rest; the old certificate serves while it is valid.
        enrollee.nextRenewal = WallTime.now().seconds + node.renewalPause
        switch result {
        case .success(let credential):
            node.registry.add(to: .certificateRenewals, ["ok"])
            enrollee.credential = credential
            enrollee.renewalFailure = nil
            enrollee.nextRenewal = node.renewal(of: credential.credential)
            node.tell(.renew(uid: plan.uid, credential))
            node.log.scoped(.identity).info("renewed the certificate of \(plan.identity)")
        case .failure(let failure):
            node.registry.add(to: .certificateRenewals, ["failed"])
            enrollee.renewalFailure = failure.description
            node.log.scoped(.identity).error("the certificate of \(plan.identity) can't be renewed: \(failure)")
        }
    }
}
