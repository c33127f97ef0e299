// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Discovery
internal import Documents
internal import Mesh
internal import Messages
internal import Wire

/// The mesh as a control plane tells it, resource by resource, and whose it is; snapshots are made of it. A value that one thread has: the mesh's.
struct ReceivedMesh: Sendable {
    /// What came of one response.
    struct Taken: Sendable {
        let outcome: PushOutcome
        let type: ResourceType?
        /// Something is different now.
        let isChange: Bool
        /// More of this type follows at once.
        let isPart: Bool
        /// Those of this response.
        let newlyRejected: [DecodedPush.Rejected]
        /// All that stand.
        let rejected: [DecodedPush.Rejected]
        /// Why nothing of this control plane is taken.
        let refusal: String?
    }

    private(set) var held: HeldResources
    private(set) var store: StorePosition?
    private let bounds: DiscoveryBounds
    private let offer: ControlOffer
    private var tables: MeshTables
    /// The uid by which each declared workload is in the tables.
    private var declared: [String: String] = [:]
    private var pool = WorkloadPool()
    /// Somebody said that another store, or an older state of this one, is right.
    private var acceptsAnyStore = false
    /// Resources whose newest version was refused; at most so many.
    private var rejected: [DecodedPush.Rejected] = []
    private static let maximumRejected = 100

    init(
        options: MeshOptions = MeshOptions(), bounds: DiscoveryBounds = DiscoveryBounds(), offer: ControlOffer = .warren
    ) {
        self.bounds = bounds
        self.offer = offer
        tables = MeshTables(options: options)
        held = HeldResources(bounds: bounds)
    }

    /// A new call begins.
    mutating func begin() { held.begin() }

    /// The next control plane's store is the right one, whichever it is (I21).
    mutating func acceptAnyStore() { acceptsAnyStore = true }

    // MARK: - What comes

    /// - Parameter isFirst: of its call; an older state than the one before is refused then.
    mutating func take(_ message: [UInt8], isFirst: Bool) -> Taken {
        var push: DecodedPush
        do throws(WireFailure) {
            push = try DecodedPush(message, bounds: bounds, &pool)
        } catch {
            let words = "the control plane sent no discovery response: \(error.reason)"
            return refused(PushOutcome(typeURL: "", nonce: "", rejection: words, isFatal: true), nil, words)
        }
        if let type = push.type, !offer.types.contains(type) {
            let words = "resources of the type \(push.typeURL) were not asked for"
            return Taken(
                outcome: PushOutcome(typeURL: push.typeURL, nonce: push.nonce, rejection: words), type: nil, isChange: false,
                isPart: false, newlyRejected: [], rejected: rejected, refusal: nil)
        }
        if offer.namesStore, let words = refusal(of: push.store, isFirst: isFirst) {
            return refused(
                PushOutcome(typeURL: push.typeURL, nonce: push.nonce, rejection: words, isFatal: true), push.type, words)
        }
        let gone = push.removed
        held.apply(&push)
        apply(push)
        noteRejected(push, gone: gone)
        return Taken(
            outcome: push.outcome, type: push.type, isChange: !push.resources.isEmpty || !push.removed.isEmpty,
            isPart: push.store == nil && store != nil, newlyRejected: push.rejected, rejected: rejected, refusal: nil)
    }

    private func refused(_ outcome: PushOutcome, _ type: ResourceType?, _ words: String) -> Taken {
        Taken(outcome: outcome, type: type, isChange: false, isPart: false, newlyRejected: [], rejected: rejected, refusal: words)
    }

    /// I21: another store, or this one as it was before, is nobody's wish until somebody says so: a backup that was put back, a control plane that
    /// was set up anew on a known address.
    private mutating func refusal(of position: StorePosition?, isFirst: Bool) -> String? {
        guard let position else { return nil }
        defer { acceptsAnyStore = false }
        if let store, !acceptsAnyStore {
            guard position.identity == store.identity else {
                return "its store is \(position.identity), and this host follows \(store.identity): nothing of it is taken until"
                    + " `warren control accept-store`"
            }
            guard !isFirst || position.revision >= store.revision else {
                return
                    "its store stands at revision \(position.revision), and this host has seen \(store.revision): nothing of it is taken"
                    + " until it has caught up, or `warren control accept-store`"
            }
            // A call's pushes of several types needn't come in the order of revisions.
            self.store = StorePosition(identity: store.identity, revision: max(store.revision, position.revision))
        } else {
            store = position
        }
        return nil
    }

    private mutating func apply(_ push: DecodedPush) {
        for resource in push.resources {
            switch resource.content {
            case .workload(let workload):
                tables.remove(service: resource.name, resource.hash)
                tables.put(workload, resource.hash)
            case .service(let service):
                tables.remove(workload: resource.name, resource.hash)
                tables.put(service, resource.hash)
            case .authorization(let authorization): tables.put(authorization)
            case .local(let workload): tables.put(workload)
            case .eviction(let eviction): tables.put(eviction)
            }
        }
        for name in push.removed {
            switch push.type {
            case .address:
                let hash = NameHash(name)
                tables.remove(workload: name, hash)
                tables.remove(service: name, hash)
            case .authorization: tables.remove(authorization: name)
            case .local: tables.remove(local: name)
            case .eviction: if let tag = HostTag(name) { tables.remove(eviction: tag) }
            case nil: break
            }
        }
    }

    // MARK: - From the disk

    /// Does again what was written down. Nil, or why that can't be right.
    mutating func replay(_ kind: LastMesh.Kind, _ content: ArraySlice<UInt8>) -> String? {
        switch kind {
        case .call: begin()
        case .otherStore: acceptAnyStore()
        case .response:
            let taken = take(Array(content), isFirst: false)
            if let reason = taken.refusal { return reason }
            // What was rejected then is now: the rest was taken, and is.
            if taken.outcome.isFatal { return taken.outcome.rejection }
        case .whole: break
        }
        return nil
    }

    /// What is gone may have been rejected before it was ever held.
    private mutating func noteRejected(_ push: DecodedPush, gone: [String]) {
        if !rejected.isEmpty {
            let settled = Set(push.resources.map(\.name)).union(gone).union(push.rejected.map(\.name))
            rejected.removeAll { settled.contains($0.name) }
        }
        rejected += push.rejected.prefix(Self.maximumRejected - rejected.count)
    }

    // MARK: - What it comes to

    /// The mesh as it stands, for the loops. It shares with the snapshots before what is alike.
    mutating func snapshot(revision: UInt64) -> MeshSnapshot {
        findDeclared()
        return tables.snapshot(revision: revision)
    }

    /// Which workloads of the mesh those are that live on this host by its own word.
    private mutating func findDeclared() {
        for workload in offer.declared {
            let uid = workload.uids.first { tables.workload(uid: $0) != nil }
            guard uid != declared[workload.name] else { continue }
            if let old = declared[workload.name] { tables.remove(local: old) }
            if let uid { tables.put(workload.local(uid)) }
            declared[workload.name] = uid
        }
    }

    /// All of it as the responses of a control plane that would tell it, each of a size that is taken.
    func forEachResponse(_ body: ([UInt8]) -> Void) {
        let state = tables.state
        var writer = ResponseWriter(store: store)
        func add(_ type: ResourceType, _ name: String, _ content: [UInt8]) {
            if let whole = writer.add(type, name, held.version(of: name, type), content) { body(whole) }
        }
        func finish(_ type: ResourceType) { if let rest = writer.finish(type) { body(rest) } }
        for authorization in state.authorizations {
            add(.authorization, authorization.key, SecurityAPI.Authorization(authorization).encoded)
        }
        finish(.authorization)
        for service in state.services {
            var address = WorkloadAPI.Address()
            address.service = WorkloadAPI.Service(service)
            add(.address, service.key, address.encoded)
        }
        for workload in state.workloads {
            var address = WorkloadAPI.Address()
            address.workload = WorkloadAPI.Workload(workload)
            add(.address, workload.uid, address.encoded)
        }
        finish(.address)
        // What is declared here isn't the control plane's word.
        guard offer.types.contains(.local) else { return }
        for workload in state.local { add(.local, workload.uid, LocalAPI.LocalWorkload(workload).encoded) }
        finish(.local)
        for eviction in state.evictions { add(.eviction, eviction.tag.description, EvictionAPI.Eviction(eviction).encoded) }
        finish(.eviction)
    }
}

/// Gathers resources into responses of about a mebibyte.
private struct ResponseWriter {
    private static let size = 1 << 20

    let store: StorePosition?
    private var writer = ProtobufWriter()

    init(store: StorePosition?) { self.store = store }

    /// A response that is full.
    mutating func add(_ type: ResourceType, _ name: String, _ version: String, _ content: [UInt8]) -> [UInt8]? {
        writer.write(message: 2) { resource in
            if !version.isEmpty { resource.write(string: version, field: 1) }
            resource.write(message: 2) { any in
                any.write(string: type.rawValue, field: 1)
                any.write(bytes: content, field: 2)
            }
            resource.write(string: name, field: 3)
        }
        return writer.bytes.count >= Self.size ? finish(type) : nil
    }

    /// What is left.
    mutating func finish(_ type: ResourceType) -> [UInt8]? {
        guard !writer.bytes.isEmpty else { return nil }
        if let store { writer.write(string: store.description, field: 1) }
        writer.write(string: type.rawValue, field: 4)
        defer { writer = ProtobufWriter() }
        return writer.bytes
    }
}
