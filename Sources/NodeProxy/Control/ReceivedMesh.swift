// SPDX-License-Identifier: Apache-2.0

internal import Discovery
internal import Documents
internal import Mesh
internal import Messages
internal import Wire

/// The mesh as a control plane tells it, resource by resource, and whose it is. A value that one thread has: the errands'.
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

    /// A value on the heap: a dictionary of the large ones has a third of its places empty.
    private final class Boxed<Content: Sendable>: Sendable {
        let content: Content
        init(_ content: Content) { self.content = content }
    }

    private(set) var held: HeldResources
    private(set) var store: StorePosition?
    private let bounds: DiscoveryBounds
    private var workloads: [String: Workload] = [:]
    private var services: [String: Boxed<Service>] = [:]
    private var authorizations: [String: Boxed<Authorization>] = [:]
    private var local: [String: LocalWorkload] = [:]
    private var evictions: [String: Eviction] = [:]
    /// Somebody said that another store, or an older state of this one, is right.
    private var acceptsAnyStore = false
    /// Resources whose newest version was refused; at most so many.
    private var rejected: [DecodedPush.Rejected] = []
    private static let maximumRejected = 100

    init(bounds: DiscoveryBounds = DiscoveryBounds()) {
        self.bounds = bounds
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
            push = try DecodedPush(message, bounds: bounds)
        } catch {
            let words = "the control plane sent no discovery response: \(error.reason)"
            return refused(PushOutcome(typeURL: "", nonce: "", rejection: words, isFatal: true), nil, words)
        }
        if let words = refusal(of: push.store, isFirst: isFirst) {
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

    /// I21: another store, or this one as it was before, is nobody's wish until somebody says so: a backup that was put back, a control plane that was set up
    /// anew on a known address.
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
                services[resource.name] = nil
                workloads[resource.name] = workload
            case .service(let service):
                workloads[resource.name] = nil
                services[resource.name] = Boxed(service)
            case .authorization(let authorization): authorizations[resource.name] = Boxed(authorization)
            case .local(let workload): local[resource.name] = workload
            case .eviction(let eviction): evictions[resource.name] = eviction
            }
        }
        for name in push.removed {
            switch push.type {
            case .address:
                workloads[name] = nil
                services[name] = nil
            case .authorization: authorizations[name] = nil
            case .local: local[name] = nil
            case .eviction: evictions[name] = nil
            case nil: break
            }
        }
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

    /// The mesh, sorted.
    func state() -> MeshState {
        MeshState(
            workloads: workloads.values.sorted { $0.uid < $1.uid },
            services: services.values.map(\.content).sorted { $0.key < $1.key },
            authorizations: authorizations.values.map(\.content).sorted { $0.key < $1.key },
            local: local.values.sorted { $0.uid < $1.uid }, evictions: evictions.values.sorted { $0.tag < $1.tag })
    }

    /// All of it as the responses of a control plane that would tell it, each of a size that is taken.
    func responses() -> [[UInt8]] {
        var writer = ResponseWriter(store: store)
        for type in ResourceType.allCases {
            switch type {
            case .address:
                for (name, workload) in workloads {
                    var address = WorkloadAPI.Address()
                    address.workload = WorkloadAPI.Workload(workload)
                    writer.add(type, name, held.version(of: name, type), address.encoded)
                }
                for (name, boxed) in services {
                    var address = WorkloadAPI.Address()
                    address.service = WorkloadAPI.Service(boxed.content)
                    writer.add(type, name, held.version(of: name, type), address.encoded)
                }
            case .authorization:
                for (name, boxed) in authorizations {
                    writer.add(type, name, held.version(of: name, type), SecurityAPI.Authorization(boxed.content).encoded)
                }
            case .local:
                for (name, workload) in local {
                    writer.add(type, name, held.version(of: name, type), LocalAPI.LocalWorkload(workload).encoded)
                }
            case .eviction:
                for (name, eviction) in evictions {
                    writer.add(type, name, held.version(of: name, type), EvictionAPI.Eviction(eviction).encoded)
                }
            }
            writer.finish(type)
        }
        return writer.responses
    }
}

/// Gathers resources into responses of about a mebibyte.
private struct ResponseWriter {
    private static let size = 1 << 20

    let store: StorePosition?
    private(set) var responses: [[UInt8]] = []
    private var writer = ProtobufWriter()

    init(store: StorePosition?) { self.store = store }

    mutating func add(_ type: ResourceType, _ name: String, _ version: String, _ content: [UInt8]) {
        writer.write(message: 2) { resource in
            if !version.isEmpty { resource.write(string: version, field: 1) }
            resource.write(message: 2) { any in
                any.write(string: type.rawValue, field: 1)
                any.write(bytes: content, field: 2)
            }
            resource.write(string: name, field: 3)
        }
        if writer.bytes.count >= Self.size { finish(type) }
    }

    mutating func finish(_ type: ResourceType) {
        guard !writer.bytes.isEmpty else { return }
        if let store { writer.write(string: store.description, field: 1) }
        writer.write(string: type.rawValue, field: 4)
        responses.append(writer.bytes)
        writer = ProtobufWriter()
    }
}
