// SPDX-License-Identifier: Apache-2.0

import Kernel
import Store
import Support
import TLS
import Testing

@testable import ControlPlane

/// A backup as a file, and a store of what was in one.
@Suite struct BackupTests {
    private static let key = StoreKey("services", namespace: "shop", "a")

    private var backup: Backup {
        let objects = [
            StoredObject(key: StoreKey(TokenRecord.resource, "0123"), value: Array(#"{"hash":"x"}"#.utf8), revision: 6),
            StoredObject(key: Self.key, value: Array("{\n}\n".utf8), revision: 7),
            StoredObject(key: StoreKey("namespaces", "shop"), value: [], revision: 3),
        ]
        return Backup(
            identity: "store-a", list: StoredList(objects: objects, revision: 9), created: 1000, trustDomain: "cluster.local",
            authority: [1, 2, 3])
    }

    @Test func `I22 it is read as it was written, without tokens`() throws {
        let read = try Backup(backup.text)
        #expect(read.identity == "store-a" && read.revision == 9 && read.created == 1000 && read.authority == [1, 2, 3])
        #expect(read.objects.map(\.key) == [Self.key, StoreKey("namespaces", "shop")])
        #expect(read.objects.map(\.value) == [Array("{\n}\n".utf8), []])
        #expect(read.revisionAfterRestoring(now: 1000) > 9 && read.revisionAfterRestoring(now: .max) < UInt64(Int64.max))
        #expect(read.revisionAfterRestoring(now: 0) > 9, "a clock that was set back")
    }

    @Test func `a file that is cut, changed or none is refused with the reason`() {
        let text = backup.text
        let reason = { (bytes: [UInt8]) -> String in
            do throws(Backup.Failure) {
                _ = try Backup(bytes)
                return "taken"
            } catch { return error.description }
        }
        for count in 0..<text.count { #expect(reason(Array(text.prefix(count))) != "taken", "\(count) bytes") }
        var changed = text
        changed[text.count - 3] ^= 1
        #expect(reason(changed).contains("checksum"))
        #expect(reason(Array("kind: Service\n".utf8)).contains("no backup"))
        #expect(reason(Array("warren-backup 2 0\n".utf8)).contains("version 2"))
        // Lengths that lie, under a checksum that fits.
        for body in [
            #"{"identity":"a","revision":1,"created":1,"trustDomain":"d","objects":1}"# + "\n"
                + #"{"resource":"r","namespace":"","name":"n","bytes":99999}"# + "\nx\n",
            #"{"identity":"a","revision":1,"created":1,"trustDomain":"d","objects":2}"# + "\n",
            #"{"identity":"a","revision":-1,"created":1,"trustDomain":"d","objects":0}"# + "\n", "[]\n", "{",
        ] {
            let bytes = Array(body.utf8)
            #expect(reason(Array("warren-backup 1 \(SHA256.hex(bytes))\n".utf8) + bytes) != "taken", "\(body)")
        }
    }

    @Test func `I22 a restored store has the identity of before and a revision above all, and nothing of what was`() throws {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        do {
            let store = try SQLiteStore(path: "\(folder)/control.db")
            _ = try store.commit(StoreTransaction(writes: [.put(StoreKey("services", namespace: "shop", "old"), [1])]))
            try store.restore(StoreContents(identity: "store-a", revision: 5_000_000_000, objects: backup.objects))
        }
        let store = try SQLiteStore(path: "\(folder)/control.db")
        #expect(store.identity == "store-a")
        #expect(try store.revision() == 5_000_000_000)
        #expect(try store.list(nil, namespace: nil).objects.map(\.key) == [StoreKey("namespaces", "shop"), Self.key])
        #expect(throws: StoreFailure.compacted(oldest: 5_000_000_000)) { try store.changes(after: 9, limit: 10) }
        #expect(try store.commit(StoreTransaction(writes: [.delete(Self.key)])) == 5_000_000_001)
    }
}
