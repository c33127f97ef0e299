// SPDX-License-Identifier: Apache-2.0

import Bytes
import Mesh
import Testing

@Suite struct SnapshotTests {
    private func service(_ name: String, _ namespace: String, _ address: NetworkAddress, canonical: Bool = false) -> Service {
        var service = Service()
        (service.name, service.namespace, service.hostname, service.canonical) = (
            name, namespace, "\(name).\(namespace)", canonical
        )
        service.addresses = [address]
        return service
    }

    private func network(_ address: String, _ length: UInt8? = nil, network: String = "") throws -> NetworkAddress {
        NetworkAddress(network: network, address: try #require(IPAddress(address)), length: length)
    }

    @Test func `of services that share an address the caller's own comes first, then the canonical one`() throws {
        var workload = Workload()
        (workload.uid, workload.namespace) = ("w", "b")
        let snapshot = MeshSnapshot(
            state: MeshState(
                workloads: [workload],
                services: [
                    service("x", "a", try network("10.0.0.1")), service("x", "b", try network("10.0.0.1")),
                    service("x", "c", try network("10.0.0.1"), canonical: true),
                ]), options: MeshOptions(), revision: 1)
        let address = try #require(IPAddress("10.0.0.1"))
        #expect(snapshot.service(at: address) == snapshot.service(key: "c/x.c"))
        #expect(snapshot.service(at: address, from: snapshot.workload(uid: "w")) == snapshot.service(key: "b/x.b"))
    }

    @Test func `an exact address comes before a block, a narrow block before a wide one`() throws {
        let snapshot = MeshSnapshot(
            state: MeshState(services: [
                service("wide", "a", try network("10.0.0.0", 8)), service("narrow", "a", try network("10.1.0.0", 16)),
                service("exact", "a", try network("10.1.0.1")), service("whole", "a", try network("10.1.0.2", 32)),
                service("far", "a", try network("10.1.0.3", network: "far")),
            ]), options: MeshOptions(), revision: 1)
        for (address, name) in [
            ("10.1.0.1", "exact"), ("10.1.0.2", "whole"), ("10.1.0.3", "narrow"), ("10.9.0.1", "wide"), ("11.0.0.1", nil),
            ("::1", nil),
        ] {
            let found = snapshot.service(at: try #require(IPAddress(address)))
            #expect(found.map { snapshot[$0].service.name } == name)
        }
        #expect(
            snapshot.service(at: try #require(IPAddress("10.1.0.3")), network: "far").map { snapshot[$0].service.name } == "far")
    }

    @Test func `a service seen in its namespace only is none for others`() throws {
        var hidden = service("x", "a", try network("10.0.0.1"))
        hidden.visibility = .namespace
        var workloads: [Workload] = []
        for namespace in ["a", "b"] {
            var workload = Workload()
            (workload.uid, workload.namespace) = (namespace, namespace)
            workloads.append(workload)
        }
        let snapshot = MeshSnapshot(
            state: MeshState(workloads: workloads, services: [hidden]), options: MeshOptions(), revision: 1)
        let address = try #require(IPAddress("10.0.0.1"))
        #expect(snapshot.service(at: address, from: snapshot.workload(uid: "a")) != nil)
        #expect(snapshot.service(at: address, from: snapshot.workload(uid: "b")) == nil)
        #expect(snapshot.service(at: address) == nil)
    }

    @Test func `of workloads that share an address HBONE comes first, then pods, then the lower uid`() throws {
        let address = try #require(IPAddress("10.0.0.1"))
        func owner(_ entries: [(String, Workload.TunnelProtocol)]) -> String? {
            let workloads = entries.map { uid, tunnel in
                var workload = Workload()
                (workload.uid, workload.tunnelProtocol, workload.addresses) = (uid, tunnel, [address])
                return workload
            }
            let snapshot = MeshSnapshot(state: MeshState(workloads: workloads), options: MeshOptions(), revision: 1)
            return snapshot.workload(at: address).map { snapshot[$0].workload.uid }
        }
        #expect(owner([("k/g/W/n/a", .none), ("k//Pod/n/b", .none)]) == "k//Pod/n/b")
        #expect(owner([("k/g/W/n/a", .hbone), ("k//Pod/n/b", .none)]) == "k/g/W/n/a")
        #expect(owner([("k//Pod/n/b", .hbone), ("k/g/W/n/a", .hbone)]) == "k//Pod/n/b")
        #expect(owner([("k/g/W/n/b", .none), ("k/g/W/n/a", .none)]) == "k/g/W/n/a")
    }

    @Test func `a workload in the host's network isn't found by the host's address`() throws {
        var workload = Workload()
        (workload.uid, workload.networkMode, workload.addresses) = ("w", .hostNetwork, [try #require(IPAddress("10.0.0.1"))])
        let snapshot = MeshSnapshot(state: MeshState(workloads: [workload]), options: MeshOptions(), revision: 1)
        #expect(snapshot.workload(at: workload.addresses[0]) == nil)
        #expect(snapshot.workload(uid: "w") != nil)
    }

    @Test func `a uid that occurs twice counts once`() {
        var workload = Workload()
        workload.uid = "w"
        let snapshot = MeshSnapshot(state: MeshState(workloads: [workload, workload]), options: MeshOptions(), revision: 1)
        #expect(snapshot.workloads.count == 1)
    }

    @Test func `the service that an inbound connection was meant for is guessed from port and hint`() throws {
        let snapshot = TestMesh.snapshot(
            TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5") + TestMesh.service("db", "10.96.0.1")
                + TestMesh.service("db", "10.96.0.2").replacing("name: db,", with: "name: other,"))
        let id = try snapshot.id("db-1")
        #expect(snapshot.serviceHint(forInbound: id, port: 8080) == snapshot.service(key: "shop/db.shop.svc.cluster.local"))
        #expect(
            snapshot.serviceHint(forInbound: id, port: 8080, forwardedHost: "other.shop.svc.cluster.local")
                == snapshot.service(key: "shop/other.shop.svc.cluster.local"))
        #expect(
            snapshot.serviceHint(forInbound: id, port: 8080, forwardedHost: "evil")
                == snapshot.service(key: "shop/db.shop.svc.cluster.local"))
        #expect(snapshot.serviceHint(forInbound: id, port: 80) == nil)
    }
}

@Suite struct MeshChangeTests {
    private let full = TestMesh.state(
        TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5") + TestMesh.policy("p", "{rules: [{}]}"))

    private func refusal(_ new: MeshState, allowEmpty: Bool = false) -> String? {
        MeshChange.refusalToApply(old: full, new: new, allowEmpty: allowEmpty)
    }

    @Test func `I18 nothing opens by accident`() throws {
        #expect(refusal(full) == nil)
        #expect(try #require(refusal(MeshState())).contains("none at all"))
        var without = full
        without.authorizations = []
        #expect(try #require(refusal(without)).contains("none of the 1 policies"))
        let released = TestMesh.state(
            TestMesh.namespace.replacing("ambient", with: "none") + TestMesh.workload("db-1", "10.0.0.5")
                + TestMesh.policy("p", "{rules: [{}]}"))
        #expect(try #require(refusal(released)).contains("release all 1 captured workloads"))
        for new in [MeshState(), without, released] { #expect(refusal(new, allowEmpty: true) == nil) }
    }

    @Test func `I18 the first state may be empty`() {
        #expect(MeshChange.refusalToApply(old: MeshState(), new: MeshState(), allowEmpty: false) == nil)
    }
}
