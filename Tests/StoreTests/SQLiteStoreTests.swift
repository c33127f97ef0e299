// SPDX-License-Identifier: Apache-2.0

import Kernel
import Support
import Testing

@testable import Store

/// What concerns the file: what is taken for a store, who may read it, and what outlives a process.
@Suite struct SQLiteStoreTests {
    private static let key = StoreKey("services", namespace: "shop", "a")

    private static func withPath(_ body: (String) throws -> Void) throws {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        try body("\(folder)/control.db")
    }

    private static func refusal(_ path: String) -> StoreFailure? {
        failure { () throws(StoreFailure) in try SQLiteStore(path: path) }
    }

    private static func expectUnusable(_ path: String, _ words: String, _ place: SourceLocation = #_sourceLocation) {
        guard case .unusable(let text) = refusal(path) else {
            Issue.record("\(refusal(path).debugDescription)", sourceLocation: place)
            return
        }
        #expect(text.hasPrefix(path) && text.contains(words), "\(text)", sourceLocation: place)
    }

    @Test func `what was committed is there after reopening, with its history and identity`() throws {
        try Self.withPath { path in
            func fill() throws -> (identity: String, last: UInt64, changes: [StoreChange]) {
                let store = try SQLiteStore(path: path)
                let first = try store.put(Self.key, "1")
                let last = try store.put(Self.key, "2")
                return (store.identity, last, try store.changes(after: first - 1, limit: 10))
            }
            let before = try fill()
            let store = try SQLiteStore(path: path)
            #expect(store.identity == before.identity)
            #expect(try store.revision() == before.last)
            #expect(try store.text(Self.key) == "2")
            #expect(try store.changes(after: before.last - 2, limit: 10) == before.changes)
            #expect(try store.put(Self.key, "3") == before.last + 1)
        }
    }

    @Test func `two stores have two identities`() throws {
        try Self.withPath { path in
            let (one, two) = (try SQLiteStore(path: path), try SQLiteStore(path: path + "2"))
            #expect(one.identity != two.identity)
        }
    }

    @Test func `only the owner may read the file and its log`() throws {
        try Self.withPath { path in
            let store = try SQLiteStore(path: path)
            try store.put(Self.key, "1")
            for name in ["", "-wal", "-shm"] { #expect(try File.status(path + name).mode & 0o777 == 0o600) }
        }
    }

    @Test func `a file that others may read is refused`() throws {
        try Self.withPath { path in
            try Files.write("", to: path, mode: 0o644)
            Self.expectUnusable(path, "make it 600")
        }
    }

    @Test func `a second control plane is kept out until the first has gone`() throws {
        try Self.withPath { path in
            do {
                let store = try SQLiteStore(path: path)
                #expect(Self.refusal(path) == .unavailable("\(path): another process has it"))
                try store.put(Self.key, "1")
            }
            #expect(Self.refusal(path) == nil)
        }
    }

    @Test func `no folder, a folder, a text are refused by name`() throws {
        try Self.withPath { path in
            guard case .unavailable(let text) = Self.refusal(path + "/none/control.db") else {
                Issue.record("made without a folder")
                return
            }
            #expect(text.hasPrefix(path))
            try Files.makeFolder(path)
            Self.expectUnusable(path, "isn't a file")
            try Files.write(String(repeating: "not a database ", count: 1000), to: path + "/text", mode: 0o600)
            Self.expectUnusable(path + "/text", "not a database")
        }
    }

    @Test func `somebody else's database is refused and left as it was`() throws {
        try Self.withPath { path in
            try File.replace(path, with: [], mode: 0o600)
            try SQLiteConnection(path: path).run("CREATE TABLE songs (name TEXT)")
            let before = try Files.read(path)
            Self.expectUnusable(path, "not Warren's")
            #expect(try Files.read(path) == before)
        }
    }

    @Test func `a newer schema is refused`() throws {
        try Self.withPath { path in
            _ = try SQLiteStore(path: path)
            try SQLiteConnection(path: path).run("PRAGMA user_version = 2")
            Self.expectUnusable(path, "schema version 2")
        }
    }

    @Test(arguments: [(4096, 3 * 4096), (8192, 1 << 20), (100, 200)]) func `a damaged file is refused by name`(
        from: Int, to: Int
    ) throws {
        try Self.withPath { path in
            do {
                let store = try SQLiteStore(path: path)
                for number in 0..<50 { try store.put(StoreKey("x", "\(number)"), String(repeating: "v", count: 1000)) }
            }
            var bytes = try Files.read(path)
            for index in from..<min(to, bytes.count) { bytes[index] = UInt8(truncatingIfNeeded: index &* 31 | 1) }
            try File.replace(path, with: bytes, mode: 0o600)
            Self.expectUnusable(path, "")
        }
    }

    @Test func `a truncated file is refused by name`() throws {
        try Self.withPath { path in
            do {
                let store = try SQLiteStore(path: path)
                for number in 0..<50 { try store.put(StoreKey("x", "\(number)"), String(repeating: "v", count: 1000)) }
            }
            let bytes = try Files.read(path)
            try File.replace(path, with: Array(bytes.prefix(bytes.count / 2)), mode: 0o600)
            Self.expectUnusable(path, "")
        }
    }
}
