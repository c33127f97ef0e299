// SPDX-License-Identifier: Apache-2.0

internal import Documents
package import ResourceAPI
package import Store

/// Makes, lists and revokes tokens, in the store. A value; everything blocks: run as errands.
package struct TokenDesk: Sendable {
    private let store: any Store

    /// Beyond this somebody makes tokens in a loop.
    private static let maximumTokens = 10_000
    /// How long an expired token is still listed, in seconds: who asks why it failed finds it.
    private static let remembered: Int64 = 7 * 86_400

    package init(_ store: any Store) { self.store = store }

    /// The whole token, which is nowhere afterwards but with whom it is given to.
    /// - Parameter root: the digest of the root that hosts are to know the control plane by.
    package func create(
        _ wish: TokenWish, by who: String, root: String, now: Int64
    ) throws(APIStatus) -> (token: AccessToken, record: TokenRecord, revision: UInt64) {
        let kept = try sweep(now: now)
        guard kept < Self.maximumTokens else {
            throw APIStatus(.forbidden, "there are \(kept) tokens already: revoke some with `warren token revoke`")
        }
        let token = AccessToken(wish.kind, root: root)
        let record = TokenRecord(
            id: token.id, kind: wish.kind, hash: token.hash, role: wish.role, node: wish.kind == .join ? wish.node : nil,
            created: now, expires: now + wish.lifetime, createdBy: who, note: wish.note)
        let transaction = StoreTransaction(
            conditions: [.init(record.key, revision: nil)], writes: [.put(record.key, record.json.jsonBytes)])
        do throws(StoreFailure) {
            do throws(StoreFailure) {
                return (token, record, try store.commit(transaction))
            } catch {
                // It may have happened, and nobody else makes one with this number.
                guard case .unavailable = error, let stored = try store.get(record.key), stored.value == record.json.jsonBytes
                else { throw error }
                return (token, record, stored.revision)
            }
        } catch { throw error.status }
    }

    /// In the order in which they were made.
    package func list() throws(APIStatus) -> [TokenRecord] { try records().sorted { ($0.created, $0.id) < ($1.created, $1.id) } }

    /// - Throws: `NotFound`.
    package func revoke(_ id: String) throws(APIStatus) -> (record: TokenRecord, revision: UInt64) {
        let key = StoreKey(TokenRecord.resource, id)
        let stored: StoredObject?
        var revision: UInt64 = 0
        do throws(StoreFailure) {
            stored = try store.get(key)
            if stored != nil { revision = try store.commit(StoreTransaction(writes: [.delete(key)])) }
        } catch { throw error.status }
        guard let stored, let record = TokenRecord(id: id, stored: stored.value) else {
            throw APIStatus(.notFound, "there is no token \(id)")
        }
        return (record, revision)
    }

    private func records() throws(APIStatus) -> [TokenRecord] {
        do throws(StoreFailure) {
            return try store.list(TokenRecord.resource, namespace: nil).objects
                .compactMap { TokenRecord(id: $0.key.name, stored: $0.value) }
        } catch { throw error.status }
    }

    /// Forgets what expired long ago; how many are left.
    private func sweep(now: Int64) throws(APIStatus) -> Int {
        let all = try records()
        let over = all.filter { $0.expires + Self.remembered < now }
        guard !over.isEmpty else { return all.count }
        do throws(StoreFailure) {
            _ = try store.commit(StoreTransaction(writes: over.prefix(StoreTransaction.limit).map { .delete($0.key) }))
        } catch { throw error.status }
        return all.count - min(over.count, StoreTransaction.limit)
    }
}

extension StoreFailure {
    /// What a client is told.
    var status: APIStatus {
        switch self {
        case .conflict(let key, _): APIStatus(.conflict, "\(key.resource) \"\(key.name)\" was changed meanwhile: try again")
        case .compacted: APIStatus(.expired, "that is too long ago")
        case .unavailable(let why): APIStatus(.unavailable, "the store doesn't answer (\(why)): try again")
        case .unusable(let why): APIStatus(.internalError, "the store can't be used: \(why)")
        }
    }
}
