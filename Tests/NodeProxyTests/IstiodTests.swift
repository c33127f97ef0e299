// SPDX-License-Identifier: Apache-2.0

import Bytes
import Daemon
import Discovery
import Documents
import HTTP
import Kernel
import Mesh
import Messages
import Support
import TLS
import Testing
import Transport
import Wire

@testable import NodeProxy

/// A host whose control plane is istiod, played in memory.
@Suite struct IstiodTests {
    private let bench: ControlBench
    private let planes = TestPlanes()
    private let plane = TestPlane()
    private let authority: TestAuthority
    private var token: String { "\(bench.folder)/token" }
    private var roots: String { "\(bench.folder)/istiod-root.pem" }

    init() throws {
        bench = try ControlBench()
        authority = try TestAuthority()
        plane.authority = authority
        // As istiod writes it, which looks like a store and a revision.
        plane.store = "2026-08-01T00:00:01Z"
        for address in bench.configuration.control.addresses { planes.planes[address] = plane }
        bench.configuration.control.istiod.token = "\(bench.folder)/token"
        bench.configuration.control.istiod.roots = "\(bench.folder)/istiod-root.pem"
        bench.configuration.control.istiod.workloads = [
            .init(namespace: "shop", name: "web", networkNamespace: "web"),
            .init(namespace: "shop", name: "db", networkNamespace: "db"),
        ]
        try writeToken("istio-system:ztunnel", pod: "ztunnel-1")
        try Files.write(String(decoding: authority.root.certificate.pem, as: UTF8.self), to: roots)
    }

    private func writeToken(_ account: String, pod: String? = nil, expires: Int64 = 4_000_000_000, mode: UInt32 = 0o600) throws {
        let bound = pod.map { ",\"kubernetes.io\":{\"pod\":{\"name\":\"\($0)\"}}" } ?? ""
        let payload = "{\"sub\":\"system:serviceaccount:\(account)\",\"exp\":\(expires)\(bound)}"
        let part = Base64.encode(Array(payload.utf8)).filter { $0 != "=" }.map { $0 == "+" ? "-" : $0 == "/" ? "_" : $0 }
        try Files.write("e30.\(String(part)).AA", to: token, mode: mode)
    }

    private func start() throws -> ControlClient {
        let client = ControlClient(istiodFor: bench, dialler: planes, roots: [authority.root.certificate])
        try client.mesh.start()
        client.start()
        return client
    }

    private func metadata() throws -> Result<HTTPHeaders, ControlFailure> {
        var result: Result<HTTPHeaders, ControlFailure>?
        let ask = try #require(planes.accesses.last?.metadata)
        ask { result = $0 }
        bench.run { result != nil }
        return try #require(result)
    }

    private func hbone(_ name: String, address: String = "10.0.0.1") -> Workload {
        var workload = TestPlane.workload(name, address: address)
        workload.tunnelProtocol = .hbone
        return workload
    }

    @Test func `it asks for the two types of a ztunnel, under a ztunnel's name, and shows no certificate`() throws {
        plane.set(hbone("web"))
        let client = try start()
        #expect(bench.run { client.keeper.isSynchronised })
        let access = try #require(planes.accesses.first)
        #expect(access.shown == nil && access.check == .host("one.test") && access.roots == [authority.root.certificate])
        let first = plane.discovery.filter { $0.responseNonce.isEmpty }
        #expect(first.map(\.typeURL) == [ResourceType.address.rawValue, ResourceType.authorization.rawValue])
        #expect(first.allSatisfy { $0.node?.id == "ztunnel~1.1.1.1~ztunnel-1.istio-system~istio-system.svc.cluster.local" })
        #expect(first.first?.node?.metadata?["NAMESPACE"]?.stringValue == "istio-system")
        #expect(plane.requests.isEmpty, "istiod has no resource API")
        #expect(client.info.kind == .istiod && client.info.identity == "istio-system/ztunnel")
        #expect(client.info.tokenEnds == WallTime(seconds: 4_000_000_000))
    }

    @Test func `the token goes with each call as it is then`() throws {
        let client = try start()
        defer { withExtendedLifetime(client) {} }
        bench.run { !planes.accesses.isEmpty }
        let text = try Files.text(token)
        #expect(try metadata().get()["authorization"] == "Bearer \(text)" && metadata().get()["clusterid"] == "Kubernetes")
        try writeToken("istio-system:ztunnel", pod: "ztunnel-2")
        let later = try Files.text(token)
        #expect(later != text)
        #expect(try metadata().get()["authorization"] == "Bearer \(later)")
        try writeToken("istio-system:ztunnel", mode: 0o644)
        guard case .failure(let failure) = try metadata() else {
            Issue.record("a token that others may read")
            return
        }
        #expect(failure.description.contains("chmod 600"))
    }

    @Test func `each push has another time and counter, and no store is another for that`() throws {
        plane.set(hbone("web"))
        let client = try start()
        #expect(bench.run { !bench.snapshots.isEmpty })
        for second in 2...4 {
            plane.store = "2026-08-01T00:00:0\(second)Z"
            plane.set(hbone("other-\(second)", address: "10.0.0.\(second)"))
            plane.push(.address, ["Kubernetes/networking.istio.io/WorkloadEntry/shop/other-\(second)"])
            #expect(bench.run { bench.snapshots.last?.workloadCount == second }, "\(second)")
        }
        #expect(client.info.refused == nil && client.info.store == nil)
        // An istiod that was restarted counts from one.
        plane.goDown()
        plane.isUp = true
        (plane.store, plane.revision) = ("2026-08-02T00:00:00Z", 1)
        #expect(bench.run { client.keeper.isSynchronised })
        #expect(client.info.refused == nil && bench.snapshots.last?.workloadCount == 4)
    }

    @Test func `what is captured here is this host's word, and what doesn't fit is told`() throws {
        plane.set(TestPlane.workload("web"))
        let client = try start()
        #expect(bench.run { bench.snapshots.last?.local.count == 1 })
        let local = try #require(bench.snapshots.last?.local.first)
        #expect(local.uid.hasSuffix("/shop/web") && local.networkNamespace == "web" && local.node == "node-1" && local.captured)
        #expect(client.info.misfits.map(\.name) == ["shop/web", "shop/db"])
        #expect(client.info.misfits.first?.reason.contains("networking.istio.io/tunnel=http") == true)
        #expect(client.info.misfits.last?.reason.contains("knows no WorkloadEntry and no Pod") == true)
        // A Pod will do, and a WorkloadEntry that says HBONE.
        plane.set(hbone("web"), version: "2")
        var pod = hbone("db", address: "10.0.0.2")
        pod.uid = "Kubernetes//Pod/shop/db"
        plane.set(pod)
        plane.push(.address, ["Kubernetes/networking.istio.io/WorkloadEntry/shop/web", pod.uid])
        #expect(bench.run { bench.snapshots.last?.local.map(\.uid).contains(pod.uid) == true && client.info.misfits.isEmpty })
        // One that is gone there isn't captured here.
        plane.resources[.address]?[pod.uid] = nil
        plane.push(.address, removed: [pod.uid])
        #expect(bench.run { bench.snapshots.last?.local.count == 1 && client.info.misfits.map(\.name) == ["shop/db"] })
    }

    @Test func `a resource that wasn't asked for is refused: whom this host captures istiod doesn't say`() throws {
        plane.set(hbone("web"))
        let client = try start()
        #expect(bench.run { !bench.snapshots.isEmpty })
        plane.set(hbone("stock", address: "10.0.0.9"))
        let uid = "Kubernetes/networking.istio.io/WorkloadEntry/shop/stock"
        plane.set(local: uid, namespace: "stock")
        plane.push(.local, [uid])
        plane.push(.address, [uid])
        #expect(bench.run { bench.snapshots.last?.workloadCount == 2 })
        #expect(bench.snapshots.last?.local.count == 1 && client.keeper.isSynchronised)
        #expect(plane.discovery.contains { $0.errorDetail?.message.contains("were not asked for") == true })
    }

    @Test func `the last mesh serves while nobody answers, and declares only what the configuration does now`() throws {
        plane.set(hbone("web"))
        plane.set(hbone("db", address: "10.0.0.2"))
        plane.set(policy: "one", version: "")
        let client = try start()
        #expect(bench.run { bench.snapshots.last?.local.count == 2 })
        #expect(bench.run { ControlBench.exists("\(bench.folder)/last-mesh-of-istiod") })
        plane.goDown()
        client.keeper.stop()
        let before = bench.snapshots.count
        bench.configuration.control.istiod.workloads.removeLast()
        let again = try start()
        defer { withExtendedLifetime((client, again)) {} }
        #expect(bench.run { bench.snapshots.count > before })
        #expect(bench.snapshots.last?.workloadCount == 2 && bench.snapshots.last?.policies.count == 1)
        #expect(bench.snapshots.last?.local.map(\.networkNamespace) == ["web"])
        #expect(!ControlBench.exists("\(bench.folder)/last-mesh"), "a member's is another")
    }

    @Test func `only another account's certificate is asked for in its name`() throws {
        try writeToken("shop:web")
        let client = try start()
        bench.run { client.keeper.link != nil }
        for account in ["web", "stock"] {
            var result: Result<WorkloadCredential, AuthorityFailure>?
            client.certificates.first(
                try #require(SPIFFEID(trustDomain: "cluster.local", namespace: "shop", serviceAccount: account))
            ) {
                result = $0
            }
            #expect(bench.run { result != nil })
            #expect((try? result?.get()) != nil)
        }
        #expect(
            plane.certificates.map { $0.metadata?["ImpersonatedIdentity"]?.stringValue } == [
                nil, "spiffe://cluster.local/ns/shop/sa/stock",
            ])
    }

    @Test func `a refusal names the account, the file and the end of the token`() throws {
        plane.certificateFailure = GRPCStatus(.unauthenticated, "request impersonation authentication failure")
        let client = try start()
        bench.run { client.keeper.link != nil }
        func refusal() throws -> String {
            var result: Result<WorkloadCredential, AuthorityFailure>?
            client.certificates.first(try TestNode.identity("web")) { result = $0 }
            bench.run { result != nil }
            guard case .failure(let failure)? = result else { return "" }
            return failure.description
        }
        let words = try refusal()
        #expect(words.contains("istio-system/ztunnel in \(token)") && words.contains("CA_TRUSTED_NODE_ACCOUNTS"), "\(words)")
        let account = try #require(client.account)
        let refused = GRPCStatus(.unauthenticated, "authentication failure")
        let late = account.words(refused, now: WallTime(seconds: 4_000_000_001))
        #expect(late.contains("which expired at 2096-10-02") && late.hasSuffix(": authentication failure"), "\(late)")
        #expect(!account.words(refused, now: WallTime(seconds: 3_999_999_999)).contains("expired"))
        #expect(account.words(GRPCStatus(.unavailable, "going away")) == "going away")
    }

    @Test func `nobody is called without a token and roots, and it is said why`() throws {
        try writeToken("shop:web", mode: 0o640)
        let client = try start()
        #expect(bench.run { client.info.tokenFailure != nil })
        #expect(planes.dialled.isEmpty && client.info.failure?.contains("chmod 600 \(token)") == true)
        try writeToken("shop:web")
        Files.remove(roots)
        #expect(bench.run { client.info.failure?.contains("istiod's roots at \(roots) can't be read") == true })
        #expect(planes.dialled.isEmpty && client.info.tokenFailure == nil)
        try Files.write(String(decoding: authority.root.certificate.pem, as: UTF8.self), to: roots)
        #expect(bench.run { client.keeper.isSynchronised })
    }

    @Test func `other roots that come with a certificate are kept for the next start`() throws {
        let client = try start()
        bench.run { client.keeper.link != nil }
        plane.authority = try TestAuthority()
        let new = try #require(plane.authority).root.certificate
        var result: Result<WorkloadCredential, AuthorityFailure>?
        client.certificates.first(try TestNode.identity("web")) { result = $0 }
        #expect(bench.run { result != nil && bench.rootChanges == 1 })
        let directory = NodeDirectory(path: bench.folder)
        #expect(try directory.prepareForIstiod(bench.configuration.control.istiod).get() == [new])
    }

    @Test func `a member of another mesh is no client of istiod`() throws {
        let directory = NodeDirectory(path: bench.folder)
        #expect(try directory.prepareForIstiod(bench.configuration.control.istiod).get() == [authority.root.certificate])
        try Files.write("x", to: "\(bench.folder)/key.pem", mode: 0o600)
        guard case .failure(let failure) = directory.prepareForIstiod(bench.configuration.control.istiod) else {
            Issue.record("both")
            return
        }
        #expect(failure.description.contains("warren leave"))
    }
}
