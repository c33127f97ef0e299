// SPDX-License-Identifier: Apache-2.0

import Kernel

/// What a store's file looks like, and how a file is recognised as one before anything is written to it. Pure text and checks on a connection.
enum SQLiteSchema {
    /// "Wrrn": marks the file as ours in its header.
    static let applicationID: UInt64 = 0x5772_726E
    /// Raised when the tables change.
    static let version: UInt64 = 1

    private static let tables = [
        "CREATE TABLE store (id INTEGER PRIMARY KEY CHECK (id = 0), identity TEXT NOT NULL, revision INTEGER NOT NULL, "
            + "compacted INTEGER NOT NULL) STRICT",
        "CREATE TABLE objects (resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL, "
            + "value BLOB NOT NULL, PRIMARY KEY (resource, namespace, name)) STRICT",
        "CREATE TABLE changes (sequence INTEGER PRIMARY KEY, revision INTEGER NOT NULL, resource TEXT NOT NULL, "
            + "namespace TEXT NOT NULL, name TEXT NOT NULL, value BLOB, previous BLOB) STRICT",
        "CREATE INDEX changes_by_revision ON changes (revision)",
    ]

    /// Takes the file for this process alone, and makes it if it isn't there, so that only its owner may read it: the log beside it gets its
    /// mode from it.
    /// The descriptor is closed after the connection: closing it ends SQLite's own locks in this process too.
    static func takeFile(_ path: String) throws(StoreFailure) -> Descriptor {
        if let status = try? File.status(path) {
            guard status.kind == .file else { throw .unusable("\(path): isn't a file") }
            guard status.mode & 0o077 == 0 else {
                let mode = String(status.mode & 0o777, radix: 8)
                throw .unusable("\(path): others than its owner may use it (mode \(mode)): make it 600")
            }
        }
        do throws(Errno) {
            return try File.lock(path)
        } catch {
            throw .unavailable("\(path): \(error == .wouldBlock ? "another process has it" : "\(error)")")
        }
    }

    /// Opens what is a store, makes one of what is empty, refuses all else untouched. Returns the store's identity.
    static func open(_ connection: SQLiteConnection) throws(StoreFailure) -> String {
        let isNew = try check(connection)
        guard try connection.query("PRAGMA journal_mode = WAL", row: { $0.text(0) }) == ["wal"] else {
            throw .unavailable("\(connection.path): can't keep a write-ahead log here")
        }
        // The log is flushed at every commit, which is when it is acknowledged (I23).
        try connection.run("PRAGMA synchronous = FULL")
        if isNew { try create(connection) }
        let identities = try connection.query("SELECT identity FROM store") { $0.text(0) }
        guard let identity = identities.first, !identity.isEmpty else {
            throw .unusable("\(connection.path): damaged: the store's identity is missing")
        }
        return identity
    }

    /// True if nothing is in it yet.
    private static func check(_ connection: SQLiteConnection) throws(StoreFailure) -> Bool {
        let application = try number("PRAGMA application_id", connection)
        let version = try number("PRAGMA user_version", connection)
        let tables = try number("SELECT count(*) FROM sqlite_schema", connection)
        if application == 0, version == 0, tables == 0 { return true }
        guard application == applicationID else { throw .unusable("\(connection.path): a database, but not Warren's") }
        guard version == Self.version else {
            throw .unusable("\(connection.path): of schema version \(version); this program knows version \(Self.version)")
        }
        let findings = try connection.query("PRAGMA quick_check(1)") { $0.text(0) }
        guard findings == ["ok"] else { throw .unusable("\(connection.path): damaged: \(findings.first ?? "unreadable")") }
        return false
    }

    private static func create(_ connection: SQLiteConnection) throws(StoreFailure) {
        try connection.transaction(writing: true) { () throws(StoreFailure) in
            // Somebody else may have made it meanwhile.
            guard try check(connection) else { return }
            for table in tables { try connection.run(table) }
            let digits = randomBytes(16).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            try connection.run("INSERT INTO store VALUES (0, ?, 0, 0)", [.text(digits)])
            try connection.run("PRAGMA application_id = \(applicationID)")
            try connection.run("PRAGMA user_version = \(version)")
        }
    }

    private static func number(_ text: String, _ connection: SQLiteConnection) throws(StoreFailure) -> UInt64 {
        try connection.query(text) { $0.integer(0) }.first ?? 0
    }
}
