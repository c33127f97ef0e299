// SPDX-License-Identifier: Apache-2.0

import Daemon
import Documents
import Kernel
import Store
import Support
import Testing

@testable import ControlPlane

/// A store that moves from its file into etcd, and moves that break off.
@Suite(.serialized) struct MigrationTests {
    /// A control plane that stands still, and a member of etcd.
    private final class Bench {
        let folder: String
        let etcd: EtcdMembers
        var configuration = ControlConfiguration(names: [])
        var target = StoreSettings()
        private(set) var told: [String] = []

        init() throws {
            folder = try Files.makeTemporaryFolder()
            etcd = try EtcdMembers(1)
            configuration.directory = folder
            (target.ca, target.certificate, target.key) = (etcd.authority, etcd.certificate, etcd.key)
            aim(at: "/w")
        }

        deinit { Files.remove(folder) }

        func aim(at prefix: String) { target.etcd = "etcd://127.0.0.1:\(etcd.ports[0])\(prefix)" }

        func makeAuthority() throws {
            _ = try Authority.open(
                directory: configuration.authorityDirectory, trustDomain: configuration.mesh.trustDomain,
                now: WallTime.now().seconds)
        }

        func file(isMoving: Bool = false) throws -> SQLiteStore {
            try SQLiteStore(path: configuration.storeFile, isMoving: isMoving)
        }

        func shared() throws -> EtcdStore { try EtcdStore(#require(EtcdSettings(target))) }

        var migration: Migration {
            Migration(target: target, configuration: configuration) { [unowned self] in told.append($0) }
        }

        enum Place { case file, etcd }

        /// From where the store would be served.
        func serves() -> [Place] { ((try? file()) == nil ? [] : [.file]) + ((try? shared()) == nil ? [] : [.etcd]) }

        func refusal(_ body: (Migration) throws(ControlFailure) -> String) -> String {
            do throws(ControlFailure) { return "no refusal: \(try body(migration))" } catch { return error.description }
        }
    }

    private static let entry = (
        StoreKey("workloadentries.networking.istio.io", namespace: "shop", "a"),
        #"{"apiVersion":"networking.istio.io/v1","kind":"WorkloadEntry","metadata":{"name":"a","namespace":"shop","uid":"u-1","#
            + #""annotations":{"warren.dev/node":"n1"}},"spec":{"address":"10.0.0.1"}}"#
    )

    private static func fill(_ store: SQLiteStore) throws {
        let objects = [
            entry, (StoreKey(TokenRecord.resource, "t1"), "{}"),
            (StoreKey("namespaces", "shop"), #"{"metadata":{"name":"shop"}}"#),
        ]
        for (key, text) in objects { _ = try store.commit(StoreTransaction(writes: [.put(key, Array(text.utf8))])) }
    }

    @Test(.timeLimit(.minutes(2))) func `I21 I22 what stands in the file stands in etcd, and is served there alone`() throws {
        let bench = try Bench()
        let identity: String
        do {
            let store = try bench.file()
            try Self.fill(store)
            identity = store.identity
        }
        // Without the authority that hosts trust, and while a control plane has the file.
        #expect(bench.refusal { m throws(ControlFailure) in try m.run() }.contains("holds no authority"))
        try bench.makeAuthority()
        do {
            let running = try bench.file()
            let words = bench.refusal { m throws(ControlFailure) in try m.run() }
            #expect(words.contains("another process has it") && words.contains("systemctl stop"), "\(words)")
            withExtendedLifetime(running) {}
        }
        #expect(try bench.migration.run().contains("  etcd: \(bench.target.etcd)"))
        #expect(bench.told.contains("copying 5 objects"), "\(bench.told)")
        #expect(bench.serves() == [.etcd])
        let shared = try bench.shared()
        #expect(shared.identity == identity)
        let list = try shared.list(nil, namespace: nil)
        #expect(list.objects.first { $0.key == Self.entry.0 }?.value == Array(Self.entry.1.utf8))
        #expect(list.objects.contains { $0.key.resource == TokenRecord.resource })
        // What only a store that is shared has.
        let claim = try #require(list.objects.first { $0.key.resource == WorkloadClaims.resource })
        #expect(claim.key.name == "10.0.0.1" && String(decoding: claim.value, as: UTF8.self).contains("shop/a"))
        #expect(list.objects.contains { $0.key == MeshRoots.key })
        #expect(!list.objects.contains { String(decoding: $0.value, as: UTF8.self).contains("PRIVATE KEY") })
        // Changed there, and asked again: nothing is put over it.
        _ = try shared.commit(StoreTransaction(writes: [.delete(Self.entry.0)]))
        #expect(try bench.migration.run().contains("moved before already"))
        #expect(try bench.shared().get(Self.entry.0) == nil)
        #expect(bench.refusal { m throws(ControlFailure) in try m.cancel() }.contains("served from there"))
        // Elsewhere it doesn't go a second time.
        bench.aim(at: "/elsewhere")
        #expect(bench.refusal { m throws(ControlFailure) in try m.run() }.contains("was moved to"))
        #expect(!bench.serves().contains(.file))
    }

    @Test(.timeLimit(.minutes(2))) func `a move that broke off is served in one place at most, goes on, or is taken back`() throws
    {
        let bench = try Bench()
        try bench.makeAuthority()
        try Self.fill(bench.file())
        func contents(_ store: SQLiteStore) throws -> StoreContents {
            let list = try store.list(nil, namespace: nil)
            return StoreContents(identity: store.identity, revision: list.revision, objects: list.objects)
        }
        for (number, isMarked) in [false, true, true].enumerated() {
            bench.aim(at: "/w\(number)")
            let settings = try #require(EtcdSettings(bench.target))
            do {
                // As a kill leaves it: copied, and then, or not yet, marked in the file.
                let store = try bench.file()
                let move = try EtcdMove(contents(store), to: settings) { _ in }
                _ = try move.prepare(replacing: false)
                if isMarked { try store.move(to: #require(StoreAddress(bench.target.etcd)).description) }
            }
            #expect(bench.serves() == (isMarked ? [] : [.file]))
            if number == 2 {
                #expect(try bench.migration.run().contains("moved 5 objects"))
                #expect(bench.serves() == [.etcd])
            } else if isMarked {
                #expect(try bench.migration.cancel().contains("is served again"))
                // A store of its own may begin there now.
                #expect(bench.serves() == [.file, .etcd])
            } else {
                let words = bench.refusal { m throws(ControlFailure) in try m.cancel() }
                #expect(words.contains("isn't being moved"), "\(words)")
            }
        }
    }

    @Test(.timeLimit(.minutes(2))) func `what is no move is refused before anything is written`() throws {
        let bench = try Bench()
        func words() -> String { bench.refusal { m throws(ControlFailure) in try m.run() } }
        #expect(words().contains("control.db isn't there"))
        try Self.fill(bench.file())
        try bench.makeAuthority()
        let target = bench.target
        bench.target.etcd = ""
        #expect(words().contains("--to etcd://"))
        bench.target.etcd = "sqlite:/x"
        #expect(words().contains("no address of etcd"))
        bench.target = target
        bench.target.ca = ""
        #expect(words().contains("store.ca is missing"))
        bench.target = target
        // Somebody's store is there.
        bench.aim(at: "/taken")
        _ = try bench.shared()
        #expect(words().contains("a store stands at /taken already"))
        // And somebody else's keys.
        try bench.etcd.control("put", "/other/key", "x")
        bench.aim(at: "/other")
        #expect(words().contains("/other/key is there"))
        #expect(try bench.etcd.control("get", "--prefix", "--keys-only", "/other/").split(separator: "\n") == ["/other/key"])
        // A member that is away: it isn't moved, and is served from where it was.
        bench.aim(at: "/w")
        bench.etcd.stop(0)
        #expect(words().contains("no member of etcd answers"))
        #expect(bench.serves().contains(.file))
    }

    @Test func `for a file what only a shared store has is left out`() {
        func object(_ key: StoreKey) -> StoredObject { StoredObject(key: key, value: [], revision: 1) }
        let kept = object(StoreKey("namespaces", "shop"))
        let all = [kept, object(MeshRoots.key), object(StoreKey(WorkloadClaims.resource, "10.0.0.1"))]
        #expect(MovedObjects.own(all) == [kept])
        // Claims that were left behind aren't taken along.
        #expect(MovedObjects.shared(all, authority: nil).map(\.key).sorted() == [MeshRoots.key, kept.key].sorted())
    }
}
