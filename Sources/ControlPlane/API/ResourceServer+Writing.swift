// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Documents
internal import HTTP
internal import Kernel
internal import Mesh
internal import ResourceAPI
internal import Store
internal import Transport

/// A write on its way: what is asked for, by whom, and how often it was tried.
struct PendingWrite {
    enum Content {
        case object(Value)
        case patch(PatchType, Value)
        case deletion(DeleteOptions)
    }

    let request: APIRequest
    let content: Content
    let representation: Representation
    let exchange: any HTTPExchange
    let principal: Principal
    /// The same whenever it is tried again.
    let uid = UniqueID.random()
    let suffix = UniqueID.suffix()
    var tries = 0
}

/// What is to be stored for a write, and what its client is told when it is.
private struct DecidedWrite {
    let key: StoreKey
    var transaction: StoreTransaction
    /// With the revision still to come.
    let object: Value
    let change: ObjectChange
    let warnings: [String]
    /// Nil: the object itself.
    var document: Value?
    var places: [NetworkAddress] = []
}

extension ResourceServer {
    /// How often a write is tried again because somebody else was quicker.
    static let attempts = 8

    func write(_ request: APIRequest, _ exchange: any HTTPExchange, _ principal: Principal) throws(APIStatus) {
        let representation = try Representation(accept: exchange.head.headers["accept"] ?? "")
        let type = exchange.head.headers["content-type"] ?? ""
        let patch: PatchType? = request.verb == .patch ? try PatchType(contentType: type, kind: request.kind) : nil
        exchange.readBody(limit: RequestBody.maximumBytes) { [weak self] result in
            guard let self else { return }
            do throws(APIStatus) {
                let bytes: [UInt8]
                switch result {
                case .success(let body): bytes = body
                case .failure(.tooLarge): throw .bodyTooLarge
                case .failure(.timeout): throw APIStatus(.timeout, "the body of the request didn't come in time")
                case .failure(.aborted): return
                }
                let content: PendingWrite.Content
                switch request.verb {
                case .delete, .deletecollection:
                    content = .deletion(
                        try DeleteOptions(request.options, body: RequestBody.deletion(bytes, contentType: type)))
                default:
                    if let patch {
                        content = .patch(patch, try RequestBody.patch(bytes, patch))
                    } else {
                        content = .object(try RequestBody.object(bytes, contentType: type))
                    }
                }
                let pending = PendingWrite(
                    request: request, content: content, representation: representation, exchange: exchange,
                    principal: principal)
                begin(pending)
            } catch {
                refuse(exchange, error, principal)
            }
        }
    }

    /// What is refused by what is in memory may be allowed by what another replica was just told: it is looked at again when all of that is here.
    private func begin(_ pending: PendingWrite) {
        let step = { [self] () throws(APIStatus) in
            if pending.request.verb == .deletecollection { try deleteCollection(pending) } else { try attempt(pending) }
        }
        do throws(APIStatus) { try step() } catch {
            guard state.isShared else { return refuse(pending.exchange, error, pending.principal) }
            state.catchUp { [weak self] _ in
                guard let self else { return }
                do throws(APIStatus) { try step() } catch { refuse(pending.exchange, error, pending.principal) }
            }
        }
    }

    // MARK: - One object

    private func attempt(_ pending: PendingWrite) throws(APIStatus) {
        let decided = try decide(pending)
        let request = pending.request
        if case .deletion(let options) = pending.content, options.isDryRun { return answer(pending, decided, revision: nil) }
        if request.options.isDryRun || decided.transaction.writes.isEmpty { return answer(pending, decided, revision: nil) }
        for place in decided.places { claimed[place] = "\(decided.key.namespace)/\(decided.key.name)" }
        state.commit(decided.transaction) { [weak self] outcome in
            guard let self else { return }
            for place in decided.places { claimed[place] = nil }
            switch outcome {
            case .success(let revision):
                audit.done(
                    request.verb.rawValue, Self.subject(decided.key), by: pending.principal.name,
                    from: pending.exchange.peer.place)
                answer(pending, decided, revision: revision)
            case .failure(.conflict): tryAgain(pending)
            case .failure(ControlState.tooMany):
                let words = "too many changes wait for the disk: this one isn't stored, try again"
                refuse(pending.exchange, APIStatus(.tooManyRequests, words), pending.principal)
            case .failure(let failure):
                refuse(
                    pending.exchange,
                    APIStatus(
                        .unavailable, "it isn't certain whether this was stored: \(failure.text). Look, then try again"),
                    pending.principal)
            }
        }
    }

    private static func subject(_ key: StoreKey) -> String {
        key.namespace.isEmpty ? "\(key.resource)/\(key.name)" : "\(key.resource)/\(key.namespace)/\(key.name)"
    }

    private func tryAgain(_ pending: PendingWrite) {
        var pending = pending
        pending.tries += 1
        do throws(APIStatus) {
            guard pending.tries < Self.attempts else { throw .modified(pending.request.kind, pending.request.name ?? "") }
            try attempt(pending)
        } catch {
            refuse(pending.exchange, error, pending.principal)
        }
    }

    private func decide(_ pending: PendingWrite) throws(APIStatus) -> DecidedWrite {
        let request = pending.request
        let standing = request.name.flatMap { state.cache.object(Self.key(request.kind, request.namespace, $0)) }
        let old = try standing.map { object throws(APIStatus) in try Self.tree(object) }
        if case .deletion(let options) = pending.content { return try decide(deletion: options, pending, standing, old) }
        // First whether it is theirs at all: what a patch finds in it is told by how it fails.
        if let old { try checkGrants(request, pending.principal, before: old, after: nil) }
        var writer = ObjectWriter(request, context(pending))
        let result: ObjectWriter.Result
        switch pending.content {
        case .object(let body) where request.verb == .create: result = try writer.create(body)
        case .object(let body):
            guard let old else { throw .notFound(request.kind, request.name ?? "") }
            result = try writer.update(body, old: old)
        case .patch(let type, let document): result = try writer.patch(type, document, old: old)
        case .deletion: throw .methodNotAllowed
        }
        return try decide(result, pending, standing, old)
    }

    private func decide(
        _ result: ObjectWriter.Result, _ pending: PendingWrite, _ standing: CachedObject?, _ old: Value?
    ) throws(APIStatus) -> DecidedWrite {
        let request = pending.request
        let name = result.object.at("metadata", "name")?.stringValue ?? ""
        let key = Self.key(request.kind, request.namespace, name)
        if result.change == .created, state.cache.object(key) != nil { throw .alreadyExists(request.kind, name) }
        var object = result.object
        var transaction = StoreTransaction(conditions: [.init(key, revision: standing?.revision)])
        switch result.change {
        case .unchanged:
            return DecidedWrite(
                key: key, transaction: StoreTransaction(), object: object, change: .unchanged, warnings: result.warnings)
        case .removed:
            transaction.writes = [.delete(key)]
            transaction.writes += Self.released(old ?? object, key, request.kind, pool, state.cache, WallTime.now().seconds)
        case .created, .updated:
            if request.kind == .workloadEntry { object = RegistrationMark.marked(object, before: old, by: pending.principal) }
            if request.kind == .service {
                object = try addressed(object, key, &transaction, isDryRun: request.options.isDryRun)
                if let old { transaction.writes += givenUp(by: object, since: old, key) }
            }
            if result.change == .created, request.kind.isNamespaced {
                // It must still be there, and not be going, when this is stored.
                let namespace = StoreKey(NamespaceCollector.namespaces, key.namespace)
                transaction.conditions.append(.init(namespace, revision: state.cache.object(namespace)?.revision))
            }
            transaction.writes.append(.put(key, ObjectText.stored(object)))
        }
        var decided = DecidedWrite(
            key: key, transaction: transaction, object: object, change: result.change, warnings: result.warnings)
        if request.kind == .workloadEntry, result.change != .removed { try claimPlaces(&decided, old) }
        return decided
    }

    private func decide(
        deletion options: DeleteOptions, _ pending: PendingWrite, _ standing: CachedObject?, _ old: Value?
    ) throws(APIStatus) -> DecidedWrite {
        let kind = pending.request.kind
        guard let standing, let old else { throw .notFound(kind, pending.request.name ?? "") }
        try checkGrants(pending.request, pending.principal, before: old, after: nil)
        let now = WallTime.now().seconds
        var transaction = StoreTransaction(conditions: [.init(standing.key, revision: standing.revision)])
        switch try ObjectDeletion.end(old, kind, options, now: Timestamp(seconds: now)) {
        case .waiting:
            return DecidedWrite(key: standing.key, transaction: StoreTransaction(), object: old, change: .unchanged, warnings: [])
        case .mark(let marked):
            transaction.writes = [.put(standing.key, ObjectText.stored(marked))]
            return DecidedWrite(key: standing.key, transaction: transaction, object: marked, change: .updated, warnings: [])
        case .remove:
            transaction.writes = [.delete(standing.key)]
            transaction.writes += Self.released(old, standing.key, kind, pool, state.cache, now)
            return DecidedWrite(
                key: standing.key, transaction: transaction, object: old, change: .removed, warnings: [],
                document: ObjectDeletion.document(old, kind))
        }
    }

    private func context(_ pending: PendingWrite) -> WriteContext {
        let own = "\(pending.request.namespace ?? "")/\(pending.request.name ?? "")"
        return WriteContext(
            now: Timestamp(seconds: WallTime.now().seconds), uid: pending.uid, suffix: pending.suffix,
            userAgent: pending.exchange.head.headers["user-agent"] ?? "", mesh: settings.mesh,
            namespace: { [unowned self] in namespaceState($0) },
            judge: { [unowned self] before, after throws(APIStatus) in
                try checkGrants(pending.request, pending.principal, before: before, after: after)
            }, holders: { [unowned self] address, network in holders(address, network, except: own) },
            mayRead: { [unowned self] in mayRead($0, pending.principal) })
    }

    func checkGrants(
        _ request: APIRequest, _ principal: Principal, before: Value?, after: Value?
    ) throws(APIStatus) {
        guard request.kind == .workloadEntry else { return }
        try Authorizer.checkChange(principal, .update, before: before, after: after, grants: book.grants)
    }

    /// The addresses of a workload are its own: until the store has it where nobody else writes, in the store itself where others do.
    private func claimPlaces(_ decided: inout DecidedWrite, _ old: Value?) throws(APIStatus) {
        let places = WorkloadAddresses.places(of: decided.object)?.places ?? []
        guard places.count <= WorkloadClaims.limit else {
            let fault = FieldError(
                .invalid, "metadata.annotations", value: "\(places.count)",
                "a workload has at most \(WorkloadClaims.limit) addresses")
            throw .invalid(.workloadEntry, decided.key.name, [fault])
        }
        decided.places = places
        guard state.isShared else { return }
        let workload = "\(decided.key.namespace)/\(decided.key.name)"
        let claim = WorkloadClaims.claim(places, for: workload, in: state.cache)
        decided.transaction.conditions += claim.conditions
        decided.transaction.writes += claim.writes
        let given = (old.flatMap { WorkloadAddresses.places(of: $0) }?.places ?? []).filter { !places.contains($0) }
        decided.transaction.writes += WorkloadClaims.release(given, of: workload, in: state.cache)
    }

    // MARK: - Addresses of services

    /// The service with the addresses that it still needs, and what has to be stored so that it alone has them.
    private func addressed(
        _ service: Value, _ key: StoreKey, _ transaction: inout StoreTransaction, isDryRun: Bool
    ) throws(APIStatus) -> Value {
        let served = [pool.ipv4?.address.family, pool.ipv6?.address.family].compactMap { $0 }
        let now = WallTime.now().seconds
        if let refusal = ServiceAddresses.refusal(service, served: served) { throw .invalid(.service, key.name, [refusal]) }
        var claims: [ServiceAddressPool.Claim] = []
        for address in ServiceAddresses.addresses(of: service) where pool.covers(address) {
            guard let claim = pool.claim(address, for: key, in: state.cache, now: now) else {
                let fault = FieldError(
                    .invalid, "spec.clusterIPs", value: Value.string(address.description).json,
                    "failed to allocate IP \(address): provided IP is already allocated, or was until less than \(pool.quarantine) s ago"
                )
                throw .invalid(.service, key.name, [fault])
            }
            claims.append(claim)
        }
        var chosen: [IPAddress] = []
        for family in ServiceAddresses.wanted(service, served: served) {
            guard let claim = pool.choose(family, for: key, in: state.cache, now: now) else {
                throw APIStatus(
                    .internalError, "no address of the range for services is free: widen services.ipv4 or services.ipv6")
            }
            claims.append(claim)
            chosen.append(claim.address)
        }
        for claim in claims where claim.isNew {
            transaction.conditions.append(claim.condition)
            transaction.writes.append(claim.write)
        }
        return ServiceAddresses.assigning(chosen, to: service)
    }

    /// Addresses that a service had and has no longer.
    private func givenUp(by service: Value, since old: Value, _ key: StoreKey) -> [StoreTransaction.Write] {
        let kept = ServiceAddresses.addresses(of: service)
        return ServiceAddresses.addresses(of: old).filter { !kept.contains($0) }.compactMap {
            pool.release($0, of: key, in: state.cache, now: WallTime.now().seconds)
        }
    }

    // MARK: - Answers

    private func answer(_ pending: PendingWrite, _ decided: DecidedWrite, revision: UInt64?) {
        if let document = decided.document {
            return pending.exchange.respond(ControlAnswer.success(document))
        }
        var object = decided.object
        if let revision { object = object.setting(["metadata", "resourceVersion"], .string(String(revision))) }
        pending.exchange.respond(
            respond(
                with: object, pending.request, pending.representation, status: decided.change == .created ? 201 : 200,
                warnings: decided.warnings))
    }
}
