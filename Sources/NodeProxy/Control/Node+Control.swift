// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Kernel
internal import Mesh
internal import TLS
internal import Telemetry

/// Where certificates come from: the CA on this host, or the control plane.
extension Node {
    /// What gives a workload its certificate in an errand. With a control plane that is asked first, which takes a while, and bounded so.
    func credentialSource(for identity: SPIFFEID, then: @escaping ((any CredentialSource)?) -> Void) {
        guard let control else { return then(authority) }
        control.certificates.first(identity) { then(GivenCredential(result: $0)) }
    }

    /// A certificate in place of one that goes on serving.
    func renewCredential(_ identity: SPIFFEID, then: @escaping (Result<WorkloadCredential, AuthorityFailure>) -> Void) {
        if let control { return control.certificates.renew(identity, done: then) }
        guard let authority else { return }
        work {
            authority.credential(for: identity, renew: true)
        } then: {
            then($0)
        }
    }

    /// The workload left for good: its key goes too.
    func forgetCredential(_ identity: SPIFFEID) {
        if let control { return control.certificates.forget(identity) }
        guard let authority else { return }
        work {
            authority.forget(identity)
        } then: {
        }
    }

    /// When a certificate is renewed: at half of its life; where many hosts ask one control plane, up to a tenth of it later by chance.
    func renewal(of credential: Credential) -> Int64 {
        guard control != nil else { return Authority.renewal(of: credential) }
        return NodeCredential.renewal(notBefore: credential.notBefore, notAfter: credential.notAfter, chance: randomFraction())
    }

    /// Seconds until a renewal that failed is tried again. The old certificate serves while it is valid.
    var renewalPause: Int64 { control == nil ? 30 : 20 + Int64(40 * randomFraction()) }
}

/// A certificate that was had before the errand, or why there is none.
private struct GivenCredential: CredentialSource {
    let result: Result<WorkloadCredential, AuthorityFailure>

    func credential(for identity: SPIFFEID, renew: Bool) -> Result<WorkloadCredential, AuthorityFailure> { result }
}

extension Node: ControlHost {
    func controlPlaneArrived() {
        control?.linkArrived()
        reconcile()
        enrolment.renewFailed()
    }

    func rootsChanged() {
        log.info("the roots changed, or this host joined anew: every certificate is made anew")
        enrolment.renewAll()
    }

    /// How the workloads of this host are, for the control plane.
    var workloadReports: [ControlReporter.Workload] {
        enrolment.enrollees.values.map { enrollee in
            switch enrollee.phase {
            case .captured: .init(uid: enrollee.plan.uid, state: "captured", reason: "")
            case .refused(let reason): .init(uid: enrollee.plan.uid, state: "failed", reason: String(reason.prefix(500)))
            case .preparing, .releasing, .draining, .finishing: .init(uid: enrollee.plan.uid, state: "waiting", reason: "")
            }
        }.sorted { $0.uid < $1.uid }
    }
}

/// Errands of a node whose results go to closures of its loop: the errands see a number, the closure stays here.
final class ControlWork {
    private unowned let node: Node
    private var next: UInt64 = 0
    private var waiting: [UInt64: (any Sendable) -> Void] = [:]

    init(node: Node) { self.node = node }

    func run<Result: Sendable>(
        ofMesh: Bool, _ work: @escaping @Sendable () -> Result, then: @escaping (Result) -> Void
    ) {
        next += 1
        let number = next
        waiting[number] = { result in if let result = result as? Result { then(result) } }
        if ofMesh {
            node.meshErrand(work) { node, result in node.finished(number, result) }
        } else {
            node.errand(work) { node, result in node.finished(number, result) }
        }
    }

    func finished(_ number: UInt64, _ result: any Sendable) { waiting.removeValue(forKey: number)?(result) }
}

extension ControlClient {
    /// What only the daemon itself can say about its control plane.
    var checkFacts: [CheckFact] {
        let info = info
        var facts: [CheckFact] = []
        if info.state == .synchronised {
            facts.append(CheckFact("control plane", .ok, "connected to \(info.address ?? "")"))
        } else {
            facts.append(
                CheckFact(
                    "control plane", .failed, info.failure ?? "not connected yet",
                    remedy:
                        "See that \(info.kind.rawValue) runs at one of \(info.addresses.joined(separator: ", ")) and can be reached."
                ))
        }
        if let failure = info.renewalFailure {
            facts.append(
                CheckFact(
                    "certificate of \(info.identity)", .failed, failure,
                    remedy: "Look at the control plane; `warren join` makes another."))
        }
        if let failure = info.tokenFailure {
            facts.append(
                CheckFact(
                    "token for istiod", .failed, failure, remedy: "See what writes the file; it is read anew for each call."))
        }
        for misfit in info.misfits.prefix(20) {
            facts.append(
                CheckFact(
                    "workload \(misfit.name)", .failed, misfit.reason,
                    remedy: "Look at it in Kubernetes, and at control.istiod.workloads."))
        }
        for rejected in info.rejected.prefix(20) {
            facts.append(
                CheckFact("resource \(rejected.name)", .failed, rejected.reason, remedy: "Another version of Warren may know it.")
            )
        }
        return facts
    }
}
