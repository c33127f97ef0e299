// SPDX-License-Identifier: Apache-2.0

internal import Documents
package import Store

/// What of the store decides who may do what, in memory: tokens, hosts, grants and the workloads that are registered on hosts. On the loop of the
/// API, which tells it what the store's thread tells it; so a revoked token and an evicted host are refused from the moment of the change on.
package final class AccessBook {
    package private(set) var grants = Grants()
    private var tokens: [String: TokenRecord] = [:]
    private var nodes: [String: NodeRecord] = [:]

    package init() {}

    /// Takes over everything, in place of what was here.
    package func load(_ list: StoredList) {
        grants = Grants()
        tokens = [:]
        nodes = [:]
        for object in list.objects { set(object.key, object.value) }
    }

    package func apply(_ changes: [StoreChange]) {
        for change in changes { set(change.key, change.value) }
    }

    package func token(_ id: String) -> TokenRecord? { tokens[id] }
    package func node(_ name: String) -> NodeRecord? { nodes[name] }

    private func set(_ key: StoreKey, _ text: [UInt8]?) {
        switch key.resource {
        case TokenRecord.resource: tokens[key.name] = text.flatMap { TokenRecord(id: key.name, stored: $0) }
        case NodeRecord.resource: nodes[key.name] = text.flatMap { NodeRecord($0) }
        case NodeGrant.resource: grants.set(object(text).flatMap { NodeGrant($0) }, named: key.name)
        case Registration.resource: grants.set(object(text).map { Registration($0) }, at: key)
        default: break
        }
    }

    private func object(_ text: [UInt8]?) -> Value? { text.flatMap { try? JSON.read($0) } }
}
