// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import Documents
internal import HTTP
package import Kernel
package import Loop
package import Mesh
internal import ResourceAPI
package import Store
internal import TLS
package import Transport

/// Answers the Kubernetes API: reads from memory, writes through the store. What an object may be, and what a write makes of it, is `ResourceAPI`'s
/// to decide; who may ask is the authorizer's. On the loop of the API.
package final class ResourceServer {
    /// What it is made for.
    package struct Settings: Sendable {
        package var mesh = MeshOptions()
        package var ipv4: IPPrefix?
        package var ipv6: IPPrefix?
        /// How long a freed address of a service isn't given out.
        package var quarantine = Interval.seconds(600)
        /// Of the program, as `/version` tells it.
        package var version = ""

        package init() {}
    }

    let state: ControlState
    let settings: Settings
    let watches: WatchHub
    let pool: ServiceAddressPool
    let book: AccessBook
    let audit: Audit
    private let addresses: WorkloadAddresses
    private let collector: NamespaceCollector
    /// Addresses of workloads whose registration is on its way to the store.
    var claimed: [NetworkAddress: String] = [:]
    private var hasBegun = false

    package init(state: ControlState, loop: Loop, book: AccessBook, audit: Audit, settings: Settings) {
        self.state = state
        self.settings = settings
        self.book = book
        self.audit = audit
        watches = WatchHub(state: state, loop: loop)
        let pool = ServiceAddressPool(
            ipv4: settings.ipv4, ipv6: settings.ipv6, quarantine: Int64(settings.quarantine.nanoseconds / 1_000_000_000))
        self.pool = pool
        addresses = WorkloadAddresses(state: state)
        // Policies last: while a workload is there, what protects it is too.
        let kinds = APIKinds.all.filter(\.isNamespaced)
        let order = kinds.filter { $0.group != Self.security } + kinds.filter { $0.group == Self.security }
        collector = NamespaceCollector(state: state, loop: loop, resources: order.map(\.resource)) { object in
            Self.collected(object, pool, state.cache)
        }
        state.observe(self)
    }

    private static let security = "security.istio.io"

    static func key(_ kind: APIKind, _ namespace: String?, _ name: String) -> StoreKey {
        StoreKey(kind.resource, namespace: kind.isNamespaced ? namespace ?? "" : "", name)
    }

    // MARK: - Requests

    /// Answers a request for anything but the control plane's own paths, now or later.
    package func handle(_ exchange: any HTTPExchange, principal: Principal) {
        do throws(APIStatus) {
            let head = exchange.head
            let call = try APICall(method: head.method, target: head.target)
            try answer(call, exchange, principal)
        } catch {
            refuse(exchange, error, principal)
        }
    }

    /// Answers what anybody may ask: whether we are up, and what we are. False for everything else.
    package func handleOpen(_ exchange: any HTTPExchange) -> Bool {
        guard let call = try? APICall(method: exchange.head.method, target: exchange.head.target) else { return false }
        switch call {
        case .health(let path): exchange.respond(health(path))
        case .version: exchange.respond(ControlAnswer.success(APIDiscovery.version(settings.version)))
        case .discovery, .openAPIv2, .openAPIv3, .openAPIv3Group, .resource: return false
        }
        return true
    }

    /// Ends what a principal still hears of: its token was revoked.
    package func revoke(_ principal: String) { watches.revoke(principal) }

    /// Whether what is asked for can be answered: nil, or why not.
    package var unreadiness: String? {
        if !state.isLoaded { return "the store is being read" }
        return state.failure.map { "the store doesn't answer: \($0.text)" }
    }

    private func health(_ path: String) -> HTTP1Response {
        // Alive is who answers; ready is who can serve.
        if path.hasPrefix("readyz"), let why = unreadiness { return HTTP1Response(status: 503, "\(why)\n") }
        return HTTP1Response("ok")
    }

    private func answer(_ call: APICall, _ exchange: any HTTPExchange, _ principal: Principal) throws(APIStatus) {
        let accept = exchange.head.headers["accept"] ?? ""
        switch call {
        case .health, .version: _ = handleOpen(exchange)
        case .discovery(let path):
            let answer = try APIDiscovery.answer(path, accept: accept)
            var response = ControlAnswer.success(answer.document)
            response.headers.set("content-type", answer.contentType)
            exchange.respond(response)
        case .openAPIv2:
            let document = try OpenAPI.swagger(accept: accept)
            exchange.respond(HTTP1Response(status: 200, headers: ["content-type": document.contentType], body: document.bytes))
        case .openAPIv3: exchange.respond(ControlAnswer.success(OpenAPI.index))
        case .openAPIv3Group(let group, let version):
            let document = try OpenAPI.document(group: group, version: version, accept: accept)
            exchange.respond(HTTP1Response(status: 200, headers: ["content-type": "application/json"], body: document))
        case .resource(let request):
            guard state.isLoaded else { throw APIStatus(.unavailable, "the control plane is reading its store: try again") }
            try authorize(request, principal)
            request.verb.isWrite ? try write(request, exchange, principal) : try read(request, exchange, principal)
        }
    }

    private func authorize(_ request: APIRequest, _ principal: Principal) throws(APIStatus) {
        let verb: Authorizer.Verb =
            switch request.verb {
            case .get: .get
            case .list: .list
            case .watch: .watch
            case .create: .create
            case .update: .update
            case .patch: .patch
            case .delete, .deletecollection: .delete
            }
        try Authorizer.check(
            principal, verb, request.kind.resource, namespace: request.namespace ?? "", name: request.name ?? "")
    }

    func refuse(_ exchange: any HTTPExchange, _ status: APIStatus, _ principal: Principal) {
        if isForAudit(exchange, status, principal) {
            audit.refused(
                at: .resources, exchange.head.method, String(exchange.head.target.prefix(256)), by: principal.name,
                from: exchange.peer.place, status.message)
        }
        exchange.respond(ControlAnswer.failure(status))
    }

    /// What somebody may not; and of a host each change that isn't made: it has no reason to ask for one that can't be.
    private func isForAudit(_ exchange: any HTTPExchange, _ status: APIStatus, _ principal: Principal) -> Bool {
        if status.reason == .forbidden { return true }
        guard case .node = principal.role else { return false }
        return exchange.head.method != "GET" && exchange.head.method != "HEAD"
    }

    // MARK: - What is around an object

    func namespaceState(_ name: String) -> WriteContext.NamespaceState {
        guard let object = state.cache.object(StoreKey(NamespaceCollector.namespaces, name)),
            let tree = try? JSON.read(object.text)
        else { return .absent }
        if tree.at("metadata", "deletionTimestamp") != nil { return .terminating }
        return .active(labels: tree.at("metadata", "labels")?.stringMap ?? [:])
    }

    func holders(_ address: IPAddress, _ network: String, except own: String) -> [String] {
        let place = NetworkAddress(network: network, address: address)
        let pending = claimed[place].map { [$0] } ?? []
        return addresses.holders(place) + pending.filter { $0 != own }
    }

    /// Whether somebody who writes WorkloadEntries may read this one (`shop/web-1`). A host may not before it is stored.
    func mayRead(_ workload: String, _ principal: Principal) -> Bool {
        guard case .node = principal.role else { return true }
        let parts = workload.split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2, let object = state.cache.object(Self.key(.workloadEntry, parts[0], parts[1])),
            let tree = try? Self.tree(object)
        else { return false }
        do throws(APIStatus) {
            try Authorizer.checkChange(principal, .get, before: tree, after: nil, grants: book.grants)
            return true
        } catch { return false }
    }
}

extension ResourceServer: StateObserver {
    /// The namespaces that every mesh has are made when there is none.
    package func stateLoaded(_ state: ControlState) {
        guard !hasBegun else { return }
        hasBegun = true
        let wanted = Set(["default", settings.mesh.rootNamespace])
        var transaction = StoreTransaction()
        for name in wanted.sorted() {
            let key = StoreKey(NamespaceCollector.namespaces, name)
            guard state.cache.object(key) == nil, let object = Self.firstNamespace(name) else { continue }
            transaction.conditions.append(.init(key, revision: nil))
            transaction.writes.append(.put(key, ObjectText.stored(object)))
        }
        guard !transaction.writes.isEmpty else { return }
        state.commit(transaction) { [audit] outcome in
            // Another replica may have been quicker.
            if case .success = outcome {
                audit.done("create", "namespaces", by: "warren-control", from: "itself", wanted.sorted().joined(separator: ", "))
            }
        }
    }

    package func stateChanged(_ state: ControlState, _ changes: [StoreChange]) {}

    private static func firstNamespace(_ name: String) -> Value? {
        guard case .resource(let request)? = try? APICall(method: "POST", target: "/api/v1/namespaces") else { return nil }
        let context = WriteContext(
            now: Timestamp(seconds: WallTime.now().seconds), uid: UniqueID.random(), suffix: "", userAgent: "warren-control",
            namespace: { _ in .absent }, judge: { _, _ in }, holders: { _, _ in [] }, mayRead: { _ in true })
        var writer = ObjectWriter(request, context)
        let body: Value = ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": .string(name)]]
        return (try? writer.create(body))?.object
    }

    /// How an object of a namespace that goes ends; nil if its own finalizers hold it.
    private static func collected(_ object: CachedObject, _ pool: ServiceAddressPool, _ cache: ObjectCache) -> StoreTransaction? {
        guard let kind = APIKinds.find(resource: object.key.resource),
            let tree = try? ObjectText.read(object.text, revision: object.revision)
        else {
            return StoreTransaction(conditions: [.init(object.key, revision: object.revision)], writes: [.delete(object.key)])
        }
        let now = WallTime.now().seconds
        let options = RequestOptions()
        guard let deletion = try? DeleteOptions(options, body: nil),
            let outcome = try? ObjectDeletion.end(tree, kind, deletion, now: Timestamp(seconds: now))
        else { return nil }
        var transaction = StoreTransaction(conditions: [.init(object.key, revision: object.revision)])
        switch outcome {
        case .waiting: return nil
        case .mark(let marked): transaction.writes = [.put(object.key, ObjectText.stored(marked))]
        case .remove:
            transaction.writes = [.delete(object.key)]
            transaction.writes += released(tree, object.key, kind, pool, cache, now)
        }
        return transaction
    }

    /// The addresses of a service or a workload that goes.
    static func released(
        _ tree: Value, _ key: StoreKey, _ kind: APIKind, _ pool: ServiceAddressPool, _ cache: ObjectCache, _ now: Int64
    ) -> [StoreTransaction.Write] {
        if kind == .workloadEntry {
            let places = WorkloadAddresses.places(of: tree)?.places ?? []
            return WorkloadClaims.release(places, of: "\(key.namespace)/\(key.name)", in: cache)
        }
        guard kind == .service else { return [] }
        return ServiceAddresses.addresses(of: tree).compactMap { pool.release($0, of: key, in: cache, now: now) }
    }
}

/// A random UUID (RFC 9562 §5.4).
enum UniqueID {
    static func random() -> String {
        var bytes = Secret.random(16)
        bytes[6] = bytes[6] & 0x0f | 0x40
        bytes[8] = bytes[8] & 0x3f | 0x80
        let digits = Array(hexadecimal(bytes))
        return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(digits[$0]) }.joined(separator: "-")
    }

    /// For `generateName`: five of the letters and digits that can't be mistaken.
    static func suffix() -> String {
        let letters = Array("bcdfghjklmnpqrstvwxz2456789")
        return String(Secret.random(5).map { letters[Int($0) % letters.count] })
    }
}
