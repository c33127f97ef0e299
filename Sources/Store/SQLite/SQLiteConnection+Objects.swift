// SPDX-License-Identifier: Apache-2.0

/// The store's operations as statements. What reads or writes more than once is called inside a transaction.
extension SQLiteConnection {
    /// The number of the newest change.
    func revision() throws(StoreFailure) -> UInt64 {
        guard let revision = try query("SELECT revision FROM store", row: { $0.integer(0) }).first else {
            throw .unusable("\(path): damaged: the store's revision is missing")
        }
        return revision
    }

    func object(_ key: StoreKey) throws(StoreFailure) -> StoredObject? {
        try query(
            "SELECT value, revision FROM objects WHERE resource = ? AND namespace = ? AND name = ?", key.columns,
            row: { StoredObject(key: key, value: $0.blob(0) ?? [], revision: $0.integer(1)) }
        ).first
    }

    func objects(_ resource: String?, namespace: String?) throws(StoreFailure) -> [StoredObject] {
        // A text per case, so that each finds its index.
        let (condition, values): (String, [SQLiteValue]) =
            switch (resource, namespace) {
            case (nil, nil): ("", [])
            case (let resource?, nil): (" WHERE resource = ?", [.text(resource)])
            case (nil, let namespace?): (" WHERE namespace = ?", [.text(namespace)])
            case (let resource?, let namespace?):
                (" WHERE resource = ? AND namespace = ?", [.text(resource), .text(namespace)])
            }
        let text = "SELECT resource, namespace, name, value, revision FROM objects"
        return try query(text + condition + " ORDER BY resource, namespace, name", values) {
            StoredObject(
                key: StoreKey($0.text(0), namespace: $0.text(1), $0.text(2)), value: $0.blob(3) ?? [], revision: $0.integer(4))
        }
    }

    /// The transaction's revision, and whether it changed anything.
    func apply(_ transaction: StoreTransaction) throws(StoreFailure) -> (revision: UInt64, changed: Bool) {
        for condition in transaction.conditions {
            let current = try object(condition.key)
            if current?.revision != condition.revision { throw .conflict(condition.key, current: current) }
        }
        let before = try revision()
        let revision = before + 1
        var changed = false
        for write in transaction.lastWrites {
            if try apply(write, revision: revision) { changed = true }
        }
        guard changed else { return (before, false) }
        try run("UPDATE store SET revision = ?", [.integer(revision)])
        return (revision, true)
    }

    /// False if there was nothing to delete.
    private func apply(_ write: StoreTransaction.Write, revision: UInt64) throws(StoreFailure) -> Bool {
        let key = write.key
        let previous = try object(key)
        let value: SQLiteValue
        switch write {
        case .put(_, let bytes):
            value = .blob(bytes)
            try run(
                "INSERT INTO objects (resource, namespace, name, revision, value) VALUES (?1, ?2, ?3, ?4, ?5) "
                    + "ON CONFLICT DO UPDATE SET revision = ?4, value = ?5", key.columns + [.integer(revision), value])
        case .delete:
            if previous == nil { return false }
            value = .null
            try run("DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?", key.columns)
        }
        try run(
            "INSERT INTO changes (resource, namespace, name, revision, value, previous) VALUES (?, ?, ?, ?, ?, ?)",
            key.columns + [.integer(revision), value, previous.map { .blob($0.value) } ?? .null])
        return true
    }

    /// Whole transactions only: who goes on after the last one's revision must miss nothing of it.
    func changes(after revision: UInt64, limit: Int) throws(StoreFailure) -> [StoreChange] {
        let compacted = try query("SELECT compacted FROM store") { $0.integer(0) }.first ?? 0
        guard revision >= compacted else { throw .compacted(oldest: compacted) }
        guard limit > 0 else { return [] }
        let columns = "SELECT resource, namespace, name, revision, value, previous FROM changes"
        let found = try query(
            columns + " WHERE revision > ? ORDER BY revision, sequence LIMIT ?",
            [.integer(revision), .integer(UInt64(limit) + 1)], row: Self.change)
        guard found.count > limit, let cut = found.last?.revision else { return found }
        let whole = found.prefix { $0.revision < cut }
        if !whole.isEmpty { return Array(whole) }
        return try query(columns + " WHERE revision = ? ORDER BY sequence", [.integer(cut)], row: Self.change)
    }

    private static func change(_ row: borrowing SQLiteRow) -> StoreChange {
        StoreChange(
            key: StoreKey(row.text(0), namespace: row.text(1), row.text(2)), revision: row.integer(3), value: row.blob(4),
            previous: row.blob(5))
    }

    func restore(_ objects: [StoredObject], identity: String, revision: UInt64) throws(StoreFailure) {
        try run("DELETE FROM objects")
        try run("DELETE FROM changes")
        for object in objects {
            try run(
                "INSERT INTO objects (resource, namespace, name, revision, value) VALUES (?, ?, ?, ?, ?)",
                object.key.columns + [.integer(revision), .blob(object.value)])
        }
        try run("UPDATE store SET identity = ?1, revision = ?2, compacted = ?2", [.text(identity), .integer(revision)])
    }

    /// A table that is there only then, so that it takes no other version of the schema.
    func destination() throws(StoreFailure) -> String? {
        let isMoved = try query("SELECT 1 FROM sqlite_schema WHERE name = 'moved'") { $0.integer(0) }.first != nil
        return isMoved ? try query("SELECT destination FROM moved") { $0.text(0) }.first : nil
    }

    func move(to destination: String?) throws(StoreFailure) {
        try run("DROP TABLE IF EXISTS moved")
        guard let destination else { return }
        try run("CREATE TABLE moved (destination TEXT NOT NULL) STRICT")
        try run("INSERT INTO moved VALUES (?)", [.text(destination)])
    }

    func compact(before revision: UInt64) throws(StoreFailure) {
        guard revision > 0 else { return }
        let last = min(revision - 1, try self.revision())
        try run("DELETE FROM changes WHERE revision <= ?", [.integer(last)])
        try run("UPDATE store SET compacted = max(compacted, ?)", [.integer(last)])
    }
}

extension StoreKey {
    fileprivate var columns: [SQLiteValue] { [.text(resource), .text(namespace), .text(name)] }
}
