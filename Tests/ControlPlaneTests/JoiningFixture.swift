// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import HTTP
import Kernel
import Loop
import Store
import Support
import Synchronization
import TLS
import Transport

@testable import ControlPlane

/// An authority, a store and everything that hosts and admins ask, on a loop that the test turns. Ends with its files.
final class JoiningFixture {
    static let now: Int64 = 1_800_000_000

    let folder: String
    let store: SQLiteStore
    let authority: Authority
    let book: AccessBook
    let state: ControlState
    let loop: Loop
    let errands: Errands
    let counters = AuthorityCounters()
    let authenticator: Authenticator
    let clock: FakeClock

    init(settings: AuthoritySettings = AuthoritySettings(), errandLimit: Int = 100, now: Int64 = now) throws {
        clock = FakeClock(now)
        folder = try Files.makeTemporaryFolder()
        store = try SQLiteStore(path: "\(folder)/control.db")
        authority = try Authority.open(
            directory: "\(folder)/ca", trustDomain: "cluster.local", settings: settings, now: now - 30 * 86_400)
        loop = try Loop()
        book = AccessBook(loop: loop)
        state = try ControlState(store: store, loop: loop)
        state.observe(book)
        errands = try Errands(name: "errands", loop: loop, limit: errandLimit)
        let clock = clock
        authenticator = Authenticator(book: book, trustDomain: "cluster.local", audit: .silent) { clock.seconds }
        guard wait({ book.isLoaded }) else { throw Timeout() }
    }

    deinit { Files.remove(folder) }

    var desk: NodeDesk { NodeDesk(store: store, authority: authority) }
    var tokens: TokenDesk { TokenDesk(store) }

    var joinService: JoinService {
        let clock = clock
        return JoinService(
            authority: authority, store: store, book: book, errands: errands, authenticator: authenticator, counters: counters,
            audit: .silent
        ) { clock.seconds }
    }

    var adminService: AdminService {
        let clock = clock
        return AdminService(authority: authority, store: store, book: book, errands: errands, audit: .silent) { clock.seconds }
    }

    /// Waits until what is in the store is known on the loop.
    func refresh() throws {
        var isThere = false
        book.whenReached(try store.revision()) { isThere = true }
        guard wait({ isThere }) else { throw Timeout() }
    }

    struct Timeout: Error {}

    /// A join token, for any host or for one.
    func token(node: String? = nil, lifetime: String = "1h") throws -> AccessToken {
        let wish = try TokenWish(
            .object(present: [("kind", "join"), ("node", node.map { .string($0) }), ("ttl", .string(lifetime))]))
        return try tokens.create(wish, by: "test", root: authority.rootDigest, now: clock.seconds).token
    }

    func put(_ key: StoreKey, _ json: String) throws {
        _ = try store.commit(StoreTransaction(writes: [.put(key, Array(json.utf8))]))
        try refresh()
    }

    /// Turns the loop until something is so; false after ten seconds.
    func wait(_ condition: () -> Bool) -> Bool {
        let end = Instant.now() + .seconds(10)
        while !condition() {
            guard Instant.now() < end else { return false }
            loop.turn(wait: .milliseconds(20))
        }
        return true
    }

    static func request(_ node: String, key: PrivateKey = .generate(), token: AccessToken) throws -> JoinRequest {
        JoinRequest(token: token.description, node: node, csr: try csr(node, key), version: "1.2.3")
    }

    static func csr(_ node: String, _ key: PrivateKey = .generate()) throws -> [UInt8] {
        guard let identity = NodeIdentity(trustDomain: "cluster.local", name: node) else {
            throw CertificateFailure.identity(node)
        }
        return try SigningRequest.make(node: identity, key: key)
    }

    /// A host that is a member, with the chain that it shows.
    func member(_ node: String) throws -> [Certificate] {
        let issued = try desk.join(Self.request(node, token: token()), now: clock.seconds).get().issued
        try refresh()
        return issued.chain
    }

    static func peer(_ chain: [Certificate] = [], address: String = "192.0.2.1:4000") -> HTTPPeer {
        HTTPPeer(address: SocketAddress(address), certificates: chain)
    }

    static func head(_ headers: HTTPHeaders = [:]) -> HTTPRequestHead {
        HTTPRequestHead(method: "GET", target: "/", authority: "control", headers: headers)
    }

    static let root = HTTPPeer(process: .init(user: 0, group: 0, pid: 7))
    static let admin = Principal(name: "root", role: .admin)
    static func node(_ name: String) -> Principal { Principal(name: "node:\(name)", role: .node(name)) }
}

/// A time that a test sets.
final class FakeClock: Sendable {
    private let value: Mutex<Int64>
    init(_ seconds: Int64) { value = Mutex(seconds) }
    var seconds: Int64 {
        get { value.withLock { $0 } }
        set { value.withLock { $0 = newValue } }
    }
}
