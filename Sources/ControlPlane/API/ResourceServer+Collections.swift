// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import HTTP
internal import Kernel
internal import ResourceAPI
internal import Store
internal import Transport

extension ResourceServer {
    /// Objects that one `deletecollection` ends.
    private static let collectionLimit = 10_000

    /// Ends every object that fits, each by itself: what can't be ended is left, as Kubernetes does it.
    func deleteCollection(_ pending: PendingWrite) throws(APIStatus) {
        guard case .deletion(let options) = pending.content else { return }
        let request = pending.request
        let all = state.cache.objects(request.kind.resource, namespace: request.kind.isNamespaced ? request.namespace : nil)
        var ended: [CachedObject] = []
        for object in all where ended.count < Self.collectionLimit {
            let tree = try Self.tree(object)
            if let labels = request.options.labelSelector, !labels.matches(tree.at("metadata", "labels")?.stringMap ?? [:]) {
                continue
            }
            if let fields = request.options.fieldSelector,
                !fields.matches(name: object.key.name, namespace: object.key.namespace)
            {
                continue
            }
            ended.append(object)
        }
        let steps = try collectionSteps(ended, pending, options)
        let exchange = pending.exchange
        let metadata = ListMetadata(resourceVersion: String(state.cache.revision))
        let head = APIList.head(request.kind, version: request.version, metadata: metadata)
        let texts = ended.map { ObjectText.shown($0.text, revision: $0.revision) }
        let body = head + Array(texts.joined(separator: ",".utf8)) + APIList.tail
        let response = HTTP1Response(status: 200, headers: ["content-type": "application/json"], body: body)
        guard !steps.isEmpty, !options.isDryRun else { return exchange.respond(response) }
        commitCollection(steps[...], pending) { [audit] in
            audit.done(
                "deletecollection", request.subject, by: pending.principal.name, from: exchange.peer.place, "\(ended.count)")
            exchange.respond(response)
        }
    }

    /// What ends these objects, in transactions that every store takes.
    private func collectionSteps(
        _ ended: [CachedObject], _ pending: PendingWrite, _ options: DeleteOptions
    ) throws(APIStatus) -> [StoreTransaction] {
        let (kind, now) = (pending.request.kind, WallTime.now().seconds)
        var steps: [StoreTransaction] = []
        var step = StoreTransaction()
        for object in ended {
            let tree = try Self.tree(object)
            try checkGrants(pending.request, pending.principal, before: tree, after: nil)
            var writes: [StoreTransaction.Write] = []
            switch try ObjectDeletion.end(tree, kind, options, now: Timestamp(seconds: now)) {
            case .waiting: continue
            case .mark(let marked): writes = [.put(object.key, ObjectText.stored(marked))]
            case .remove:
                writes = [.delete(object.key)] + Self.released(tree, object.key, kind, pool, state.cache, now)
            }
            if step.writes.count + writes.count > StoreTransaction.limit {
                steps.append(step)
                step = StoreTransaction()
            }
            step.writes += writes
            step.conditions.append(.init(object.key, revision: object.revision))
        }
        if !step.writes.isEmpty { steps.append(step) }
        return steps
    }

    private func commitCollection(
        _ steps: ArraySlice<StoreTransaction>, _ pending: PendingWrite, _ done: @escaping () -> Void
    ) {
        guard let step = steps.first else { return done() }
        state.commit(step) { [weak self] outcome in
            guard let self else { return }
            switch outcome {
            case .success: commitCollection(steps.dropFirst(), pending, done)
            case .failure(.conflict): tryCollectionAgain(pending)
            case .failure(let failure):
                let status = APIStatus(.unavailable, "the store doesn't answer: \(failure.text)")
                refuse(pending.exchange, status, pending.principal)
            }
        }
    }

    private func tryCollectionAgain(_ pending: PendingWrite) {
        var pending = pending
        pending.tries += 1
        do throws(APIStatus) {
            guard pending.tries < Self.attempts else {
                throw APIStatus(.conflict, "these objects change too quickly to be deleted together: try again")
            }
            try deleteCollection(pending)
        } catch {
            refuse(pending.exchange, error, pending.principal)
        }
    }
}
