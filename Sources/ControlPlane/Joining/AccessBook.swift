// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel
package import Loop
package import Store

/// What of the store decides who may do what, in memory: tokens, hosts, grants and the workloads that are registered on hosts. It observes the
/// state of the control plane, on its loop; so a revoked token and an evicted host are refused from the moment of the change on.
package final class AccessBook: StateObserver, TimerTarget {
    private struct Waiter {
        let revision: UInt64
        let timer: Token
        let body: () -> Void
    }

    package private(set) var grants = Grants()
    private var tokens: [String: TokenRecord] = [:]
    private var nodes: [String: NodeRecord] = [:]
    /// By their keys in the store.
    private var evictions: [String: EvictionRecord] = [:]
    private var revision: UInt64 = 0
    /// False until the store was read once: before that nobody is known, which is no reason to turn anybody out.
    package private(set) var isLoaded = false
    private let loop: Loop
    private var waiters: [UInt32: Waiter] = [:]
    private var next: UInt32 = 0

    /// A host is evicted, deleted or joined anew, or its token revoked: what stands of it is to be cut (I22).
    package var onNodeLost: ((String) -> Void)?
    /// A token is revoked: what stands under it is to be cut.
    package var onTokenLost: ((String) -> Void)?

    /// How long an answer waits for memory to follow the disk. It takes a millisecond, unless the store stopped answering in between.
    private static let patience = Interval.seconds(2)

    package init(loop: Loop) { self.loop = loop }

    package func token(_ id: String) -> TokenRecord? { tokens[id] }
    package func node(_ name: String) -> NodeRecord? { nodes[name] }
    /// Whether a host is none of the mesh: evicted, or let in again and not joined anew since, for what it has is refused by all (I22).
    func isTurnedOut(_ name: String) -> Bool {
        guard let node = nodes[name] else { return evictions.values.contains { $0.node == name && $0.joined == 0 } }
        return node.isEvicted || evictions.values.contains { $0.node == name && $0.joined == node.joined }
    }

    var evicted: [NodeRecord] { nodes.values.filter(\.isEvicted) }

    // MARK: - What changes

    package func stateLoaded(_ state: ControlState) {
        let (formerTokens, formerNodes) = (tokens, nodes)
        (grants, tokens, nodes, evictions) = (Grants(), [:], [:], [:])
        for resource in [
            TokenRecord.resource, NodeRecord.resource, NodeGrant.resource, Registration.resource, PublishedKind.evictions,
        ] {
            for object in state.cache.objects(resource) { set(object.key, object.text) }
        }
        isLoaded = true
        for (name, before) in formerNodes { tell(name, before) }
        for token in formerTokens.values { tell(token) }
        reached(state.cache.revision)
    }

    package func stateChanged(_ state: ControlState, _ changes: [StoreChange]) {
        for change in changes {
            let (node, token) = (nodes[change.key.name], tokens[change.key.name])
            set(change.key, change.value)
            if let node, change.key.resource == NodeRecord.resource { tell(node.name, node) }
            if let token, change.key.resource == TokenRecord.resource { tell(token) }
        }
        reached(state.cache.revision)
    }

    private func tell(_ name: String, _ before: NodeRecord) {
        guard !before.isEvicted else { return }
        let after = nodes[name]
        if after == nil || after?.isEvicted == true || after?.joined != before.joined { onNodeLost?(name) }
    }

    private func tell(_ before: TokenRecord) {
        guard tokens[before.id] == nil else { return }
        onTokenLost?(before.id)
        // A host that is a member besides comes again by its certificate.
        if case .node(let name)? = before.role { onNodeLost?(name) }
    }

    private func set(_ key: StoreKey, _ text: [UInt8]?) {
        switch key.resource {
        case TokenRecord.resource: tokens[key.name] = text.flatMap { TokenRecord(id: key.name, stored: $0) }
        case NodeRecord.resource: nodes[key.name] = text.flatMap { NodeRecord($0) }
        case NodeGrant.resource:
            grants.set(text.flatMap { try? JSON.read($0) }.flatMap { NodeGrant($0) }, named: key.name)
        case Registration.resource: grants.set(text, at: key)
        case PublishedKind.evictions: evictions[key.name] = text.flatMap { EvictionRecord(key: key, text: $0) }
        case _: break
        }
    }

    // MARK: - Waiting for it

    /// Does something once what was written at this revision is here, or after a while: who is told that it is done may rely on it at once.
    func whenReached(_ revision: UInt64, _ body: @escaping () -> Void) {
        guard revision > self.revision else { return body() }
        next &+= 1
        waiters[next] = Waiter(revision: revision, timer: loop.arm(Self.patience, self, tag: next), body: body)
    }

    private func reached(_ revision: UInt64) {
        self.revision = revision
        for (tag, waiter) in waiters where waiter.revision <= revision {
            waiters[tag] = nil
            loop.cancel(waiter.timer)
            waiter.body()
        }
    }

    package func timerFired(_ tag: UInt32) { waiters.removeValue(forKey: tag)?.body() }
}
