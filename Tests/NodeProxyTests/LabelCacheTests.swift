// SPDX-License-Identifier: Apache-2.0

import Bytes
import Mesh
import Telemetry
import Testing

@testable import NodeProxy

/// What metrics call workloads and services.
@Suite struct LabelCacheTests {
    private static let mesh =
        TestNode.namespace + TestNode.workload("web-1", "10.0.0.1", labels: ", version: v2")
        + TestNode.service("web", "10.96.0.5")

    @Test func `a workload is called as its resource says`() throws {
        let snapshot = TestNode.snapshot(Self.mesh)
        let workload = try #require(snapshot.workloads.first)
        let labels = LabelCache().peer(workload)
        #expect(labels.workload == workload.workload.workloadName)
        #expect(labels.namespace == "shop")
        #expect(labels.principal == "spiffe://cluster.local/ns/shop/sa/web")
        #expect(labels.app == "web" && labels.canonicalService == "web")
        #expect(labels.version == "v2" && labels.canonicalRevision == "v2")
        #expect(labels.cluster == "Kubernetes")
        #expect(labels.region == "unknown")
        #expect(labels.isKnown)
    }

    @Test func `a service is called as its resource says`() throws {
        let snapshot = TestNode.snapshot(Self.mesh)
        let service = try #require(snapshot.services.first)
        let labels = LabelCache().service(service)
        #expect(labels.host == "web.shop.svc.cluster.local")
        #expect(labels.namespace == "shop" && labels.name == "web")
    }

    @Test func `of whom only the certificate is known namespace and principal are told`() throws {
        let labels = LabelCache().peer(try TestNode.identity("batch", namespace: "other"))
        #expect(labels.namespace == "other")
        #expect(labels.principal == "spiffe://cluster.local/ns/other/sa/batch")
        #expect(labels.workload == "unknown")
        #expect(!labels.isKnown)
    }

    @Test func `nobody is unknown`() {
        let cache = LabelCache()
        #expect(cache.peer(nil as MeshWorkload?) == .unknown)
        #expect(cache.peer(nil as SPIFFEID?) == .unknown)
        #expect(cache.service(nil) == .unknown)
    }

    @Test func `labels are made once for each workload, and not mixed between snapshots`() throws {
        let cache = LabelCache()
        let (old, new) = (TestNode.snapshot(Self.mesh), TestNode.snapshot(Self.mesh.replacing("v2", with: "v3"), revision: 2))
        let workload = try #require(old.workloads.first)
        #expect(cache.peer(workload) === cache.peer(workload))
        // The same place in another snapshot is another workload.
        let later = try #require(new.workloads.first)
        #expect(cache.peer(later).version == "v3")
        #expect(cache.peer(workload).version == "v2")
    }
}
