// SPDX-License-Identifier: Apache-2.0

import CSQLite

/// What goes into a statement's parameter.
enum SQLiteValue {
    case integer(UInt64)
    case text(String)
    case blob([UInt8])
    case null
}

/// One open database file with its prepared statements. Belongs to whoever holds the store's lock and is used by one thread at a time; closed when
/// it goes.
@safe final class SQLiteConnection {
    /// Names the file in failures.
    let path: String
    private let database: OpaquePointer
    /// Prepared once per text. All texts are constants of this module, so there is a fixed number of them.
    private var statements: [String: OpaquePointer] = unsafe [:]

    /// How long a commit waits for somebody else's lock on the file, a backup's for example.
    static let busyTimeout: CInt = 5_000

    /// Opens a file that is there.
    init(path: String) throws(StoreFailure) {
        var handle: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let code = unsafe sqlite3_open_v2(path, &handle, flags, nil)
        guard let opened = unsafe handle else { throw .unavailable("\(path): no memory to open it") }
        guard code == SQLITE_OK else {
            let failure = unsafe Self.failure(code, opened, path)
            _ = unsafe sqlite3_close_v2(opened)
            throw failure
        }
        unsafe sqlite3_busy_timeout(opened, Self.busyTimeout)
        self.path = path
        unsafe database = opened
    }

    deinit {
        for unsafe(_, statement) in unsafe statements { _ = unsafe sqlite3_finalize(statement) }
        _ = unsafe sqlite3_close_v2(database)
    }

    /// Runs a statement to its end; `row` makes something of each of its rows.
    func query<Result>(
        _ text: String, _ values: [SQLiteValue] = [], row: (borrowing SQLiteRow) -> Result
    ) throws(StoreFailure) -> [Result] {
        let statement = unsafe try prepare(text)
        defer {
            _ = unsafe sqlite3_reset(statement)
            _ = unsafe sqlite3_clear_bindings(statement)
        }
        for (index, value) in values.enumerated() {
            try check(unsafe bind(value, to: statement, at: CInt(index + 1)))
        }
        var results: [Result] = []
        while true {
            let code = unsafe sqlite3_step(statement)
            if code == SQLITE_DONE { return results }
            guard code == SQLITE_ROW else { throw failure(code) }
            results.append(row(unsafe SQLiteRow(statement: statement)))
        }
    }

    /// Runs a statement for its effect.
    func run(_ text: String, _ values: [SQLiteValue] = []) throws(StoreFailure) {
        _ = try query(text, values) { _ in }
    }

    /// Everything in `body` at one moment, and its writes all or not at all.
    func transaction<Result>(
        writing: Bool, _ body: () throws(StoreFailure) -> Result
    ) throws(StoreFailure) -> Result {
        try run(writing ? "BEGIN IMMEDIATE" : "BEGIN")
        do throws(StoreFailure) {
            let result = try body()
            try run("COMMIT")
            return result
        } catch {
            // Some failures have ended it already.
            if unsafe sqlite3_get_autocommit(database) == 0 { try? run("ROLLBACK") }
            throw error
        }
    }

    private func prepare(_ text: String) throws(StoreFailure) -> OpaquePointer {
        if let statement = unsafe statements[text] { return unsafe statement }
        var prepared: OpaquePointer?
        try check(unsafe sqlite3_prepare_v3(database, text, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil))
        guard let statement = unsafe prepared else { throw .unusable("\(path): empty statement") }
        unsafe statements[text] = statement
        return unsafe statement
    }

    private func bind(_ value: SQLiteValue, to statement: OpaquePointer, at index: CInt) -> CInt {
        /// Has SQLite copy what it is given.
        let copied = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        switch value {
        case .null: return unsafe sqlite3_bind_null(statement, index)
        case .integer(let number): return unsafe sqlite3_bind_int64(statement, index, Int64(clamping: number))
        case .text(var text):
            return text.withUTF8 { bytes in
                let base = unsafe UnsafeRawPointer(bytes.baseAddress)?.assumingMemoryBound(to: CChar.self)
                guard let base = unsafe base else { return unsafe sqlite3_bind_text(statement, index, "", 0, copied) }
                return unsafe sqlite3_bind_text64(
                    statement, index, base, UInt64(bytes.count), copied, UInt8(SQLITE_UTF8))
            }
        case .blob(let bytes):
            // An empty array has no address, and without an address it would be null.
            if bytes.isEmpty { return unsafe sqlite3_bind_zeroblob(statement, index, 0) }
            return unsafe bytes.withUnsafeBytes {
                unsafe sqlite3_bind_blob64(statement, index, $0.baseAddress, UInt64($0.count), copied)
            }
        }
    }

    private func check(_ code: CInt) throws(StoreFailure) {
        if code != SQLITE_OK { throw failure(code) }
    }

    private func failure(_ code: CInt) -> StoreFailure { unsafe Self.failure(code, database, path) }

    private static func failure(_ code: CInt, _ database: OpaquePointer, _ path: String) -> StoreFailure {
        let words = unsafe sqlite3_errmsg(database).map { unsafe String(cString: $0) } ?? "no words"
        let text = "\(path): \(words) (SQLite \(code))"
        switch code & 0xFF {
        // The plain error is a statement that doesn't fit the tables: they aren't as we made them.
        case SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_ERROR: return .unusable(text)
        default: return .unavailable(text)
        }
    }
}

/// The row at which a statement stands, by column from 0. It ends with the closure that it is given to.
@safe struct SQLiteRow: ~Copyable {
    private let statement: OpaquePointer

    fileprivate init(statement: OpaquePointer) { unsafe self.statement = statement }

    func integer(_ column: CInt) -> UInt64 { UInt64(clamping: unsafe sqlite3_column_int64(statement, column)) }

    func text(_ column: CInt) -> String { String(decoding: blob(column) ?? [], as: UTF8.self) }

    /// Nil if it is null.
    func blob(_ column: CInt) -> [UInt8]? {
        guard unsafe sqlite3_column_type(statement, column) != SQLITE_NULL else { return nil }
        // First the address: asking for it may convert the value, which changes its size.
        let base = unsafe sqlite3_column_blob(statement, column)
        let count = Int(unsafe sqlite3_column_bytes(statement, column))
        return unsafe Array(UnsafeRawBufferPointer(start: base, count: base == nil ? 0 : count))
    }
}
