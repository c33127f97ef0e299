// SPDX-License-Identifier: Apache-2.0

import Bytes
import Glibc
import Kernel
import Support
import Testing
import Transport

@testable import Store

/// Members that fail, and what isn't the cluster that we know. Each has a cluster of its own, which costs two seconds.
@Suite(.serialized) struct EtcdFailureTests {
    private static let key = StoreKey("services", namespace: "shop", "a")

    private static func words(_ failure: StoreFailure?) -> String {
        switch failure {
        case .unavailable(let text), .unusable(let text): text
        case .conflict, .compacted, nil: "\(failure.debugDescription)"
        }
    }

    @Test(.timeLimit(.minutes(2))) func `any one member may be killed or hang, and writes go on within 5 s`() throws {
        let cluster = try EtcdMembers()
        let (one, other) = (
            try EtcdStore(Etcd.settings(cluster, prefix: "/w")), try EtcdStore(Etcd.settings(cluster, prefix: "/w"))
        )
        var number = 0
        for (index, signal) in [(0, SIGKILL), (1, SIGSTOP), (2, SIGKILL)] {
            let before = try one.put(Self.key, "\(number)")
            cluster.signal(index, signal)
            let begin = Moment.now()
            var last: StoreFailure?
            try waitUntil("a write after member \(index) failed", seconds: 5, detail: { Self.words(last) }) {
                number += 1
                last = failure { () throws(StoreFailure) in try one.put(Self.key, "\(number)") }
                return last == nil
            }
            #expect(Moment.now() - begin < 10)
            // The other one is told of all of it, in order.
            try waitUntil("the other replica hears of it", seconds: 5) {
                (try? other.changes(after: before, limit: 100))?.last?.value == Array("\(number)".utf8)
            }
            #expect(try other.text(Self.key) == "\(number)")
            if signal == SIGSTOP {
                cluster.signal(index, SIGCONT)
            } else {
                cluster.stop(index)
                try cluster.start(index)
            }
            try cluster.waitUntilHealthy(index)
        }
        // Two of three: nobody can say what stands.
        for index in 0..<2 { cluster.stop(index) }
        let refused = failure { () throws(StoreFailure) in
            try one.commit(
                StoreTransaction(conditions: [.init(StoreKey("x", "y"), revision: nil)], writes: [.put(StoreKey("x", "y"), [])]))
        }
        guard case .unavailable(let text) = refused else {
            Issue.record("\(refused.debugDescription)")
            return
        }
        #expect(text.contains("etcd at 127.0.0.1") || text.contains("no member of etcd answers"), "\(text)")
        for index in 0..<2 { try cluster.start(index) }
        try cluster.waitUntilHealthy(0)
        try waitUntil("writes after the cluster is back", seconds: 5) { (try? one.put(Self.key, "back")) != nil }
        try waitUntil("news after the cluster is back", seconds: 5) { (try? other.text(Self.key)) == "back" }
    }

    @Test(.timeLimit(.minutes(1))) func `a full member, a refused user and another cluster are called so`() throws {
        let cluster = try EtcdMembers(1, arguments: ["--quota-backend-bytes", "1500000"])
        let settings = Etcd.settings(cluster, prefix: "/w")
        let store = try EtcdStore(settings)
        var full: StoreFailure?
        for number in 0..<40 where full == nil {
            full = failure { () throws(StoreFailure) in
                try store.commit(
                    StoreTransaction(writes: [.put(StoreKey("x", "\(number)"), [UInt8](repeating: 1, count: 200_000))]))
            }
        }
        #expect(Self.words(full).contains("NOSPACE"), "\(Self.words(full))")
        // What stands can be read.
        #expect(try store.get(StoreKey("x", "0")) != nil)
        try cluster.control("alarm", "disarm")
        try cluster.control("user", "add", "root:secret")
        try cluster.control("user", "grant-role", "root", "root")
        try cluster.control("auth", "enable")
        // Our certificate's common name is root's: it may.
        #expect(try store.get(StoreKey("x", "0")) != nil)
        var stranger = settings
        stranger.files?.certificate = ""
        stranger.files?.key = ""
        #expect(Self.words(failure { () throws(StoreFailure) in try EtcdStore(stranger) }).contains("TLS"))
    }

    @Test func `what isn't etcd is called so, and addresses elsewhere aren't spoken to in clear`() throws {
        let listener = try LoopbackListener()
        let port = listener.address.port
        func refusal(_ host: String, _ files: EtcdSettings.Files? = nil, prefix: String = "/w") -> String {
            Self.words(
                failure { () throws(StoreFailure) in
                    try EtcdStore(EtcdSettings(endpoints: [.init(host: host, port: port)], prefix: prefix, files: files))
                })
        }
        #expect(refusal("192.0.2.1").contains("store.ca"))
        #expect(refusal("127.0.0.1", prefix: "warren").contains("prefix"))
        #expect(refusal("127.0.0.1", .init(authority: "/nowhere/ca.pem")).contains("/nowhere/ca.pem"))
        // It accepts and says nothing.
        let silent = refusal("127.0.0.1")
        #expect(silent.contains("no member of etcd answers") && silent.contains("127.0.0.1:\(port)"), "\(silent)")
    }

    @Test func `refusals say what to do`() {
        func words(_ code: GRPCStatus.Code, _ text: String) -> StoreFailure {
            EtcdFailure(GRPCStatus(code, text), by: "m:1").storeFailure
        }
        func isUnusable(_ failure: StoreFailure) -> Bool { if case .unusable = failure { true } else { false } }
        #expect(isUnusable(words(.permissionDenied, "etcdserver: permission denied")))
        #expect(isUnusable(words(.invalidArgument, "etcdserver: user name is empty")))
        #expect(isUnusable(words(.unimplemented, "unknown service")))
        #expect(isUnusable(words(.unknown, "the service answered with HTTP status 404")))
        #expect(!isUnusable(words(.unavailable, "etcdserver: request timed out")))
        #expect(Self.words(words(.unavailable, "etcdserver: no leader")).contains("fewer than half"))
        #expect(Self.words(words(.resourceExhausted, "etcdserver: mvcc: database space exceeded")).contains("alarm disarm"))
        let compacted = GRPCStatus(.outOfRange, "etcdserver: mvcc: required revision has been compacted")
        #expect(EtcdFailure(compacted, by: "m:1").isCompacted)
        #expect(
            EtcdFailure(GRPCStatus(.unavailable, "the connection was lost"), by: "m:1")
                == .lost("etcd at m:1: the connection was lost"))
    }
}
