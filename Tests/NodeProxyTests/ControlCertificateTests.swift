// SPDX-License-Identifier: Apache-2.0

import Bytes
import Daemon
import Documents
import HTTP
import Kernel
import Messages
import Support
import TLS
import Testing
import Transport

@testable import NodeProxy

/// Certificates from a control plane in memory, and what else a host tells and asks it.
@Suite struct ControlCertificateTests {
    private let bench: ControlBench
    private let planes = TestPlanes()
    private let plane = TestPlane()
    private let authority: TestAuthority

    init() throws {
        bench = try ControlBench()
        authority = try TestAuthority()
        plane.authority = authority
        for address in bench.configuration.control.addresses { planes.planes[address] = plane }
    }

    private func start(_ credential: NodeCredential? = nil) throws -> ControlClient {
        let client = ControlClient(host: bench, dialler: planes, credential: try credential ?? authority.node())
        try client.mesh.start()
        client.start()
        return client
    }

    private func first(_ client: ControlClient, _ account: String = "web") throws -> Result<WorkloadCredential, AuthorityFailure>?
    {
        var result: Result<WorkloadCredential, AuthorityFailure>?
        client.certificates.first(try TestNode.identity(account)) { result = $0 }
        bench.run { result != nil }
        return result
    }

    @Test func `a workload's key is made here and its certificate there`() throws {
        let client = try start()
        bench.run { client.keeper.link != nil }
        let credential = try #require(try first(client)).get().credential
        #expect(credential.identity == (try TestNode.identity("web")))
        let asked = try #require(plane.certificates.first)
        #expect(asked.metadata?["ImpersonatedIdentity"]?.stringValue == credential.identity.description)
        #expect(asked.validityDuration == 86_400 && asked.csr.contains("CERTIFICATE REQUEST"))
        let other = try #require(try first(client, "stock")).get().credential
        #expect(!other.key.matches(credential.key.publicKey))
    }

    @Test func `several who want one certificate ask once`() throws {
        let client = try start()
        var done = 0
        for _ in 0..<5 { client.certificates.first(try TestNode.identity("web")) { _ in done += 1 } }
        bench.run { done == 5 }
        #expect(done == 5 && plane.certificates.count == 1)
    }

    @Test func `the wait for a first certificate is bounded and named`() throws {
        plane.isUp = false
        let client = try start()
        let began = Instant.now()
        guard case .failure(let failure)? = try first(client) else {
            Issue.record("a certificate from nobody")
            return
        }
        #expect(Instant.now().since(began) < .seconds(2))
        #expect(
            failure.description.contains("/sa/web within 0.2 s") && failure.description.contains("connection refused"),
            "\(failure)")
        #expect(failure.description.contains("one.test:15012"))
    }

    @Test func `who waits is served as soon as there is a connection`() throws {
        plane.isUp = false
        bench.configuration.control.firstCertificate = .seconds(5)
        let client = try start()
        var result: Result<WorkloadCredential, AuthorityFailure>?
        client.certificates.first(try TestNode.identity("web")) { result = $0 }
        bench.rest(.milliseconds(50))
        plane.isUp = true
        bench.run { client.keeper.link != nil }
        client.linkArrived()
        bench.run { result != nil }
        #expect((try? result?.get()) != nil)
    }

    @Test func `I19 what the control plane refuses is refused at once, in its words`() throws {
        plane.certificateFailure = GRPCStatus(.permissionDenied, "no grant for shop/web on node-1")
        let client = try start()
        bench.run { client.keeper.link != nil }
        guard case .failure(let failure)? = try first(client) else {
            Issue.record("a certificate without a grant")
            return
        }
        #expect(failure.description.contains("no grant for shop/web on node-1"))
    }

    @Test func `a certificate for another, or of another key, or another authority is refused`() throws {
        let (identity, key) = (try TestNode.identity("web"), PrivateKey.generate())
        let roots = [authority.root.certificate]
        func read(_ chain: [Certificate], _ bundle: [Certificate], count: Int? = nil) -> Result<
            WorkloadCredential, AuthorityFailure
        > {
            var answer = CertificateAPI.Response()
            answer.certificateChain = (chain.map(\.pem) + [bundle.pem]).map { String(decoding: $0, as: UTF8.self) }
            return ControlCertificates.read(answer.encoded, identity, key, known: roots)
        }
        let now = WallTime.now().seconds
        let issue = { (account: String, key: PrivateKey) in
            try authority.issuing.issue(identity: TestNode.identity(account), publicKey: key.publicKey, now: now, lifetime: 3600)
        }
        #expect((try? read(issue("web", key), roots).get()) != nil)
        for (answer, word) in [
            (read(try issue("stock", key), roots), "/sa/stock"),
            (read(try issue("web", PrivateKey.generate()), roots), "key"),
            (read(try issue("web", key), [try TestAuthority().root.certificate]), "roots"),
            (read([], roots), "certificate"),
        ] {
            guard case .failure(let failure) = answer else {
                Issue.record("taken: \(word)")
                continue
            }
            #expect(failure.description.contains(word), "\(failure)")
        }
        for garbage in [[], [0x0a, 0x7f], Array("nonsense".utf8)] as [[UInt8]] {
            #expect((try? ControlCertificates.read(garbage, identity, key, known: roots).get()) == nil)
        }
    }

    @Test func `roots that come with an answer are trusted and kept, and all is made anew`() throws {
        let client = try start()
        bench.run { client.keeper.link != nil }
        #expect(bench.rootChanges == 0)
        _ = try first(client)
        #expect(bench.rootChanges == 0)
        let more = try TestAuthority()
        client.identity.adopt(roots: [authority.root.certificate, more.root.certificate])
        #expect(bench.run { ControlBench.exists("\(bench.folder)/roots.pem") })
        #expect(bench.rootChanges == 1 && client.certificates.roots.count == 2)
        #expect(client.keeper.credential?.roots.count == 2)
        // Those that don't vouch for the host itself would lock it out.
        client.identity.adopt(roots: [more.root.certificate])
        #expect(client.certificates.roots.count == 2 && bench.rootChanges == 1)
    }

    @Test func `I25 a kept certificate serves while no control plane answers`() throws {
        bench.configuration.identity.persist = .disk
        bench.configuration.identity.directory = "\(bench.folder)/keys"
        let node = try authority.node()
        let client = try start(node)
        bench.run { client.keeper.link != nil }
        let serial = try #require(try first(client)).get().credential.serial
        plane.goDown()
        let again = try start(node)
        #expect(try #require(try first(again)).get().credential.serial == serial)
        #expect(plane.certificates.count == 1)
    }

    // MARK: - The host's own

    @Test func `the host's own certificate is renewed at half life with the same key`() throws {
        let old = try authority.node(lifetime: 3600, now: WallTime.now().seconds - 2400)
        plane.answer = { [authority] request in
            guard request.path == "/warren/v1/renew", let document = try? JSON.read(request.body),
                let asked = try? SigningRequest(pem: Array((document["csr"]?.stringValue ?? "").utf8)), let node = asked.node,
                let chain = try? authority.issuing.issue(
                    node: node, publicKey: asked.publicKey, now: WallTime.now().seconds, lifetime: 7200)
            else { return ControlAnswer(status: 400, body: []) }
            let answer = Value.object([
                ("certificateChain", .string(String(decoding: chain.pem, as: UTF8.self))),
                ("roots", .string(String(decoding: authority.root.certificate.pem, as: UTF8.self))),
            ])
            return ControlAnswer(status: 200, body: answer.jsonBytes)
        }
        let client = try start(old)
        bench.run { client.keeper.link != nil }
        client.identity.renewIfDue()
        #expect(bench.run { client.identity.credential.notAfter > old.notAfter })
        #expect(old.key.matches(try #require(client.identity.credential.leaf.publicKey)))
        #expect(client.keeper.credential?.leaf == client.identity.credential.leaf && client.identity.failure == nil)
        try File.replace("\(bench.folder)/key.pem", with: old.key.pem, mode: 0o600)
        try File.replace("\(bench.folder)/roots.pem", with: old.roots.pem, mode: 0o600)
        #expect(try NodeDirectory(path: bench.folder).load().get().leaf == client.identity.credential.leaf)
    }

    @Test func `a renewal that fails is named, and tried again`() throws {
        let old = try authority.node(lifetime: 3600, now: WallTime.now().seconds - 2400)
        plane.answer = { _ in ControlAnswer(status: 403, body: Array(#"{"message":"node-1 is evicted"}"#.utf8)) }
        let client = try start(old)
        bench.run { client.keeper.link != nil }
        client.identity.renewIfDue()
        #expect(bench.run { client.info.renewalFailure == "node-1 is evicted (403)" })
        let asked = plane.requests.count { $0.path == "/warren/v1/renew" }
        client.identity.renewIfDue(now: WallTime.now().seconds + 11)
        bench.run { plane.requests.count { $0.path == "/warren/v1/renew" } > asked }
        #expect(plane.requests.count { $0.path == "/warren/v1/renew" } == asked + 1)
    }

    @Test func `a renewed certificate takes the connection over before the old one ends`() throws {
        let client = try start(authority.node(lifetime: 4))
        #expect(bench.run { client.keeper.isSynchronised })
        client.keeper.use(try authority.node())
        // A quarter of what is left at most.
        #expect(bench.run(within: .seconds(10)) { plane.links.count == 2 && client.keeper.isSynchronised })
        #expect(plane.open.count == 1 && plane.links[0].isClosed)
        client.keeper.use(try #require(client.keeper.credential))
        bench.rest(.milliseconds(100))
        #expect(plane.links.count == 2, "nothing else to show")
    }

    @Test func `I22 what was kept before the host joined anew isn't used`() throws {
        bench.configuration.identity.persist = .disk
        bench.configuration.identity.directory = "\(bench.folder)/identity"
        let node = try authority.node()
        var client = try start(node)
        bench.run { client.keeper.link != nil }
        let serial = try #require(try first(client)).get().credential.serial
        client = try start(node)
        #expect(try #require(try first(client)).get().credential.serial == serial, "kept")
        client = try start(authority.node())
        bench.run { client.keeper.link != nil }
        #expect(try #require(try first(client)).get().credential.serial != serial)
        // So it is with a running daemon.
        let changes = bench.rootChanges
        let next = try authority.node()
        try File.replace("\(bench.folder)/key.pem", with: next.key.pem, mode: 0o600)
        try File.replace("\(bench.folder)/certificate.pem", with: next.chain.pem, mode: 0o600)
        try File.replace("\(bench.folder)/roots.pem", with: next.roots.pem, mode: 0o600)
        client.identity.reload()
        #expect(bench.run { bench.rootChanges == changes + 1 })
    }

    @Test func `a key that others may read is refused, with the remedy`() throws {
        let node = try authority.node()
        try File.replace("\(bench.folder)/key.pem", with: node.key.pem, mode: 0o640)
        try File.replace("\(bench.folder)/certificate.pem", with: node.chain.pem, mode: 0o600)
        try File.replace("\(bench.folder)/roots.pem", with: node.roots.pem, mode: 0o600)
        guard case .failure(let failure) = NodeDirectory(path: bench.folder).load() else {
            Issue.record("taken")
            return
        }
        #expect(failure.description.contains("chmod 600"))
        try File.replace("\(bench.folder)/key.pem", with: node.key.pem, mode: 0o600)
        #expect(try NodeDirectory(path: bench.folder).load().get().identity.name == "node-1")
        try File.replace("\(bench.folder)/key.pem", with: PrivateKey.generate().pem, mode: 0o600)
        #expect((try? NodeDirectory(path: bench.folder).load().get()) == nil)
    }

    // MARK: - Reports and registrations

    @Test func `workloads are reported at a change`() throws {
        let client = try start()
        var workloads = [ControlReporter.Workload(uid: "a", state: "waiting", reason: "")]
        client.reporter.workloads = { workloads }
        bench.run { client.keeper.link != nil }
        client.linkArrived()
        #expect(bench.run { plane.requests.contains { $0.path == "/warren/v1/report" } })
        bench.rest(.milliseconds(50))
        let before = plane.requests.count
        client.reporter.changed()
        bench.rest(.milliseconds(60))
        #expect(plane.requests.count == before, "nothing changed")
        workloads[0] = ControlReporter.Workload(uid: "a", state: "captured", reason: "")
        client.reporter.changed()
        #expect(bench.run { plane.requests.count > before })
        let document = try JSON.read(try #require(plane.requests.last).body)
        #expect(document["workloads"]?.sequenceValue?.first?["state"]?.stringValue == "captured")
        #expect(document["mesh"]?["synced"]?.boolValue == true && document["mesh"]?["revision"]?.stringValue == "store-a/10")
    }

    private func register(_ client: ControlClient, _ method: String, _ body: String, query: [HTTP1Request.Parameter] = []) -> (
        Int, Value
    )? {
        var answered: (Int, Value)?
        let request = HTTP1Request(method: method, path: "/workloads", query: query, headers: [:], body: Array(body.utf8))
        ControlRegistrar(client: client, node: "node-1").answer(request) { answered = ($0, $1) }
        return answered
    }

    @Test func `a workload is registered and removed by this host's certificate`() throws {
        let client = try start()
        bench.run { client.keeper.link != nil }
        let body =
            #"{"name":"web","namespace":"shop","address":"10.0.0.1","serviceAccount":"web","networkNamespace":"web","labels":{"app":"web"}}"#
        #expect(register(client, "POST", body)?.0 == 200)
        let asked = try #require(plane.requests.last { $0.path.contains("workloadentries") })
        #expect(asked.path == "/apis/networking.istio.io/v1/namespaces/shop/workloadentries" && asked.method == "POST")
        let object = try JSON.read(asked.body)
        #expect(object["metadata"]?["annotations"]?["warren.dev/node"]?.stringValue == "node-1")
        #expect(object["spec"]?["address"]?.stringValue == "10.0.0.1")
        _ = register(client, "DELETE", "", query: [.init("namespace", "shop"), .init("name", "web")])
        #expect(plane.requests.last?.method == "DELETE" && plane.requests.last?.path.hasSuffix("/workloadentries/web") == true)
        plane.answer = { _ in ControlAnswer(status: 403, body: Array(#"{"message":"no grant"}"#.utf8)) }
        #expect(register(client, "POST", body)?.0 == 403)
    }

    @Test(arguments: [
        "", "[]", #"{"name":"web"}"#, #"{"name":"../x","namespace":"shop","address":"10.0.0.1","networkNamespace":"web"}"#,
        #"{"name":"web","namespace":"shop","address":"nowhere","networkNamespace":"web"}"#,
        #"{"name":"web","namespace":"shop/../kube","address":"10.0.0.1","networkNamespace":"web"}"#,
        #"{"name":"web","namespace":"shop","address":"10.0.0.1","networkNamespace":"web","node":"other"}"#,
        #"{"name":"web","namespace":"shop","address":"10.0.0.1","networkNamespace":"web","labels":{"a":1}}"#,
    ]) func `a bad registration goes nowhere`(_ body: String) throws {
        let client = try start()
        bench.run { client.keeper.link != nil }
        let before = plane.requests.count
        #expect(register(client, "POST", body)?.0 == 400)
        #expect(plane.requests.count == before)
    }
}
