// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Discovery
internal import Kernel
internal import Loop
internal import Mesh
internal import Synchronization
internal import Telemetry

/// The mesh as a control plane says it: begins with the last good one on disk, takes what comes, and hands on a snapshot when it has been quiet for a
/// moment. Nothing is guarded against here that somebody may want: what the control plane says was accepted there (I18), and whose word counts is
/// looked at with each response (I21). On the node's loop; reading, building and writing are errands of the mesh.
final class ControlMesh: MeshSource {
    /// What the errands have: the mesh, and where it is written down as it comes.
    private struct Kept: ~Copyable {
        var mesh: ReceivedMesh
        var journal: MeshJournal
    }

    private final class Store: Sendable {
        let kept: Mutex<Kept>

        init(_ options: MeshOptions, _ offer: ControlOffer, _ last: LastMesh) {
            kept = Mutex(Kept(mesh: ReceivedMesh(options: options, offer: offer), journal: MeshJournal(last)))
        }
    }

    /// A first state comes in several responses, and only the control plane knows which is the last.
    private static let firstSettle = Interval.milliseconds(100)
    /// How long the rest of what has begun is waited for.
    private static let partSettle = Interval.seconds(1)
    /// How long changes may put off a snapshot.
    private static let patience = Interval.milliseconds(500)
    /// What came is marked as whole, and has to be on the disk, once in this time at most, and for a twentieth of the time at most.
    private static let saveDelay = Interval.seconds(2)

    private unowned let host: any ControlHost
    private let options: MeshOptions
    let offer: ControlOffer
    private let store: Store
    private let last: LastMesh
    private let settle: Alarm
    private let saving: Alarm
    private var firstChange: Instant?
    private var isBuilding = false
    private var isDirty = false
    private var hasBegun = false
    private var revision: UInt64 = 0
    private var parts: Set<ResourceType> = []
    private var begun: [() -> Void] = []
    private var savedRevision: UInt64 = 0
    private var saveFailure: Errno?
    private(set) var snapshot: MeshSnapshot?
    private(set) var loaded: WallTime?
    private(set) var refusal: MeshRefusal?
    /// The control plane has told everything at least once since the start.
    private(set) var isAuthoritative = false
    /// Where the state in use stands in the control plane's store.
    private(set) var position: StorePosition?
    /// Resources whose newest version isn't in use, with the reason.
    private(set) var rejected: [DecodedPush.Rejected] = []
    /// Workloads that are declared here and aren't captured, or not as they should be, with the reason.
    private(set) var misfits: [DeclaredWorkload.Misfit] = []

    init(host: any ControlHost, offer: ControlOffer) {
        self.host = host
        self.offer = offer
        options = MeshOptions(host.configuration.mesh)
        last = LastMesh(directory: host.configuration.control.directory, of: offer)
        store = Store(options, offer, last)
        settle = Alarm(loop: host.loop)
        saving = Alarm(loop: host.loop)
    }

    private var log: Log { host.log.scoped(.mesh) }

    // MARK: - The beginning

    func start() throws(Errno) {
        let (last, store, options) = (last, store, options)
        revision += 1
        let number = revision
        host.meshWork { () -> Result<(MeshSnapshot, StorePosition?), LastMesh.Failure> in
            last.load(options: options).map { loaded in
                store.kept.withLock { kept in
                    kept.mesh = loaded.mesh
                    kept.journal.resume(at: loaded.size)
                    return (kept.mesh.snapshot(revision: number), kept.mesh.store)
                }
            }
        } then: { [weak self] result in
            self?.restored(result)
        }
    }

    private func restored(_ result: Result<(MeshSnapshot, StorePosition?), LastMesh.Failure>) {
        hasBegun = true
        switch result {
        case .success((let snapshot, let position)):
            self.position = position
            log.info("the last mesh, from \(last.path), serves until a control plane answers")
            publish(snapshot)
        case .failure(.absent): break
        case .failure(.damaged(let reason)):
            log.error("\(last.path) is not used: \(reason). The mesh waits for a control plane")
        }
        let waiting = begun
        begun = []
        for body in waiting { body() }
    }

    /// Calls back when what is on disk was looked at: no call to a control plane begins before, since it says what is held.
    func whenBegun(_ body: @escaping () -> Void) { if hasBegun { body() } else { begun.append(body) } }

    /// Somebody asks for another look: there is nothing to look at.
    func changed() {}

    // MARK: - A call

    /// The first messages of a call.
    func firstRequests(_ types: [ResourceType], node: DiscoveryNode, then: @escaping ([[UInt8]]) -> Void) {
        let store = store
        parts = []
        host.meshWork {
            let held = store.kept.withLock { kept in
                kept.mesh.begin()
                kept.journal.add(.call)
                return kept.mesh.held
            }
            return DeltaClient.firstRequests(types, node: node, held: held)
        } then: {
            then($0)
        }
    }

    func take(_ message: [UInt8], isFirst: Bool, done: @escaping (PushOutcome) -> Void) {
        let store = store
        host.meshWork {
            store.kept.withLock { kept in (Self.take(message, isFirst: isFirst, &kept), kept.mesh.store) }
        } then: { [weak self] taken, position in
            self?.took(taken, position)
            done(taken.outcome)
        }
    }

    private static func take(_ message: [UInt8], isFirst: Bool, _ kept: inout Kept) -> ReceivedMesh.Taken {
        let before = kept.mesh.store
        let taken = kept.mesh.take(message, isFirst: isFirst)
        guard taken.refusal == nil, taken.type != nil else { return taken }
        if let before, let now = kept.mesh.store, before.identity != now.identity || now.revision < before.revision {
            kept.journal.add(.otherStore)
        }
        kept.journal.add(.response, message)
        return taken
    }

    private func took(_ taken: ReceivedMesh.Taken, _ position: StorePosition?) {
        if let words = taken.refusal {
            if refusal?.reason != words { log.error("\(words); the mesh as it was goes on") }
            refusal = MeshRefusal(words)
            return
        }
        refusal = nil
        self.position = position
        if let type = taken.type {
            if taken.isPart { parts.insert(type) } else { parts.remove(type) }
        }
        rejected = taken.rejected
        for resource in taken.newlyRejected.prefix(20) { log.error("\(resource.name) isn't taken over: \(resource.reason)") }
        if taken.isChange {
            isDirty = true
            schedule()
        }
    }

    /// The control plane has told everything.
    func synchronised() {
        isAuthoritative = true
        if snapshot == nil { isDirty = true }
        if isDirty { schedule() }
    }

    /// What another store says is taken, once.
    func acceptAnyStore(then: @escaping () -> Void) {
        let store = store
        host.meshWork {
            store.kept.withLock { $0.mesh.acceptAnyStore() }
        } then: {
            then()
        }
    }

    // MARK: - Snapshots

    /// Waits for a quiet moment. A first state is whole or nothing: half of one could lack what denies.
    private func schedule() {
        guard snapshot != nil || isAuthoritative else { return }
        let now = Instant.now()
        let first = firstChange ?? now
        firstChange = first
        if settle.isSet, snapshot != nil, parts.isEmpty, now.since(first) >= Self.patience { return }
        let quiet = !parts.isEmpty ? Self.partSettle : snapshot == nil ? Self.firstSettle : host.configuration.control.settle
        settle.set(quiet) { [weak self] in self?.build() }
    }

    private func build() {
        guard !isBuilding else { return }
        isBuilding = true
        isDirty = false
        firstChange = nil
        revision += 1
        let (store, revision) = (store, revision)
        host.meshWork {
            store.kept.withLock { $0.mesh.snapshot(revision: revision) }
        } then: { [weak self] snapshot in
            self?.built(snapshot)
        }
    }

    private func built(_ snapshot: MeshSnapshot) {
        isBuilding = false
        publish(snapshot)
        if isDirty { schedule() }
        if !saving.isSet { saving.set(Self.saveDelay) { [weak self] in self?.save() } }
    }

    private func publish(_ snapshot: MeshSnapshot) {
        self.snapshot = snapshot
        loaded = WallTime.now()
        compareDeclared(snapshot)
        log.debug(
            "mesh revision \(snapshot.revision): \(snapshot.workloadCount) workloads, \(snapshot.serviceCount) services, "
                + "\(snapshot.policies.count) policies")
        host.meshArrived(snapshot)
    }

    private func compareDeclared(_ snapshot: MeshSnapshot) {
        let before = misfits
        misfits = offer.declared.compactMap { workload in
            workload.problem(in: snapshot).map { DeclaredWorkload.Misfit(name: workload.name, reason: $0) }
        }
        for misfit in misfits where !before.contains(misfit) {
            log.warn("\(misfit.name) of control.istiod.workloads: \(misfit.reason)")
        }
    }

    // MARK: - The disk

    private func save() {
        guard host.isInCharge else { return }
        // What has begun to come isn't whole.
        guard parts.isEmpty else { return saving.set(Self.partSettle) { [weak self] in self?.save() } }
        let store = store
        savedRevision = revision
        host.meshWork { () -> (Errno?, Interval) in
            let began = Instant.now()
            let failure = store.kept.withLock { kept -> Errno? in
                do throws(Errno) {
                    try kept.journal.mark(kept.mesh)
                    return nil
                } catch { return error }
            }
            return (failure, Instant.now().since(began))
        } then: { [weak self] failure, took in
            self?.saved(failure, took)
        }
    }

    private func saved(_ failure: Errno?, _ took: Interval) {
        if let failure, failure != saveFailure {
            log.error("\(last.path) can't be written: \(failure). After a restart the mesh waits for a control plane")
        }
        saveFailure = failure
        // Nothing is written before a twentieth's rest is over; what changes meanwhile goes with the next.
        let rest = Interval(nanoseconds: took.nanoseconds &* 20)
        if rest > Self.saveDelay { saving.set(rest) { [weak self] in self?.rested() } }
    }

    private func rested() { if savedRevision != revision { save() } }
}

extension MeshOptions {
    init(_ settings: MeshSettings) {
        self.init()
        clusterName = settings.clusterName
        clusterDomain = settings.clusterDomain
        trustDomain = settings.trustDomain
        rootNamespace = settings.rootNamespace
        network = settings.network
    }
}
