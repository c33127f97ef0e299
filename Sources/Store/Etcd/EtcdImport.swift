// SPDX-License-Identifier: Apache-2.0

internal import Kernel
internal import Wire

/// Puts a whole store below a prefix of etcd: nothing is served from there before the last step, which is one transaction, however the others end.
/// One thread uses it; it blocks. Ends with whoever holds it.
///
///     begin: mark, and nothing else is there ──► copy ──► verify ──► finish: the record in the mark's place
///
/// Who runs it again after it broke off begins anew, and the one before finds its mark gone.
package final class EtcdImport {
    /// What stands there was finished already: a run before this one wasn't told.
    package enum State: Sendable {
        case begun
        /// - Parameter isUntouched: and nobody has changed it since.
        case alreadyDone(isUntouched: Bool)
    }

    /// Of one transaction, in bytes: etcd takes 1.5 MiB unless it is told otherwise.
    private static let share = 512 << 10

    private let settings: EtcdSettings
    private let client: EtcdClient
    private let keys: EtcdKeys
    private let contents: StoreContents
    private let digest: String
    /// Above all that was told of the store, here too if it is put back.
    private var base: UInt64
    /// The cluster's, of our mark.
    private var mark: UInt64 = 0

    /// Reaches the cluster; writes nothing.
    package init(_ contents: StoreContents, to settings: EtcdSettings) throws(StoreFailure) {
        try settings.check()
        guard contents.revision < 1 << 62 else {
            throw .unusable("revision \(contents.revision) is above all that a store counts to")
        }
        self.settings = settings
        self.contents = contents
        base = contents.revision
        client = try EtcdClient(settings)
        keys = EtcdKeys(prefix: settings.prefix)
        digest = contents.digest
    }

    deinit { client.close() }

    // MARK: - Steps

    /// Marks the prefix and clears what an attempt before left there.
    /// - Parameter replacing: although a store stands there, whose replicas are all gone: it is lost with this step.
    package func begin(replacing: Bool) throws(StoreFailure) -> State {
        let standing = try EtcdRecord.read(client, keys)
        if let standing {
            let clock = try clock()
            if standing.identity == contents.identity, standing.digest == digest, !replacing {
                return .alreadyDone(isUntouched: clock == standing.revision)
            }
            base = max(base, standing.base + clock)
        }
        let before = try self.standingMark()
        if let standing {
            guard replacing else {
                throw .unusable("etcd: a store stands at \(keys.prefix) already (\(standing.identity)): choose another prefix")
            }
        } else if before == nil {
            try EtcdStore.checkEmpty(client, keys)
        } else if let other = before?.identity, other != contents.identity, !replacing {
            throw .unusable(
                "etcd: at \(keys.prefix) the store \(other) is being put, or that was broken off: finish it, or choose another prefix"
            )
        }
        try checkAlone()
        let attempt = randomBytes(8).map { String($0, radix: 16) }.joined(separator: "-")
        let own = EtcdImportMark(identity: contents.identity, base: base, digest: digest, attempt: attempt)
        var request = EtcdTransaction()
        request.compares = [(keys.store, standing?.revision ?? 0), (keys.importing, before?.revision ?? 0)]
        // The record first: who still follows the store that was here sees it go before its objects.
        request.success = [
            .delete(keys.store), .put(keys.importing, own.text), .put(keys.clock, []), .clear(keys.objects(nil, namespace: nil)),
        ]
        try send(request)
        guard let found = try self.standingMark(), found.text.elementsEqual(own.text) else { throw Self.overtaken(keys) }
        mark = found.revision
        return .begun
    }

    /// - Parameter told: how many objects are there, after each step.
    package func copy(_ told: (Int) -> Void) throws(StoreFailure) {
        var rest = contents.objects[...]
        while !rest.isEmpty {
            var part: [StoredObject] = []
            var size = 0
            while let next = rest.first, part.count < StoreTransaction.limit,
                part.isEmpty || size + next.value.count <= Self.share
            {
                part.append(next)
                size += next.value.count
                rest.removeFirst()
            }
            var request = EtcdTransaction()
            request.compares = [(keys.importing, mark)]
            request.success = part.map { .put(keys.key($0.key), $0.value) }
            // What got lost on the way may be written twice: it is the same, and only while the mark is ours.
            guard try send(request) else { throw Self.overtaken(keys) }
            told(contents.objects.count - rest.count)
        }
    }

    /// Reads all of it back, and compares.
    package func verify() throws(StoreFailure) {
        let objects: [StoredObject]
        do throws(EtcdFailure) { (objects, _) = try EtcdStore.read(client, keys, record: nil, nil, namespace: nil) } catch {
            throw error.storeFailure
        }
        guard objects.count == contents.objects.count, StoreContents.digest(objects) == digest else {
            throw .unusable(
                "etcd: what stands at \(keys.prefix) isn't what was written (\(objects.count) of \(contents.objects.count) objects): "
                    + "does somebody else write there?"
            )
        }
    }

    /// From here on it is served. An answer that gets lost is `.unavailable`: running it all again tells.
    /// - Returns: the first revision of the store here.
    package func finish() throws(StoreFailure) -> UInt64 {
        var request = EtcdTransaction()
        request.compares = [(keys.importing, mark), (keys.store, 0)]
        let record = EtcdRecord(identity: contents.identity, base: base, digest: digest)
        request.success = [.put(keys.store, record.text), .put(keys.clock, []), .delete(keys.importing)]
        try send(request)
        // What was sent twice didn't hold the second time.
        guard let made = try EtcdRecord.read(client, keys), made.identity == record.identity, made.digest == digest else {
            throw Self.overtaken(keys)
        }
        return made.revision + made.base
    }

    /// Takes away what an attempt left that won't be finished. False: it was finished, and is served from there.
    package func abandon() throws(StoreFailure) -> Bool {
        if let standing = try EtcdRecord.read(client, keys), standing.identity == contents.identity { return false }
        guard let before = try self.standingMark(), before.identity == contents.identity else { return true }
        var request = EtcdTransaction()
        request.compares = [(keys.store, 0), (keys.importing, before.revision)]
        request.success = [.delete(keys.importing), .delete(keys.clock), .clear(keys.objects(nil, namespace: nil))]
        guard try send(request) else { throw Self.overtaken(keys) }
        return true
    }

    // MARK: - Requests

    private static func overtaken(_ keys: EtcdKeys) -> StoreFailure {
        .unusable("etcd: somebody else puts a store at \(keys.prefix) too: let that finish, then look")
    }

    /// All of these are as good twice as once. False: a condition didn't hold, or it had happened before.
    @discardableResult
    private func send(_ request: EtcdTransaction) throws(StoreFailure) -> Bool {
        let bytes = request.bytes
        let answer: EtcdTransactionAnswer = try EtcdStore.ask { () throws(EtcdFailure) in
            try client.call(EtcdPath.transaction, bytes)
        }
        return answer.succeeded
    }

    private func standingMark() throws(StoreFailure) -> (revision: UInt64, identity: String?, text: [UInt8])? {
        let answer: EtcdRangeAnswer = try EtcdStore.ask { () throws(EtcdFailure) in
            try client.call(EtcdPath.range, EtcdRange(key: keys.importing).bytes)
        }
        return answer.values.first.map { ($0.revision, EtcdImportMark.identity(in: $0.value), Array($0.value)) }
    }

    private func clock() throws(StoreFailure) -> UInt64 {
        let answer: EtcdRangeAnswer = try EtcdStore.ask { () throws(EtcdFailure) in
            try client.call(EtcdPath.range, EtcdRange(key: keys.clock).bytes)
        }
        return try EtcdStore.clock(answer, keys)
    }

    /// Who serves the store that is to go would serve a half one. One that hangs, and comes back later, finds its record gone.
    private func checkAlone() throws(StoreFailure) {
        let names = try EtcdStore.leases(client, keys).keys.sorted()
        guard let first = names.first else { return }
        throw .unusable(
            "etcd: \(names.count == 1 ? "a control plane serves" : "\(names.count) control planes serve") from \(keys.prefix) (\(first)): "
                + "stop them first; one that ended hard is forgotten after \(EtcdLease.lifetime) s"
        )
    }
}
