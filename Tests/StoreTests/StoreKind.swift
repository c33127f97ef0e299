// SPDX-License-Identifier: Apache-2.0

import Support
import Synchronization

@testable import Store

/// The stores that the conformance tests hold to the protocol. Each run gets an empty one.
enum StoreKind: CaseIterable, Sendable {
    case sqlite
    case etcd

    func withStore(_ body: (any Store) throws -> Void) throws {
        switch self {
        case .sqlite:
            let folder = try Files.makeTemporaryFolder()
            defer { Files.remove(folder) }
            try body(SQLiteStore(path: "\(folder)/control.db"))
        case .etcd: try Etcd.withSettings { settings in try body(EtcdStore(settings)) }
        }
    }

    /// Two replicas of one store, which for SQLite are one.
    func withReplicas(_ body: (any Store, any Store) throws -> Void) throws {
        switch self {
        case .sqlite: try withStore { try body($0, $0) }
        case .etcd: try Etcd.withSettings { settings in try body(EtcdStore(settings), EtcdStore(settings)) }
        }
    }
}

/// The cluster that the tests of this module share: it takes two seconds to begin.
enum Etcd {
    private static let cluster = Result { try EtcdMembers() }
    private static let number = Atomic<Int>(0)
    /// One test at a time: revisions are the cluster's, and a test counts them.
    private static let turn = Mutex(())

    /// A prefix of its own for each test.
    static func withSettings(_ body: (EtcdSettings) throws -> Void) throws {
        let cluster = try cluster.get()
        try turn.withLock { _ in
            let name = "/test-\(number.add(1, ordering: .relaxed).newValue)"
            try body(settings(cluster, prefix: name))
        }
    }

    static func settings(_ cluster: EtcdMembers, prefix: String) -> EtcdSettings {
        EtcdSettings(
            endpoints: cluster.ports.map { EtcdSettings.Endpoint(host: "127.0.0.1", port: $0) }, prefix: prefix,
            files: EtcdSettings.Files(authority: cluster.authority, certificate: cluster.certificate, key: cluster.key))
    }
}

/// How a call failed; nil if it didn't.
func failure<Result>(_ body: () throws(StoreFailure) -> Result) -> StoreFailure? {
    do throws(StoreFailure) {
        _ = try body()
        return nil
    } catch {
        return error
    }
}

extension Store {
    @discardableResult
    func put(_ key: StoreKey, _ text: String) throws(StoreFailure) -> UInt64 {
        try commit(StoreTransaction(writes: [.put(key, Array(text.utf8))]))
    }

    func text(_ key: StoreKey) throws(StoreFailure) -> String? {
        try get(key).map { String(decoding: $0.value, as: UTF8.self) }
    }
}
