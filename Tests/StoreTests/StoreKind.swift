// SPDX-License-Identifier: Apache-2.0

import Support

@testable import Store

/// The stores that the conformance tests hold to the protocol. Each run gets an empty one.
enum StoreKind: CaseIterable, Sendable {
    case sqlite

    func withStore(_ body: (any Store) throws -> Void) throws {
        switch self {
        case .sqlite:
            let folder = try Files.makeTemporaryFolder()
            defer { Files.remove(folder) }
            try body(SQLiteStore(path: "\(folder)/control.db"))
        }
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
