// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import HTTP
internal import Kernel
internal import ResourceAPI
internal import Store
internal import Transport

extension ResourceServer {
    func read(_ request: APIRequest, _ exchange: any HTTPExchange, _ principal: Principal) throws(APIStatus) {
        let representation = try Representation(accept: exchange.head.headers["accept"] ?? "")
        // Who names no revision wants what stands now, whichever replica was told of it; and who names one may have it from another.
        guard state.isShared, request.options.resourceVersion.map({ $0 > state.cache.revision }) ?? true else {
            return try readNow(request, representation, exchange, principal)
        }
        state.catchUp { [weak self] outcome in
            guard let self else { return }
            do throws(APIStatus) {
                if case .failure(let failure) = outcome {
                    throw APIStatus(.unavailable, "the store doesn't answer: \(failure.text)")
                }
                try readNow(request, representation, exchange, principal)
            } catch {
                refuse(exchange, error, principal)
            }
        }
    }

    private func readNow(
        _ request: APIRequest, _ representation: Representation, _ exchange: any HTTPExchange, _ principal: Principal
    ) throws(APIStatus) {
        try checkNotAhead(request)
        switch request.verb {
        case .get: try get(request, representation, exchange, principal)
        case .watch: try watch(request, representation, exchange, principal)
        case .list: try list(request, representation, exchange)
        case .create, .update, .patch, .delete, .deletecollection: break
        }
    }

    /// A revision that nobody has made yet can't be waited for: the client got it elsewhere, or from before a restore.
    private func checkNotAhead(_ request: APIRequest) throws(APIStatus) {
        guard let wanted = request.options.resourceVersion, wanted > state.cache.revision else { return }
        throw APIStatus(.timeout, "Too large resource version: \(wanted), current: \(state.cache.revision)")
    }

    private func get(
        _ request: APIRequest, _ representation: Representation, _ exchange: any HTTPExchange, _ principal: Principal
    ) throws(APIStatus) {
        let name = request.name ?? ""
        guard let object = state.cache.object(Self.key(request.kind, request.namespace, name)) else {
            throw .notFound(request.kind, name)
        }
        let tree = try Self.tree(object)
        if request.kind == .workloadEntry {
            try Authorizer.checkChange(principal, .get, before: tree, after: nil, grants: book.grants)
        }
        exchange.respond(respond(with: tree, request, representation, status: 200))
    }

    static func tree(_ object: CachedObject) throws(APIStatus) -> Value {
        do throws(DocumentFailure) {
            return try ObjectText.read(object.text, revision: object.revision)
        } catch {
            throw APIStatus(.internalError, "\(object.key.name) in the store is damaged: \(error.message)")
        }
    }

    /// An answer with one object.
    func respond(
        with object: Value, _ request: APIRequest, _ representation: Representation, status: Int, warnings: [String] = []
    ) -> HTTP1Response {
        var response = ControlAnswer.success(Self.shown(object, request, representation), status: status)
        for warning in warnings.prefix(32) {
            let text = warning.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            response.headers.append("warning", "299 - \"\(text)\"")
        }
        return response
    }

    /// The object as the client wants to see it.
    private static func shown(_ object: Value, _ request: APIRequest, _ representation: Representation) -> Value {
        let seen = request.kind.object(object, as: request.version)
        switch representation {
        case .object: return seen
        case .metadata(let version): return PartialMetadata.document(seen, version: version)
        case .table(let version):
            let now = Timestamp(seconds: WallTime.now().seconds)
            return APITable(request.kind, version: version, include: request.options.includeObject, now: now).document(seen)
        }
    }

    // MARK: - Lists

    /// Which objects are asked for, in which form.
    private func view(_ request: APIRequest, _ representation: Representation) -> ObjectView {
        var view = ObjectView(resource: request.kind.resource, namespace: request.kind.isNamespaced ? request.namespace : "")
        view.labels = request.options.labelSelector
        if let fields = request.options.fieldSelector {
            view.name = fields.onlyName
            view.fields = { object in
                fields.matches(
                    name: object.at("metadata", "name")?.stringValue ?? "",
                    namespace: object.at("metadata", "namespace")?.stringValue ?? "")
            }
        }
        if representation != .object || request.version != request.kind.storageVersion {
            view.write = { Self.shown($0, request, representation).jsonBytes }
        }
        return view
    }

    private func list(_ request: APIRequest, _ representation: Representation, _ exchange: any HTTPExchange) throws(APIStatus) {
        let options = request.options
        var objects = state.cache.objects(request.kind.resource, namespace: request.kind.isNamespaced ? request.namespace : nil)
        var revision = state.cache.revision
        if options.versionMatch == .exact, let wanted = options.resourceVersion, wanted != revision {
            throw APIStatus(
                .expired,
                "The provided resource version \(wanted) isn't the present one, \(revision), and older ones can't be listed")
        }
        if let continuation = options.continuation {
            // The revision stays the first part's: a watch from there tells what changed between the parts.
            guard state.ring.number(after: continuation.revision) != nil else { throw ContinueToken.expired }
            revision = continuation.revision
            let key = Self.key(request.kind, continuation.namespace, continuation.name)
            objects = objects.drop { !(key < $0.key) }
        }
        let view = view(request, .object)
        var rest = objects
        var chosen: [CachedObject] = []
        let limit = options.limit ?? .max
        while chosen.count < limit, let object = rest.popFirst() {
            if view.covers(object.key),
                view.labels == nil && view.fields == nil || (try? Self.tree(object)).map(view.fits) == true
            {
                chosen.append(object)
            }
        }
        var metadata = ListMetadata(resourceVersion: String(revision))
        if !rest.isEmpty, let last = chosen.last {
            metadata.continuation = ContinueToken(revision: revision, namespace: last.key.namespace, name: last.key.name)
            if view.labels == nil, view.fields == nil { metadata.remaining = rest.count }
        }
        switch representation {
        case .object:
            ListWriter.write(
                chosen, view, head: APIList.head(request.kind, version: request.version, metadata: metadata), to: exchange)
        case .metadata(let version):
            let trees = chosen.compactMap { try? Self.tree($0) }
            exchange.respond(ControlAnswer.success(PartialMetadata.list(trees, metadata: metadata, version: version)))
        case .table(let version):
            let trees = chosen.compactMap { try? Self.tree($0) }.map { request.kind.object($0, as: request.version) }
            let now = Timestamp(seconds: WallTime.now().seconds)
            let table = APITable(request.kind, version: version, include: options.includeObject, now: now)
            exchange.respond(ControlAnswer.success(table.document(trees, metadata: metadata)))
        }
    }

    // MARK: - Watches

    private func watch(
        _ request: APIRequest, _ representation: Representation, _ exchange: any HTTPExchange, _ principal: Principal
    ) throws(APIStatus) {
        guard watches.count < WatchHub.limit else {
            throw APIStatus(.tooManyRequests, "there are \(WatchHub.limit) watches already: try again later")
        }
        let options = request.options
        let view = view(request, representation)
        let bookmark: ((UInt64, Bool) -> [UInt8])? =
            options.allowsBookmarks
            ? { revision, isEnd in
                APIList.bookmark(
                    request.kind, version: request.version, representation: representation, revision: revision,
                    endsInitialEvents: isEnd
                ).jsonBytes
            } : nil
        let start: Watch.Start
        if let wanted = options.resourceVersion, wanted > 0, options.sendInitialEvents != true {
            guard let number = state.ring.number(after: wanted) else {
                throw APIStatus(
                    .expired, "too old resource version: \(wanted) (\(state.ring.floor)). List again and watch from there")
            }
            start = Watch.Start(number: number, revision: wanted)
        } else {
            let all = state.cache.objects(request.kind.resource, namespace: request.kind.isNamespaced ? request.namespace : nil)
            start = Watch.Start(
                objects: options.sendInitialEvents == false ? [] : all, marksInitialEnd: options.sendInitialEvents == true,
                number: state.ring.end, revision: state.cache.revision)
        }
        // Spread, so that a thousand that began together don't end together.
        let most = UInt64.random(in: 1800...3600)
        var seconds = options.timeoutSeconds.map { min(UInt64($0), most) } ?? most
        if let until = principal.until { seconds = min(seconds, UInt64(max(1, until - WallTime.now().seconds))) }
        watches.add(
            Watch(exchange, owner: principal.name, view: view, start: start, bookmark: bookmark, hub: watches),
            for: .seconds(seconds))
    }
}

/// Writes a list at the pace of its client: fifty thousand objects aren't copied for one that doesn't read them.
private final class ListWriter {
    /// Bytes that may be on their way.
    private static let queueLimit = 256 << 10

    private let exchange: any HTTPExchange
    private let view: ObjectView
    private var rest: ArraySlice<CachedObject>
    private var isFirst = true

    static func write(_ objects: [CachedObject], _ view: ObjectView, head: [UInt8], to exchange: any HTTPExchange) {
        let headers: HTTPHeaders = ["content-type": "application/json", "cache-control": "no-cache, private"]
        // Most lists are short: they go whole, with their length.
        if objects.reduce(0, { $0 + $1.text.count }) < queueLimit {
            let texts = objects.compactMap { view.shown($0.text, revision: $0.revision) }
            let body = head + Array(texts.joined(separator: ",".utf8)) + APIList.tail
            return exchange.respond(HTTP1Response(status: 200, headers: headers, body: body))
        }
        let writer = ListWriter(exchange, view, objects)
        exchange.begin(status: 200, headers: headers)
        exchange.send(head)
        exchange.onDrained = { writer.go() }
        writer.go()
    }

    private init(_ exchange: any HTTPExchange, _ view: ObjectView, _ objects: [CachedObject]) {
        self.exchange = exchange
        self.view = view
        rest = objects[...]
    }

    private func go() {
        while exchange.queued < Self.queueLimit, let object = rest.popFirst() {
            guard let text = view.shown(object.text, revision: object.revision) else { continue }
            exchange.send(isFirst ? text : [UInt8(ascii: ",")] + text)
            isFirst = false
        }
        guard rest.isEmpty else { return }
        exchange.onDrained = nil
        exchange.send(APIList.tail)
        exchange.finish(trailers: [:])
    }
}
