// SPDX-License-Identifier: Apache-2.0

import Kernel
import Support
import Testing

@testable import Store

/// Etcd's own users and what they may: by password or by certificate.
@Suite(.serialized) struct EtcdLoginTests {
    private static let key = StoreKey("services", namespace: "shop", "a")

    private static func words(_ body: () throws(StoreFailure) -> Void) -> String { failure(body)?.text ?? "no failure" }

    /// A member with users: warren may read and write below /w, reader only read, nobody nothing. Tokens end after 3 s.
    private static func cluster() throws -> EtcdMembers {
        let cluster = try EtcdMembers(1, arguments: ["--auth-token", "simple", "--auth-token-ttl", "3", "--bcrypt-cost", "4"])
        try cluster.control("user", "add", "root:secret")
        try cluster.control("user", "grant-role", "root", "root")
        for (name, right) in [("warren", "readwrite"), ("reader", "read"), ("nobody", "")] {
            try cluster.control("user", "add", "\(name):pass-\(name)")
            try cluster.control("role", "add", name)
            if !right.isEmpty { try cluster.control("role", "grant-permission", name, right, "--prefix=true", "/w/") }
            try cluster.control("user", "grant-role", name, name)
        }
        try cluster.control("auth", "enable")
        return cluster
    }

    private static func settings(_ cluster: EtcdMembers, _ user: String, password: String? = nil) throws -> EtcdSettings {
        let file = "\(cluster.folder)/password-\(user)"
        try Files.write("\(password ?? "pass-\(user)")\nnot this line\n", to: file, mode: 0o600)
        var settings = Etcd.settings(cluster, prefix: "/w")
        settings.login = EtcdSettings.Login(user: user, passwordFile: file)
        return settings
    }

    @Test(.timeLimit(.minutes(2))) func `a user logs in by its password, and again whenever etcd has forgotten its token`() throws
    {
        let cluster = try Self.cluster()
        let settings = try Self.settings(cluster, "warren")
        let (store, other) = (try EtcdStore(settings), try EtcdStore(settings))
        let start = try store.revision()
        let lease = try #require(try store.acquire("replica/a", value: []))
        var told = start
        for round in 0..<3 {
            let revision = try store.put(Self.key, "\(round)")
            try waitUntil("the other replica hears of it", seconds: 5) {
                (try? other.changes(after: told, limit: 9).last?.revision) == revision
            }
            told = revision
            // Nothing is asked for longer than a token lives; then tokens go with the member's memory, too.
            if round == 0 { Thread.sleep(.milliseconds(4500)) }
            if round == 1 {
                cluster.stop(0)
                try cluster.start(0)
                try cluster.waitUntilHealthy(0)
            }
        }
        #expect(lease.isHeld)
        #expect(try store.leases().keys.sorted() == ["replica/a"])
        // A password that was changed is taken without a restart.
        try cluster.control("user", "delete", "warren")
        try cluster.control("user", "add", "warren:another")
        try cluster.control("user", "grant-role", "warren", "warren")
        _ = try Self.settings(cluster, "warren", password: "another")
        try waitUntil("it writes by the new password", seconds: 10) { (try? store.put(Self.key, "new")) != nil }
    }

    @Test(.timeLimit(.minutes(2))) func `who may not is told what to grant, and who isn't known what to correct`() throws {
        let cluster = try Self.cluster()
        let nobody = try Self.settings(cluster, "nobody")
        let refused = Self.words { () throws(StoreFailure) in _ = try EtcdStore(nobody) }
        #expect(refused.contains("user \"nobody\""), "\(refused)")
        #expect(refused.contains("etcdctl role grant-permission ROLE readwrite --prefix /w/"), "\(refused)")
        // Reading alone isn't enough to make a store, and one that stands can't be changed.
        let reader = try Self.settings(cluster, "reader")
        #expect(Self.words { () throws(StoreFailure) in _ = try EtcdStore(reader) }.contains("user \"reader\""))
        let store = try EtcdStore(try Self.settings(cluster, "warren"))
        try store.put(Self.key, "1")
        let reading = try EtcdStore(reader)
        #expect(try reading.text(Self.key) == "1")
        let unwritten = failure { () throws(StoreFailure) in try reading.put(Self.key, "2") }
        guard case .unusable(let text)? = unwritten else {
            Issue.record("\(unwritten.debugDescription)")
            return
        }
        #expect(text.contains("user \"reader\"") && text.contains("grant-permission"), "\(text)")
        #expect(try store.text(Self.key) == "1")
        // A right that is taken away while we run.
        try cluster.control("role", "revoke-permission", "warren", "/w/", "--prefix=true")
        #expect(Self.words { () throws(StoreFailure) in try store.put(Self.key, "3") }.contains("user \"warren\""))
        try cluster.control("role", "grant-permission", "warren", "readwrite", "--prefix=true", "/w/")
        try waitUntil("it goes on when it may", seconds: 10) { (try? store.put(Self.key, "4")) != nil }
        // Another prefix than what was granted.
        var elsewhere = try Self.settings(cluster, "warren")
        elsewhere.prefix = "/elsewhere"
        #expect(Self.words { () throws(StoreFailure) in _ = try EtcdStore(elsewhere) }.contains("--prefix /elsewhere/"))
        // A wrong password, at once and not after every member was tried for long.
        let begin = Moment.now()
        let wrong = Self.words { () throws(StoreFailure) in
            _ = try EtcdStore(try! Self.settings(cluster, "warren", password: "wrong"))
        }
        #expect(wrong.contains("store.user") && wrong.contains("store.passwordFile"), "\(wrong)")
        #expect(Moment.now() - begin < 10)
        #expect(!wrong.contains("pass-warren") && !wrong.contains("wrong)"))
        // By certificate: its common name is root's, who may all.
        #expect(try EtcdStore(Etcd.settings(cluster, prefix: "/w")).text(Self.key) == "4")
    }

    @Test func `a password is read from a file for its owner alone`() throws {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        func words(_ text: String?, mode: UInt32 = 0o600) throws -> String {
            let file = "\(folder)/password"
            Files.remove(file)
            if let text { try Files.write(text, to: file, mode: mode) }
            let login = EtcdSettings.Login(user: "warren", passwordFile: file)
            return Self.words { () throws(StoreFailure) in #expect(try login.password() == "a word") }
        }
        #expect(try words("a word\n") == "no failure")
        #expect(try words("a word") == "no failure")
        #expect(try words("a word\n", mode: 0o640).contains("chmod 600"))
        #expect(try words(nil).contains("can't be read: no such file or directory"))
        #expect(try words("\nx").contains("doesn't begin with a line"))
        #expect(try words("").contains("doesn't begin with a line"))
    }

    @Test func `a user where etcd asks nobody who they are is no fault`() throws {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        try Files.write("x\n", to: "\(folder)/password", mode: 0o600)
        try Etcd.withSettings { settings in
            var settings = settings
            settings.login = EtcdSettings.Login(user: "warren", passwordFile: "\(folder)/password")
            try EtcdStore(settings).put(Self.key, "1")
        }
    }
}
