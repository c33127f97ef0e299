// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import HTTP
import ResourceAPI
import Store
import TLS
import Testing
import Transport

@testable import ControlPlane

/// Joining, renewal, tokens and rotation as they are asked for over HTTP.
@Suite struct JoiningServiceTests {
    static let now = JoiningFixture.now
    let mesh: JoiningFixture
    let joining: JoinService
    let admin: AdminService

    init() throws {
        mesh = try JoiningFixture()
        (joining, admin) = (mesh.joinService, mesh.adminService)
    }

    func post(
        _ path: String, _ body: String, method: String = "POST", type: String? = "application/json",
        peer: HTTPPeer = JoiningFixture.peer(), headers: HTTPHeaders = [:]
    ) -> FakeExchange {
        var headers = headers
        if let type { headers.append("content-type", type) }
        let exchange = FakeExchange(method, path, headers: headers, body: body, peer: peer)
        #expect(joining.handle(exchange))
        #expect(mesh.wait { exchange.status != nil })
        return exchange
    }

    func ask(
        _ method: String, _ path: String, _ body: String = "", as principal: Principal = JoiningFixture.admin
    ) -> FakeExchange {
        let exchange = FakeExchange(
            method, path, headers: ["content-type": "application/json"], body: body, peer: JoiningFixture.root)
        #expect(admin.handle(exchange, principal: principal))
        #expect(mesh.wait { exchange.status != nil })
        return exchange
    }

    func body(_ node: String, _ token: String, key: PrivateKey = .generate()) throws -> String {
        let csr = String(decoding: try JoiningFixture.csr(node, key), as: UTF8.self)
        return Value.object([("token", .string(token)), ("node", .string(node)), ("csr", .string(csr)), ("version", "1")]).json
    }

    @Test func `an admin makes a token, a host joins with it and renews`() throws {
        let made = ask("POST", "/warren/v1/tokens", #"{"kind":"join","ttl":"10m"}"#)
        #expect(made.status == 201)
        let token = try #require(made.document?["token"]?.stringValue)
        #expect(token.hasPrefix("wj1.") && token.hasSuffix(mesh.authority.rootDigest))
        let joined = post("/warren/v1/join", try body("host1", token))
        #expect(joined.status == 200 && joined.document?["node"]?.stringValue == "host1")
        #expect(joined.document?["trustDomain"]?.stringValue == "cluster.local")
        #expect(joined.response?.headers["cache-control"] == "no-store")
        let chain = try Certificate.chain(pem: Array(#require(joined.document?["certificateChain"]?.stringValue).utf8))
        #expect(try Certificate.roots(pem: Array(#require(joined.document?["roots"]?.stringValue).utf8)) == mesh.authority.roots)
        try mesh.refresh()
        let csr = String(decoding: try JoiningFixture.csr("host1"), as: UTF8.self)
        let renewal = Value.object([("csr", .string(csr)), ("version", "2")]).json
        #expect(post("/warren/v1/renew", renewal, peer: JoiningFixture.peer(chain)).status == 200)
        #expect(mesh.counters.issued == [.node: 2])
        // Not without its certificate, not for another, not by token.
        #expect(post("/warren/v1/renew", renewal).status == 401)
        let other = Value.object([("csr", .string(String(decoding: try JoiningFixture.csr("host2"), as: UTF8.self)))]).json
        #expect(post("/warren/v1/renew", other, peer: JoiningFixture.peer(chain)).status == 403)
        let bearer = ask("POST", "/warren/v1/tokens", #"{"kind":"bearer","role":"node","node":"host1"}"#)
        try mesh.refresh()
        let headers: HTTPHeaders = ["authorization": "Bearer \(bearer.document?["token"]?.stringValue ?? "")"]
        #expect(post("/warren/v1/renew", renewal, headers: headers).status == 403)
        #expect(post("/warren/v1/renew", renewal, peer: JoiningFixture.peer(chain), headers: headers).status == 403)
    }

    @Test func `whom to trust is told to everybody`() throws {
        let exchange = post("/warren/v1/roots?x=1", "", method: "GET")
        let roots = try Certificate.roots(pem: Array(#require(exchange.document?["roots"]?.stringValue).utf8))
        #expect(roots[0].fingerprint.description == mesh.authority.rootDigest)
        #expect(!joining.handle(FakeExchange("GET", "/warren/v1/report")))
        #expect(!joining.handle(FakeExchange("GET", "/warren/v1/join/x")))
        let wrong = post("/warren/v1/join", "", method: "GET")
        #expect(wrong.status == 405 && wrong.response?.headers["allow"] == "POST")
    }

    @Test func `hostile bodies get a 4xx with a reason and change nothing`() throws {
        let deep = String(repeating: #"{"a":"#, count: 5000)
        let cases: [(String, String?, Int)] = [
            ("", "application/json", 400), ("{", "application/json", 400), ("[]", "application/json", 400),
            ("null", "application/json", 400),
            (deep, "application/json", 400), (String(repeating: " ", count: 40_000), "application/json", 413),
            ("{\"token\":\"\u{0}\"}", "application/json", 400), (#"{"token":"a","token":"b"}"#, "application/json", 400),
            (#"{"token":5,"node":[],"csr":{}}"#, "application/json", 400),
            (#"{"token":"a","node":"b","csr":"c","more":1}"#, "application/json", 400),
            (#"{"token":"a","node":"b","csr":"c","version":"\#(String(repeating: "v", count: 100))"}"#, "application/json", 400),
            (#"{"token":"a","node":"b","csr":"c"}"#, "text/plain", 415), (#"{"token":"a","node":"b","csr":"c"}"#, nil, 415),
            (#"{"token":"a","node":"b","csr":"c"}"#, "Application/JSON; charset=utf-8", 401),
        ]
        for (text, type, status) in cases {
            let exchange = post("/warren/v1/join", text, type: type, peer: JoiningFixture.root)
            #expect(exchange.status == status, "\(text.prefix(60)) \(exchange.document?.json ?? "")")
            #expect(exchange.document?["kind"]?.stringValue == "Status")
        }
        let invalid = FakeExchange(
            "POST", "/warren/v1/join", headers: ["content-type": "application/json"], body: "{\"token\":\"\u{fffd}\"}")
        #expect(joining.handle(invalid) && invalid.status == 400)
        #expect(try mesh.store.list(nil, namespace: nil).objects.isEmpty)
    }

    @Test func `who guesses tokens waits`() throws {
        let guess = try body("host1", AccessToken(.join, root: mesh.authority.rootDigest).description)
        let answers = (0..<12).map { _ in post("/warren/v1/join", guess).status ?? 0 }
        #expect(answers == Array(repeating: 401, count: 10) + [429, 429])
        let token = try mesh.token()
        #expect(
            post("/warren/v1/join", try body("host1", "\(token)"), peer: JoiningFixture.peer(address: "192.0.2.2:1")).status
                == 200)
    }

    @Test func `tokens are listed without their secrets and revoked`() throws {
        let made = ask(
            "POST", "/warren/v1/tokens", #"{"kind":"bearer","role":"editor","namespaces":["shop"],"ttl":"48h","note":"ci"}"#)
        let token = try #require(made.document?["token"]?.stringValue.flatMap { AccessToken($0) })
        let list = ask("GET", "/warren/v1/tokens")
        #expect(list.status == 200 && list.document?["tokens"]?.sequenceValue?.count == 1)
        let text = String(decoding: list.response?.body ?? [], as: UTF8.self)
        #expect(
            !text.contains(hexadecimal(token.secret)) && !text.contains(hexadecimal(token.hash))
                && text.contains("\"note\":\"ci\""))
        let stored = try mesh.store.list(nil, namespace: nil).objects.map { String(decoding: $0.value, as: UTF8.self) }
        #expect(stored.count == 1 && !stored[0].contains(hexadecimal(token.secret)))
        #expect(ask("DELETE", "/warren/v1/tokens/\(token.id)").status == 200)
        #expect(ask("DELETE", "/warren/v1/tokens/\(token.id)").status == 404)
        #expect(ask("GET", "/warren/v1/tokens").document?["tokens"]?.sequenceValue?.isEmpty == true)
    }

    @Test func `tokens that can't be made say what is wrong with each field`() {
        for (text, field) in [
            (#"{"kind":"root"}"#, "kind"), (#"{"kind":"join","role":"admin"}"#, "role"), (#"{"kind":"join","ttl":"0s"}"#, "ttl"),
            (#"{"kind":"join","ttl":"9999h"}"#, "ttl"), (#"{"kind":"join","node":"../x"}"#, "node"),
            (#"{"kind":"bearer"}"#, "role"),
            (#"{"kind":"bearer","role":"editor"}"#, "namespaces"), (#"{"kind":"bearer","role":"node"}"#, "node"),
            (#"{"kind":"bearer","role":"admin","node":"x"}"#, "node"),
            (#"{"kind":"bearer","role":"admin","namespaces":["x"]}"#, "namespaces"),
            (#"{"kind":"bearer","role":"boss"}"#, "role"), (#"{"kind":"join","extra":1}"#, "extra"),
            (#"{"kind":"join","ttl":5}"#, "ttl"),
        ] {
            let exchange = ask("POST", "/warren/v1/tokens", text)
            #expect(exchange.status == 422, "\(text)")
            let causes = exchange.document?["details"]?["causes"]?.sequenceValue?.map { $0["field"]?.stringValue }
            #expect(causes == [field], "\(text) \(exchange.document?.json ?? "")")
        }
    }

    @Test func `the paths of admins are for admins`() {
        for principal in [
            Principal(name: "v", role: .viewer), Principal(name: "e", role: .editor(namespaces: ["shop"])),
            JoiningFixture.node("host1"),
        ] {
            for (method, path) in [
                ("POST", "/warren/v1/tokens"), ("GET", "/warren/v1/tokens"), ("DELETE", "/warren/v1/tokens/00"),
                ("GET", "/warren/v1/authority"), ("POST", "/warren/v1/authority/rotate"),
            ] { #expect(ask(method, path, #"{"kind":"join"}"#, as: principal).status == 403) }
        }
        #expect(ask("PUT", "/warren/v1/tokens").status == 405 && ask("DELETE", "/warren/v1/tokens/../x").status == 405)
        #expect(!admin.handle(FakeExchange("GET", "/warren/v1/token"), principal: JoiningFixture.admin))
    }

    @Test func `the authority is shown and rotated`() throws {
        #expect(ask("GET", "/warren/v1/authority").document?["phase"]?.stringValue == "steady")
        let before = mesh.authority.rootDigest
        #expect(ask("POST", "/warren/v1/authority/rotate", #"{"step":"introduce-root"}"#).status == 200)
        let early = ask("POST", "/warren/v1/authority/rotate", #"{"step":"use-root"}"#)
        #expect(early.status == 409 && early.document?["message"]?.stringValue?.contains("must wait until") == true)
        #expect(ask("POST", "/warren/v1/authority/rotate", #"{"step":"use-root","force":true}"#).status == 200)
        #expect(mesh.authority.rootDigest != before)
        for text in [
            "{}", #"{"step":"sideways"}"#, #"{"step":"intermediate","force":"yes"}"#, #"{"step":"intermediate","now":1}"#,
        ] {
            #expect(ask("POST", "/warren/v1/authority/rotate", text).status == 400)
        }
    }

    @Test func `the control plane's own certificate follows a change of the keys`() throws {
        let serving = try ServingCredential(
            authority: mesh.authority, names: ServingNames(hosts: ["control"], addresses: []), errands: mesh.errands,
            counters: mesh.counters, audit: .silent, loop: mesh.loop
        ) { Self.now }
        var renewed: [Credential] = []
        serving.onRenewed = { renewed.append($0) }
        let first = serving.current
        try mesh.authority.rotate(.introduceRoot, now: Self.now)
        #expect(mesh.wait { !renewed.isEmpty })
        #expect(serving.current.serial != first.serial && serving.current.roots.count == 2)
    }
}
