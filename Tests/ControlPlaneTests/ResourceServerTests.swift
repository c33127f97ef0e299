// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import HTTP
import Kernel
import Loop
import ResourceAPI
import Store
import Support
import Testing

@testable import ControlPlane

/// The API over a real store, without a connection.
@Suite struct ResourceServerTests {
    private final class Bench: StateObserver {
        let folder: String
        let loop: Loop
        let state: ControlState
        let server: ResourceServer
        private(set) var changes: [StoreChange] = []

        init(audit: Audit = .silent) throws {
            folder = try Files.makeTemporaryFolder()
            loop = try Loop()
            state = try ControlState(store: SQLiteStore(path: "\(folder)/control.db"), loop: loop)
            let book = AccessBook(loop: loop)
            state.observe(book)
            var settings = ResourceServer.Settings()
            settings.ipv4 = IPPrefix("10.9.0.0/24")
            server = ResourceServer(state: state, loop: loop, book: book, audit: audit, settings: settings)
            state.observe(self)
            try run("the first namespaces") { state.cache.object(StoreKey("namespaces", "default")) != nil }
        }

        deinit { Files.remove(folder) }

        func stateLoaded(_ state: ControlState) {}
        func stateChanged(_ state: ControlState, _ changes: [StoreChange]) { self.changes += changes }

        func run(_ what: String, until isDone: () -> Bool) throws {
            let end = Instant.now() + .seconds(20)
            while !isDone() {
                try #require(Instant.now() < end, "\(what) took too long")
                loop.turn(wait: .milliseconds(50))
            }
        }

        func begin(
            _ method: String, _ path: String, _ body: String = "", type: String = "application/json",
            as principal: Principal = Principal(name: "root", role: .admin)
        ) -> FakeExchange {
            let exchange = FakeExchange(method, path, headers: ["content-type": type], body: body)
            server.handle(exchange, principal: principal)
            return exchange
        }

        @discardableResult
        func ask(
            _ method: String, _ path: String, _ body: String = "", type: String = "application/json",
            as principal: Principal = Principal(name: "root", role: .admin)
        ) throws -> FakeExchange {
            let exchange = begin(method, path, body, type: type, as: principal)
            try run("\(method) \(path)") { exchange.response != nil }
            return exchange
        }
    }

    private static let entries = "/apis/networking.istio.io/v1/namespaces/default/workloadentries"

    private func entry(_ name: String, _ address: String, node: String = "a") -> String {
        #"{"apiVersion":"networking.istio.io/v1","kind":"WorkloadEntry","metadata":{"name":"\#(name)","#
            + #""annotations":{"warren.dev/node":"\#(node)","warren.dev/network-namespace":"\#(name)"}},"spec":{"address":"\#(address)"}}"#
    }

    @Test func `a watch ends with the token that it was begun with`() throws {
        let bench = try Bench()
        let watcher = Principal(name: "token:w", role: .viewer, until: WallTime.now().seconds + 1)
        let watch = bench.begin("GET", "/api/v1/namespaces?watch=true", as: watcher)
        try bench.run("the end") { watch.isFinished }
        #expect(watch.status == 200)
    }

    @Test func `two that ask for one address at the same moment don't both get it`() throws {
        let bench = try Bench()
        let first = bench.begin("POST", Self.entries, entry("a", "10.0.0.1"))
        let second = bench.begin("POST", Self.entries, entry("b", "10.0.0.1"))
        try bench.run("both") { first.response != nil && second.response != nil }
        #expect(first.status == 201)
        #expect(second.status == 422)
        #expect(second.document?["message"]?.stringValue?.contains("default/a") == true)
        #expect(try bench.ask("DELETE", Self.entries + "/a").status == 200)
        #expect(try bench.ask("POST", Self.entries, entry("b", "10.0.0.1")).status == 201)
    }

    @Test func `two that write one object from the same state don't both win, two patches do`() throws {
        let bench = try Bench()
        let made = try bench.ask("POST", Self.entries, entry("a", "10.0.0.1"))
        let version = try #require(made.document?["metadata"]?["resourceVersion"]?.stringValue)
        let text = entry("a", "10.0.0.1").replacing(#""name":"a","#, with: #""name":"a","resourceVersion":"\#(version)","#)
        let first = bench.begin("PUT", Self.entries + "/a", text.replacing("10.0.0.1", with: "10.0.0.2"))
        let second = bench.begin("PUT", Self.entries + "/a", text.replacing("10.0.0.1", with: "10.0.0.3"))
        try bench.run("both") { first.response != nil && second.response != nil }
        #expect(first.status == 200 && second.status == 409)
        let merge = "application/merge-patch+json"
        let patches = (1...5).map { number in
            bench.begin("PATCH", Self.entries + "/a", #"{"metadata":{"labels":{"l\#(number)":"x"}}}"#, type: merge)
        }
        try bench.run("patches") { patches.allSatisfy { $0.response != nil } }
        #expect(patches.map(\.status) == [200, 200, 200, 200, 200])
        let labels = try bench.ask("GET", Self.entries + "/a").document?["metadata"]?["labels"]
        #expect(labels?.mappingValue?.count == 5)
    }

    @Test func `a service gets an address, keeps it, and gives it up to rest`() throws {
        let bench = try Bench()
        let services = "/api/v1/namespaces/default/services"
        let body = #"{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"ports":[{"port":80}]}}"#
        let made = try bench.ask("POST", services, body)
        let address = try #require(made.document?["spec"]?["clusterIP"]?.stringValue)
        #expect(IPPrefix("10.9.0.0/24")?.contains(try #require(IPAddress(address))) == true)
        let again = try bench.ask("PUT", services + "/s", body.replacing("80", with: "81"))
        #expect(again.document?["spec"]?["clusterIP"]?.stringValue == address)
        let taken = try bench.ask(
            "POST", services,
            body.replacing(#""spec":{"#, with: #""spec":{"clusterIP":"\#(address)","#).replacing("\"s\"", with: "\"t\""))
        #expect(taken.status == 422 && taken.document?["message"]?.stringValue?.contains("already allocated") == true)
        let merge = "application/merge-patch+json"
        let external = #"{"spec":{"type":"ExternalName","externalName":"example.org","clusterIP":null,"clusterIPs":null}}"#
        #expect(try bench.ask("PATCH", services + "/s", external, type: merge).status == 200)
        let allocation = bench.state.cache.object(StoreKey("_allocations", address))
        #expect(allocation.map { String(decoding: $0.text, as: UTF8.self).contains("freed") } == true)
    }

    @Test func `a dry run stores nothing, and a collection goes as far as its selector`() throws {
        let bench = try Bench()
        #expect(try bench.ask("POST", Self.entries + "?dryRun=All", entry("a", "10.0.0.1")).status == 201)
        #expect(try bench.ask("GET", Self.entries + "/a").status == 404)
        for name in ["a", "b", "c"] {
            #expect(try bench.ask("POST", Self.entries, entry(name, "10.0.0.\(name.utf8.first ?? 0)")).status == 201)
        }
        let merge = "application/merge-patch+json"
        #expect(
            try bench.ask("PATCH", Self.entries + "/b", #"{"metadata":{"labels":{"keep":"yes"}}}"#, type: merge).status == 200)
        #expect(try bench.ask("DELETE", Self.entries + "?labelSelector=keep!%3Dyes").status == 200)
        let rest = try bench.ask("GET", Self.entries).document?["items"]?.sequenceValue
        #expect(rest?.compactMap { $0["metadata"]?["name"]?.stringValue } == ["b"])
    }

    @Test func `a namespace that goes takes its policies last, and takes nothing new`() throws {
        let bench = try Bench()
        #expect(
            try bench.ask("POST", "/api/v1/namespaces", #"{"metadata":{"name":"shop"},"apiVersion":"v1","kind":"Namespace"}"#)
                .status == 201)
        let shop = Self.entries.replacing("default", with: "shop")
        for number in 1...3 { try bench.ask("POST", shop, entry("w\(number)", "10.0.0.\(number)")) }
        let policy =
            #"{"apiVersion":"security.istio.io/v1","kind":"AuthorizationPolicy","metadata":{"name":"p","finalizers":["example.org/hold"]},"spec":{}}"#
        let policies = "/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies"
        #expect(try bench.ask("POST", policies, policy).status == 201)
        #expect(try bench.ask("DELETE", "/api/v1/namespaces/shop").status == 200)
        try bench.run("its workloads") {
            bench.state.cache.objects("workloadentries.networking.istio.io", namespace: "shop").isEmpty
        }
        let refused = try bench.ask("POST", shop, entry("late", "10.0.0.9"))
        #expect(refused.status == 403 && refused.document?["message"]?.stringValue?.contains("being terminated") == true)
        // A finalizer holds the policy, and with it the namespace.
        #expect(try bench.ask("GET", "/api/v1/namespaces/shop").document?["status"]?["phase"]?.stringValue == "Terminating")
        let release = try bench.ask(
            "PATCH", policies + "/p", #"{"metadata":{"finalizers":null}}"#, type: "application/merge-patch+json")
        #expect(release.status == 200)
        try bench.run("its end") { bench.state.cache.object(StoreKey("namespaces", "shop")) == nil }
        let ends = bench.changes.filter { $0.value == nil }.map(\.key.resource)
        #expect(ends.suffix(2) == ["authorizationpolicies.security.istio.io", "namespaces"])
    }

    @Test func `who may not is told so, and nothing is stored`() throws {
        let bench = try Bench()
        let viewer = Principal(name: "token:v", role: .viewer)
        let editor = Principal(name: "token:e", role: .editor(namespaces: ["shop"]))
        let host = Principal(name: "node:b", role: .node("b"))
        #expect(try bench.ask("GET", Self.entries, as: viewer).status == 200)
        for principal in [viewer, editor, host] {
            #expect(try bench.ask("POST", Self.entries, entry("a", "10.0.0.1"), as: principal).status == 403)
        }
        #expect(try bench.ask("GET", Self.entries, as: host).status == 403)
        #expect(bench.state.cache.objects("workloadentries.networking.istio.io").isEmpty)
    }

    private static let grants = "/apis/warren.dev/v1/nodegrants"
    private static let host = Principal(name: "node:b", role: .node("b"))

    private func grant(_ name: String, _ addresses: String) -> String {
        #"{"apiVersion":"warren.dev/v1","kind":"NodeGrant","metadata":{"name":"\#(name)"},"spec":{"nodes":["b"],"namespaces":["default"],"#
            + #""addresses":["\#(addresses)"]}}"#
    }

    @Test func `I19 a host without a grant learns nothing of who has an address, and the refusal is audited`() throws {
        let written = try WrittenLog()
        let bench = try Bench(audit: Audit(written.log))
        #expect(try bench.ask("POST", Self.entries, entry("secret", "10.0.0.1")).status == 201)
        #expect(try bench.ask("POST", Self.grants, grant("g", "10.0.1.0/24")).status == 201)
        let mine = entry("mine", "10.0.0.1", node: "b")
        let refused = try bench.ask("POST", Self.entries, mine, as: Self.host)
        let message = try #require(refused.document?["message"]?.stringValue)
        #expect(refused.status == 403 && message.contains("has no grant") && !message.contains("secret"), "\(message)")
        // Nor whether there is a namespace.
        let elsewhere = try bench.ask("POST", Self.entries.replacing("default", with: "none"), mine, as: Self.host)
        #expect(elsewhere.status == 403)
        // Nor what another's object says: a test in a patch would tell.
        for address in ["10.0.0.1", "10.0.0.2"] {
            let patch = #"[{"op":"test","path":"/spec/address","value":"\#(address)"}]"#
            let answer = try bench.ask(
                "PATCH", Self.entries + "/secret", patch, type: "application/json-patch+json", as: Self.host)
            #expect(answer.status == 403)
        }
        let lines = written.finish().filter { $0.contains("audit: refused") }
        #expect(lines.count == 4 && lines.allSatisfy { $0.contains("node:b") })
    }

    @Test func `an address in use is told to a host without the name of what it may not read`() throws {
        let bench = try Bench()
        #expect(try bench.ask("POST", Self.grants, grant("g", "10.0.0.0/24")).status == 201)
        #expect(try bench.ask("POST", Self.entries, entry("secret", "10.0.0.1")).status == 201)
        #expect(try bench.ask("POST", Self.entries, entry("first", "10.0.0.2", node: "b"), as: Self.host).status == 201)
        func refusal(_ address: String, as principal: Principal) throws -> String {
            let answer = try bench.ask("POST", Self.entries, entry("second", address, node: "b"), as: principal)
            #expect(answer.status == 422)
            return answer.document?["message"]?.stringValue ?? ""
        }
        let hidden = try refusal("10.0.0.1", as: Self.host)
        #expect(hidden.contains("it is the address of another workload") && !hidden.contains("secret"), "\(hidden)")
        #expect(try refusal("10.0.0.2", as: Self.host).contains("the workload default/first"))
        #expect(try refusal("10.0.0.1", as: Principal(name: "root", role: .admin)).contains("the workload default/secret"))
    }

    @Test func `a host lets go of its workload without a grant`() throws {
        let bench = try Bench()
        #expect(try bench.ask("POST", Self.grants, grant("g", "10.0.0.0/24")).status == 201)
        let held = entry("w", "10.0.0.1", node: "b").replacing(
            #""name":"w","#, with: #""name":"w","finalizers":["example.org/hold"],"#)
        #expect(try bench.ask("POST", Self.entries, held, as: Self.host).status == 201)
        #expect(try bench.ask("DELETE", Self.grants + "/g").status == 200)
        let (item, merge) = (Self.entries + "/w", "application/merge-patch+json")
        #expect(
            try bench.ask("PATCH", item, #"{"metadata":{"labels":{"a":"b"}}}"#, type: merge, as: Self.host).status == 403)
        #expect(try bench.ask("DELETE", item, as: Self.host).status == 200)
        #expect(
            try bench.ask("PATCH", item, #"{"metadata":{"finalizers":null}}"#, type: merge, as: Self.host).status == 200)
        #expect(try bench.ask("GET", item).status == 404)
    }
}
