// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel
internal import Loop
internal import Telemetry

/// What a daemon is for its host at present. docs/decisions/0016 has the way from one to the next.
enum Duty: Sendable {
    /// It builds up what it takes over from the daemon before it, and accepts nothing.
    case building
    /// The host is its.
    case serving
    /// It serves, and changes nothing that it has in common with the one that is about to follow.
    case offering
    /// Another one serves: it finishes the connections that it has, and cuts what is denied.
    case draining
}

// MARK: - The new one

extension Node {
    /// Everything stands.
    func beginServing() {
        duty = .serving
        tell(.serve)
        if !services.start() { log.error("some of what this daemon answers over HTTP isn't there") }
    }

    /// The one before us has stopped accepting, or is gone.
    func tookOver(from takeover: Takeover) {
        log.info("took over from process \(takeover.process), warrend \(takeover.version)")
        earlier.expectAnother()
        enrolment.adoptReleases(takeover.inheritance.workloads)
        becomeReady()
        reconcile()
        enrolment.namespacesChanged()
        hostGuard.update()
        probes.update()
        releaseLeftovers()
    }

    /// Nothing comes of it: the one before us serves on, and this process has accepted nothing.
    func giveUpTakeover(_ reason: String) {
        log.error("the daemon before this one serves on: \(reason)")
        end(code: ExitCode.unavailable)
    }

    /// Whether all that was captured before us is captured by us: only then may the one before us go.
    var hasWholeInheritance: Bool {
        guard let inheritance = takeover?.inheritance else { return true }
        return enrolment.enrollees.values.allSatisfy { enrollee in
            if case .refused = enrollee.phase { !inheritance.hadCaptured(enrollee.plan.namespaceName) } else { true }
        }
    }
}

// MARK: - The old one

extension Node {
    /// Why nobody may take over now; nil if somebody may.
    var handoverRefusal: String? {
        if isLeaving { return "process \(Limits.processID) is ending" }
        guard duty == .serving, readiness.isReady else { return "process \(Limits.processID) isn't ready itself" }
        return nil
    }

    /// Begins nothing new, and calls back when what is under way has ended.
    func freeze(_ then: @escaping () -> Void) {
        duty = .offering
        whenSettled(then)
    }

    /// It came to nothing.
    func thaw(_ reason: String) {
        guard duty == .offering else { return }
        duty = .serving
        log.error("nobody took over, and this process serves on: \(reason)")
        if isLeaving { return enrolment.stopListening() }
        enrolment.namespacesChanged()
        enrolment.verify()
        hostGuard.update()
        workloadsSettled()
    }

    /// All that passes.
    var handoverOffers: [HandoverOffer] {
        var offers: [HandoverOffer] = []
        if let number = lock?.number { offers.append(HandoverOffer(item: .lock, number: number, holder: nil)) }
        offers += services.offers
        offers += probes.offers
        for enrollee in enrolment.enrollees.values {
            guard let place = enrollee.workload?.place, let listeners = place.listeners else { continue }
            let isDraining = if case .draining = enrollee.phase { true } else { false }
            let namespace = place.namespace.identity
            let workload = InheritedWorkload(plan: enrollee.plan, namespace: namespace, isDraining: isDraining)
            offers.append(HandoverOffer(item: .workload(workload), number: nil, holder: nil))
            offers += WorkloadListener.Port.allCases.map {
                HandoverOffer(item: .listener($0, namespace), number: listeners.number($0), holder: listeners)
            }
        }
        return offers
    }

    /// The other one serves: from here on this process finishes what it has.
    func drain(successor: CInt) {
        duty = .draining
        tell(.handedOver(enrolment.handOver()))
        handover.stop()
        services.retire()
        probes.retire()
        lock = nil
        let generation = DrainingGeneration(node: self)
        self.generation = generation
        tell(.census)
        services.serveDraining(at: generation.adminSocket)
        let limit = configuration.handover.drain
        let bound = limit.map { ", at most \($0.seconds) s" } ?? ""
        log.info("process \(successor) serves; this one finishes its connections\(bound)")
        notify?.status("process \(successor) serves; finishing connections")
        if let limit { after(limit) { $0.endLate("handover.drain is over") } }
        askIfIdle()
    }

    private func endLate(_ why: String) {
        log.warn("\(why): what is open is reset")
        end(code: 0)
    }

    /// For `warrend upgrade`: another process takes this one's place as systemd's main process.
    func detach(_ then: @escaping (Result<CInt, HandoverFailure>) -> Void) {
        if let refusal = handoverRefusal { return then(.failure(HandoverFailure(refusal))) }
        guard let notify else { return then(.failure(HandoverFailure("systemd didn't start process \(Limits.processID)"))) }
        work {
            StandIn.start()
        } then: { [weak self] result in
            if case .success(let process) = result, let self {
                notify.mainProcess(process)
                self.notify = nil
                log.info("process \(process) stands in for this one before systemd, until it is restarted")
            }
            then(result)
        }
    }

    /// Somebody counted the daemons before this one.
    func earlierGenerationsCounted() {
        registry.set(.generations, to: Double(earlier.all.count))
        registry.set(.generationConnections, to: Double(earlier.all.reduce(0) { $0 + $1.connections }))
        endIfAlone()
    }
}
