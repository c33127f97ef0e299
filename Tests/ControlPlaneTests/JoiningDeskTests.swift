// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Kernel
import ResourceAPI
import Store
import Support
import Synchronization
import TLS
import Testing

@testable import ControlPlane

/// Hosts that become members and stay so.
@Suite struct JoiningDeskTests {
    static let now = JoiningFixture.now
    let mesh: JoiningFixture

    init() throws { mesh = try JoiningFixture() }

    func refusal(_ result: Result<Membership, JoinRefusal>) -> JoinRefusal? {
        if case .failure(let refusal) = result { refusal } else { nil }
    }

    @Test func `a token makes one host a member`() throws {
        let (token, key) = (try mesh.token(), PrivateKey.generate())
        let issued = try mesh.desk.join(JoiningFixture.request("host1", key: key, token: token), now: Self.now).get().issued
        #expect(issued.leaf?.certifiedName?.description == "spiffe://cluster.local/node/host1")
        #expect(issued.leaf?.publicKey.map { key.matches($0) } == true && issued.roots == mesh.authority.roots)
        let stored = try #require(try mesh.store.get(NodeRecord.key("host1")))
        let object = try JSON.read(stored.value)
        #expect(object.mappingValue?.prefix(3).map(\.key) == ["apiVersion", "kind", "metadata"])
        #expect(object["metadata"]?["creationTimestamp"]?.stringValue == "2027-01-15T08:00:00Z")
        #expect(object["status"]?["certificate"]?["serial"]?.stringValue == issued.leaf?.serial)
        #expect(object["status"]?["version"]?.stringValue == "1.2.3")
        let second = refusal(mesh.desk.join(try JoiningFixture.request("host2", token: token), now: Self.now))
        #expect(second?.status.reason == .unauthorized && second?.reason.contains("was used by host host1") == true)
        #expect(try mesh.store.get(NodeRecord.key("host2")) == nil)
    }

    @Test func `a host that didn't hear the answer asks again with its key, and nobody else does`() throws {
        let (token, key) = (try mesh.token(), PrivateKey.generate())
        let request = try JoiningFixture.request("host1", key: key, token: token)
        let first = try mesh.desk.join(request, now: Self.now).get().issued
        let again = try mesh.desk.join(request, now: Self.now + 5).get().issued
        #expect(again.leaf != first.leaf && again.leaf?.certifiedName == first.leaf?.certifiedName)
        let other = refusal(mesh.desk.join(try JoiningFixture.request("host1", token: token), now: Self.now + 5))
        #expect(other?.status.reason == .unauthorized)
        // Once the host is deleted, the token is no way back.
        _ = try mesh.store.commit(StoreTransaction(writes: [.delete(NodeRecord.key("host1"))]))
        #expect(refusal(mesh.desk.join(request, now: Self.now + 6))?.status.reason == .unauthorized)
    }

    @Test func `I19 a join never takes an existing host's name without a token for it`() throws {
        _ = try mesh.member("host1")
        let taken = refusal(mesh.desk.join(try JoiningFixture.request("host1", token: mesh.token()), now: Self.now))
        #expect(taken?.status.reason == .conflict)
        let bound = try mesh.token(node: "host1")
        let elsewhere = refusal(mesh.desk.join(try JoiningFixture.request("host2", token: bound), now: Self.now))
        #expect(elsewhere?.status.reason == .forbidden)
        _ = try mesh.desk.join(JoiningFixture.request("host1", token: bound), now: Self.now + 600).get()
    }

    @Test func `I20 a name that a ztunnel has by its token is taken`() throws {
        let wish = try TokenWish(["kind": "bearer", "role": "node", "node": "host3", "ttl": "1h"])
        _ = try mesh.tokens.create(wish, by: "test", root: "", now: Self.now)
        let token = try mesh.token(lifetime: "3h")
        let request = try JoiningFixture.request("host3", token: token)
        #expect(refusal(mesh.desk.join(request, now: Self.now))?.status.reason == .conflict)
        _ = try mesh.desk.join(request, now: Self.now + 3600).get()
    }

    @Test func `what a stranger shows is refused in one sentence, whatever is wrong with it`() throws {
        let good = try mesh.token(lifetime: "10m")
        let bearer = try mesh.tokens.create(
            TokenWish(["kind": "bearer", "role": "admin"]), by: "test", root: "", now: Self.now
        ).token
        var forged = AccessToken(.join, root: mesh.authority.rootDigest).description.split(separator: ".").map(String.init)
        forged[1] = good.id
        let texts = [
            "", "wj1", "x", good.description + "0", good.description.uppercased(), bearer.description,
            forged.joined(separator: "."), AccessToken(.join, root: mesh.authority.rootDigest).description,
            String(repeating: "wj1.", count: 100_000),
        ]
        var said: Set<String> = []
        var reasons: Set<String> = []
        for text in texts {
            let request = JoinRequest(token: text, node: "host1", csr: try JoiningFixture.csr("host1"), version: "")
            let refusal = try #require(self.refusal(mesh.desk.join(request, now: Self.now)))
            #expect(refusal.isAttempt)
            said.insert(refusal.status.message)
            reasons.insert(refusal.reason)
        }
        let late = refusal(mesh.desk.join(try JoiningFixture.request("host1", token: good), now: Self.now + 600))
        said.insert(late?.status.message ?? "")
        #expect(late?.reason.contains("expired at 2027-01-15T08:10:00Z") == true)
        #expect(said.count == 1, "\(said)")
        #expect(reasons.count == 3 && reasons.contains("token \(good.id) with a wrong secret"), "\(reasons)")
        _ = try mesh.tokens.revoke(good.id)
        #expect(refusal(mesh.desk.join(try JoiningFixture.request("host1", token: good), now: Self.now))?.isAttempt == true)
    }

    @Test func `a request for somebody else's certificate doesn't use the token up`() throws {
        let token = try mesh.token()
        let workload = try SigningRequest.make(
            identity: #require(SPIFFEID("spiffe://cluster.local/ns/shop/sa/web")), key: .generate())
        let requests: [(String, [UInt8], APIStatus.Reason)] = [
            ("host1", try JoiningFixture.csr("host2"), .forbidden), ("host1", workload, .forbidden),
            ("host1", Array("nonsense".utf8), .badRequest), ("HOST", try JoiningFixture.csr("host1"), .badRequest),
            ("../etc", try JoiningFixture.csr("host1"), .badRequest), ("", [], .badRequest),
        ]
        for (node, csr, reason) in requests {
            let request = JoinRequest(token: token.description, node: node, csr: csr, version: "")
            #expect(refusal(mesh.desk.join(request, now: Self.now))?.status.reason == reason, "\(node)")
        }
        _ = try mesh.desk.join(JoiningFixture.request("host1", token: token), now: Self.now).get()
    }

    @Test func `I22 an evicted host neither renews nor joins`() throws {
        _ = try mesh.member("host1")
        let stored = try #require(try mesh.store.get(NodeRecord.key("host1")))
        let evicted = MergePatch.apply(["spec": ["evicted": true]], to: try JSON.read(stored.value))
        try mesh.put(NodeRecord.key("host1"), evicted.json)
        let renewal = RenewRequest(csr: try JoiningFixture.csr("host1"), version: "")
        #expect(refusal(mesh.desk.renew("host1", renewal, now: Self.now))?.status.reason == .forbidden)
        let token = try mesh.token(node: "host1")
        #expect(
            refusal(mesh.desk.join(try JoiningFixture.request("host1", token: token), now: Self.now))?.status.reason == .forbidden
        )
    }

    @Test func `a renewal keeps what others wrote, and needs the host to be there`() throws {
        _ = try mesh.member("host1")
        let stored = try #require(try mesh.store.get(NodeRecord.key("host1")))
        let labelled = MergePatch.apply(["metadata": ["labels": ["rack": "a"]]], to: try JSON.read(stored.value))
        try mesh.put(NodeRecord.key("host1"), labelled.json)
        let renewal = RenewRequest(csr: try JoiningFixture.csr("host1"), version: "2")
        let issued = try mesh.desk.renew("host1", renewal, now: Self.now + 43_200).get().issued
        let object = try JSON.read(#require(try mesh.store.get(NodeRecord.key("host1"))).value)
        #expect(object["metadata"]?["labels"]?["rack"]?.stringValue == "a")
        #expect(object["status"]?["certificate"]?["serial"]?.stringValue == issued.leaf?.serial)
        #expect(refusal(mesh.desk.renew("host2", renewal, now: Self.now))?.status.reason == .forbidden)
    }

    // MARK: - Races and faults

    @Test func `I23 of many hosts that race for one token one wins`() throws {
        for _ in 0..<5 {
            let token = try mesh.token()
            let winners = Mutex<[String]>([])
            let desk = mesh.desk
            try race(8) { index in
                let name = "race-\(token.id)-\(index)"
                guard let request = try? JoiningFixture.request(name, token: token) else { return }
                if case .success = desk.join(request, now: Self.now) { winners.withLock { $0.append(name) } }
            }
            let won = winners.withLock { $0 }
            #expect(won.count == 1)
            let nodes = try mesh.store.list(NodeRecord.resource, namespace: nil).objects.map(\.key.name)
            #expect(nodes.filter { $0.hasPrefix("race-\(token.id)") } == won)
        }
    }

    @Test func `I23 of many tokens that race for one name one wins`() throws {
        let tokens = try (0..<8).map { _ in try mesh.token() }
        let wins = Atomic<Int>(0)
        let desk = mesh.desk
        try race(8) { index in
            guard let request = try? JoiningFixture.request("host1", token: tokens[index]) else { return }
            if case .success = desk.join(request, now: Self.now) { wins.add(1, ordering: .relaxed) }
        }
        #expect(wins.load(ordering: .relaxed) == 1)
        let used = try mesh.tokens.list().filter { $0.redemption != nil }
        #expect(used.count == 1)
    }

    private func race(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) throws {
        let threads = try (0..<count).map { index in try Thread(name: "race-\(index)") { body(index) } }
        for thread in threads { thread.join() }
    }

    @Test func `a store that did it and didn't say so is asked again`() throws {
        let store = ForgetfulStore(mesh.store)
        let desk = NodeDesk(store: store, authority: mesh.authority)
        let token = try mesh.token()
        store.fault = .afterwards
        let issued = try desk.join(JoiningFixture.request("host1", token: token), now: Self.now).get().issued
        #expect(issued.chain.count == 2)
        // One that didn't do it: the same request succeeds later.
        let (other, key) = (try mesh.token(), PrivateKey.generate())
        store.fault = .instead
        let request = try JoiningFixture.request("host2", key: key, token: other)
        #expect(refusal(desk.join(request, now: Self.now))?.status.reason == .unavailable)
        store.fault = .none
        _ = try desk.join(request, now: Self.now).get()
        store.fault = .afterwards
        let wish = try TokenWish(["kind": "bearer", "role": "viewer"])
        let made = try TokenDesk(store).create(wish, by: "test", root: "", now: Self.now)
        #expect(try TokenDesk(mesh.store).list().contains { $0.id == made.token.id })
        store.fault = .instead
        #expect(throws: APIStatus.self) { try TokenDesk(store).create(wish, by: "test", root: "", now: Self.now) }
    }
}

/// A store that says it doesn't answer, before or after it did what it was told.
final class ForgetfulStore: Store {
    enum Fault { case none, instead, afterwards }

    private let store: any Store
    private let state = Mutex(Fault.none)
    var fault: Fault {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }

    init(_ store: any Store) { self.store = store }

    var identity: String { store.identity }
    let isShared = false
    func revision() throws(StoreFailure) -> UInt64 { try store.revision() }
    func get(_ key: StoreKey) throws(StoreFailure) -> StoredObject? { try store.get(key) }
    func list(_ resource: String?, namespace: String?) throws(StoreFailure) -> StoredList {
        try store.list(resource, namespace: namespace)
    }
    func commit(_ transaction: StoreTransaction) throws(StoreFailure) -> UInt64 {
        if fault == .instead { throw .unavailable("the disk is full") }
        let revision = try store.commit(transaction)
        if fault == .afterwards { throw .unavailable("no answer") }
        return revision
    }
    func changes(after revision: UInt64, limit: Int) throws(StoreFailure) -> [StoreChange] {
        try store.changes(after: revision, limit: limit)
    }
    func observe(_ notify: @escaping @Sendable () -> Void) { store.observe(notify) }
    func compact(before revision: UInt64) throws(StoreFailure) { try store.compact(before: revision) }
    func acquire(_ name: String, value: [UInt8]) throws(StoreFailure) -> (any StoreLease)? {
        try store.acquire(name, value: value)
    }
    func leases() throws(StoreFailure) -> [String: [UInt8]] { try store.leases() }
}
