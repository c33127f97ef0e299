// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// What says that a store stands below a prefix: a key without which nothing is served. A value; reading it blocks.
struct EtcdRecord: Hashable, Sendable {
    /// Raised when what stands in etcd changes its form: 2 has a base.
    private static let version: Int64 = 2

    let identity: String
    /// Added to the cluster's revisions; 0 for a store that began here.
    var base: UInt64 = 0
    /// Of what was put here, for a store that came from elsewhere.
    var digest: String?
    /// The cluster's, of the change that made the record: what was before isn't this store's.
    var revision: UInt64 = 0

    var text: [UInt8] {
        Value.object(present: [
            ("identity", .string(identity)), ("version", .integer(base == 0 ? 1 : Self.version)),
            ("base", base == 0 ? nil : .integer(Int64(clamping: base))), ("digest", digest.map { .string($0) }),
        ]).jsonBytes
    }

    /// The record; nil if there is none.
    static func read(_ client: EtcdClient, _ keys: EtcdKeys) throws(StoreFailure) -> EtcdRecord? {
        let answer: EtcdRangeAnswer = try EtcdStore.ask { () throws(EtcdFailure) in
            try client.call(EtcdPath.range, EtcdRange(key: keys.store).bytes)
        }
        return try answer.values.first.map { found throws(StoreFailure) in try EtcdRecord(found, keys) }
    }

    init(identity: String, base: UInt64 = 0, digest: String? = nil) {
        self.identity = identity
        self.base = base
        self.digest = digest
    }

    init(_ found: EtcdKeyValue, _ keys: EtcdKeys) throws(StoreFailure) {
        let place = "etcd: \(keys.prefix)/store"
        guard let value = try? JSON.read(Array(found.value)), let version = value["version"]?.integerValue else {
            throw .unusable("\(place) isn't Warren's")
        }
        guard (1...Self.version).contains(version) else {
            throw .unusable("\(place) is of version \(version); this program knows version \(Self.version)")
        }
        guard let identity = value["identity"]?.stringValue, !identity.isEmpty else {
            throw .unusable("\(place) is damaged: the store's identity is missing")
        }
        if let base = value["base"] {
            guard let number = base.integerValue.flatMap({ UInt64(exactly: $0) }), number < 1 << 62 else {
                throw .unusable("\(place) is damaged: its base is no number of revisions")
            }
            self.base = number
        }
        self.identity = identity
        digest = value["digest"]?.stringValue
        revision = found.revision
    }
}

/// What says that a whole store is being put below a prefix: until it is finished nothing is served from there.
struct EtcdImportMark: Hashable, Sendable {
    let identity: String
    /// Above all that was told of the store.
    let base: UInt64
    let digest: String
    /// Another for each attempt: of two, one goes on.
    let attempt: String

    var text: [UInt8] {
        Value.object([
            ("identity", .string(identity)), ("base", .integer(Int64(clamping: base))), ("digest", .string(digest)),
            ("attempt", .string(attempt)),
        ]).jsonBytes
    }

    /// Whose it is, of a mark that stands there. Nil: unreadable.
    static func identity(in text: ArraySlice<UInt8>) -> String? { (try? JSON.read(Array(text)))?["identity"]?.stringValue }
}
