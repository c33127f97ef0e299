// SPDX-License-Identifier: Apache-2.0

internal import TLS

/// Where the control plane keeps its state: a map from keys to JSON texts in which every change has a number, the revision. SQLite and etcd do the
/// same here, and the same tests hold both to it.
///
/// Everything blocks: a store is called from threads that may, never from a loop. It is safe to call from several at once.
package protocol Store: AnyObject, Sendable {
    /// Which store this is, made with it and kept by it for ever: whoever remembers revisions remembers this beside them (I21).
    var identity: String { get }

    /// Others change it too: what this process has in memory may be behind.
    var isShared: Bool { get }

    /// The revision of the newest change.
    func revision() throws(StoreFailure) -> UInt64

    func get(_ key: StoreKey) throws(StoreFailure) -> StoredObject?

    /// All objects of a resource, or of all resources, by key; `revision` is that of the moment at which all of them stood so.
    func list(_ resource: String?, namespace: String?) throws(StoreFailure) -> StoredList

    /// All changes of a transaction, or none: acknowledged only when they survive a power cut (I23). Of several writes to one key the last counts;
    /// deleting what isn't there is no change. Returns the revision that they got, the newest if there are none.
    /// - Throws: `.conflict` if a condition doesn't hold.
    func commit(_ transaction: StoreTransaction) throws(StoreFailure) -> UInt64

    /// Several transactions that waited together: each has its own conditions, its own revision and its own answer, and all are acknowledged
    /// together. An order in which they could have been committed one by one is that in which they stand.
    func commit(_ transactions: [StoreTransaction]) -> [Result<UInt64, StoreFailure>]

    /// What happened after a revision, in order: as many whole transactions as have at most `limit` changes together, but the first
    /// whatever its size.
    /// - Throws: `.compacted` if that is no longer known.
    func changes(after revision: UInt64, limit: Int) throws(StoreFailure) -> [StoreChange]

    /// Has `notify` called, on any thread, after changes that may be new, other replicas' included. It may be called more often than there are
    /// changes.
    func observe(_ notify: @escaping @Sendable () -> Void)

    /// Forgets what happened before a revision; objects stay.
    func compact(before revision: UInt64) throws(StoreFailure)

    /// Takes a name for this process, for as long as it lives and reaches the store: what only one replica may do, and who is there. Nil: another has
    /// it. Names aren't objects: they have no revisions and aren't told as changes.
    func acquire(_ name: String, value: [UInt8]) throws(StoreFailure) -> (any StoreLease)?

    /// The names that are taken now, a thousand at most, with what their holders say.
    func leases() throws(StoreFailure) -> [String: [UInt8]]
}

/// A name that is held. Safe from any thread; it is kept for as long as this object, or until `release`.
package protocol StoreLease: AnyObject, Sendable {
    var name: String { get }
    /// False from when another may have it: what only one may do has to rest from before that moment.
    var isHeld: Bool { get }
    /// Changes what its holder says to whoever reads the names; that ends with the name. No object changes by it. Blocks.
    /// - Throws: `.unavailable` if it may not have happened, or the name is lost.
    func say(_ value: [UInt8]) throws(StoreFailure)
    /// Lets it go now, for others don't have to wait then. Blocks.
    func release()
}

extension Store {
    package func commit(_ transactions: [StoreTransaction]) -> [Result<UInt64, StoreFailure>] {
        transactions.map { transaction in
            do throws(StoreFailure) { return .success(try commit(transaction)) } catch { return .failure(error) }
        }
    }
}

/// A whole store on its way into another place. Who remembers its revisions goes on with it there.
package struct StoreContents: Sendable {
    /// Of the store: it stays the same one (I21).
    package let identity: String
    /// Above every revision that was told of it.
    package let revision: UInt64
    /// By key.
    package let objects: [StoredObject]

    package init(identity: String, revision: UInt64, objects: [StoredObject]) {
        self.identity = identity
        self.revision = revision
        self.objects = objects.sorted { $0.key < $1.key }
    }

    /// A SHA-256 over all keys and texts, in hexadecimal digits: revisions change on the way.
    package var digest: String { Self.digest(objects) }

    static func digest(_ objects: [StoredObject]) -> String {
        var all: [UInt8] = []
        all.reserveCapacity(objects.count * SHA256.length)
        for object in objects {
            var bytes: [UInt8] = []
            for part in [object.key.resource, object.key.namespace, object.key.name] {
                bytes += Array("\(part.utf8.count) ".utf8) + Array(part.utf8)
            }
            all += SHA256.digest(bytes + object.value)
        }
        return SHA256.hex(all)
    }
}

/// The place of an object. Ordered by resource, namespace, name.
package struct StoreKey: Hashable, Sendable, Comparable {
    /// The plural with its group, `services`, `authorizationpolicies.security.istio.io`: without a version, which is how an object is looked at.
    package let resource: String
    /// Empty for what belongs to no namespace.
    package let namespace: String
    package let name: String

    package init(_ resource: String, namespace: String = "", _ name: String) {
        self.resource = resource
        self.namespace = namespace
        self.name = name
    }

    package static func < (a: StoreKey, b: StoreKey) -> Bool {
        (a.resource, a.namespace, a.name) < (b.resource, b.namespace, b.name)
    }
}

/// An object as it is stored.
package struct StoredObject: Hashable, Sendable {
    package let key: StoreKey
    /// A JSON text; the store doesn't look into it.
    package let value: [UInt8]
    /// Of the change that made it so.
    package let revision: UInt64

    package init(key: StoreKey, value: [UInt8], revision: UInt64) {
        self.key = key
        self.value = value
        self.revision = revision
    }
}

/// What stood at one revision.
package struct StoredList: Hashable, Sendable {
    package let objects: [StoredObject]
    package let revision: UInt64

    package init(objects: [StoredObject], revision: UInt64) {
        self.objects = objects
        self.revision = revision
    }
}

/// Changes that are made together under conditions.
package struct StoreTransaction: Hashable, Sendable {
    package struct Condition: Hashable, Sendable {
        package let key: StoreKey
        /// The revision that the object must have; nil: there must be none.
        package let revision: UInt64?

        package init(_ key: StoreKey, revision: UInt64?) {
            self.key = key
            self.revision = revision
        }
    }

    package enum Write: Hashable, Sendable {
        case put(StoreKey, [UInt8])
        case delete(StoreKey)

        package var key: StoreKey {
            switch self {
            case .put(let key, _), .delete(let key): key
            }
        }
    }

    /// Writes and conditions that every store takes at once: etcd has 128 as its standard, and needs some itself.
    package static let limit = 100

    package var conditions: [Condition]
    package var writes: [Write]

    package init(conditions: [Condition] = [], writes: [Write] = []) {
        self.conditions = conditions
        self.writes = writes
    }

    /// The last write of each key, in order: an object changes once per revision.
    var lastWrites: [Write] {
        var seen: Set<StoreKey> = []
        return writes.reversed().filter { seen.insert($0.key).inserted }.reversed()
    }

    /// Bytes of the texts that it writes.
    package var size: Int {
        writes.reduce(0) { sum, write in
            if case .put(_, let value) = write { sum + value.count } else { sum }
        }
    }
}

/// One change of one object. Those of one transaction have one revision.
package struct StoreChange: Hashable, Sendable {
    package let key: StoreKey
    package let revision: UInt64
    /// The new text; nil if it was deleted.
    package let value: [UInt8]?
    /// What stood before; nil if it is new.
    package let previous: [UInt8]?

    package init(key: StoreKey, revision: UInt64, value: [UInt8]?, previous: [UInt8]?) {
        self.key = key
        self.revision = revision
        self.value = value
        self.previous = previous
    }
}

package enum StoreFailure: Error, Hashable, Sendable {
    /// The condition on this key didn't hold; `current` is what stands.
    case conflict(StoreKey, current: StoredObject?)
    /// Only what came after this revision is still known.
    case compacted(oldest: UInt64)
    /// It doesn't answer, the disk is full: what was asked may or may not have happened.
    case unavailable(String)
    /// It isn't ours, is of a newer version, or damaged: nothing can be done with it.
    case unusable(String)

    /// In words for people, with what to do where that is known.
    package var text: String {
        switch self {
        case .conflict(let key, _): "\(key.name) has changed"
        case .compacted(let oldest): "only what came after \(oldest) is known"
        case .unavailable(let text), .unusable(let text): text
        }
    }
}
