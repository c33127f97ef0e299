// SPDX-License-Identifier: Apache-2.0

import Daemon
import Discovery
import Kernel
import Mesh
import Messages
import Support
import Testing
import Transport

@testable import NodeProxy

/// A host whose mesh comes from control planes in memory.
@Suite struct ControlMeshTests {
    private let bench: ControlBench
    private let planes = TestPlanes()
    private let plane = TestPlane()
    private let authority: TestAuthority
    private let addresses: [ControlAddress]

    init() throws {
        bench = try ControlBench()
        authority = try TestAuthority()
        addresses = bench.configuration.control.addresses
        for address in addresses { planes.planes[address] = plane }
        plane.set(TestPlane.workload("web"))
        plane.set(local: TestPlane.workload("web").uid)
        plane.set(policy: "p")
    }

    private func start() throws -> ControlClient {
        let client = ControlClient(host: bench, dialler: planes, credential: try authority.node())
        try client.mesh.start()
        client.start()
        return client
    }

    private var last: MeshSnapshot? { bench.snapshots.last }

    @Test func `the mesh is in use when everything was told, and not before`() throws {
        let client = try start()
        #expect(bench.run { !bench.snapshots.isEmpty })
        #expect(bench.snapshots.count == 1)
        #expect(last?.workloads.count == 1 && last?.policies.count == 1 && last?.local.count == 1)
        #expect(client.info.state == .synchronised && client.info.store == "store-a/10")
    }

    @Test func `half of a first state is no mesh`() throws {
        plane.isMute = true
        let client = try start()
        #expect(bench.run { plane.open.count == 1 && plane.open.first?.calls.isEmpty == false })
        plane.open.first?.calls.last?.push(plane.response(.address, [TestPlane.workload("web").uid]))
        bench.rest(.milliseconds(300))
        #expect(bench.snapshots.isEmpty && client.info.state == .connected)
    }

    @Test func `changes and removals take effect, and what comes together together`() throws {
        let client = try start()
        #expect(bench.run { last != nil })
        for number in 1...20 { plane.set(TestPlane.workload("more-\(number)", address: "10.0.1.\(number)")) }
        for number in 1...20 { plane.push(.address, [TestPlane.workload("more-\(number)").uid]) }
        #expect(bench.run { last?.workloads.count == 21 })
        #expect(bench.snapshots.count < 10, "\(bench.snapshots.count) snapshots")
        plane.push(.address, removed: (1...20).map { TestPlane.workload("more-\($0)").uid })
        #expect(bench.run { last?.workloads.count == 1 })
        #expect(client.info.store == "store-a/\(plane.revision)")
    }

    @Test func `a resource that can't be taken is shown until it can`() throws {
        let client = try start()
        #expect(bench.run { last != nil })
        plane.resources[.address]?["bad"] = ("1", [0x0a, 0x05, 1])
        plane.push(.address, ["bad"])
        #expect(bench.run { client.info.rejected.map(\.name) == ["bad"] })
        #expect(plane.discovery.last?.errorDetail?.message.contains("bad") == true)
        #expect(client.info.state == .synchronised && last?.workloads.count == 1)
        plane.push(.address, removed: ["bad"])
        #expect(bench.run { client.info.rejected.isEmpty })
    }

    @Test func `I25 a host starts from the last mesh alone, and then asks for the difference`() throws {
        let first = try start()
        #expect(bench.run { ControlBench.exists("\(bench.folder)/last-mesh") })
        plane.goDown()
        first.keeper.stop()
        let before = bench.snapshots.count
        let again = try start()
        #expect(bench.run { bench.snapshots.count > before })
        #expect(last?.workloads.count == 1 && last?.policies.count == 1 && last?.local.count == 1)
        #expect(again.info.state != .synchronised && !again.mesh.isAuthoritative)
        let asked = plane.discovery.count
        plane.isUp = true
        #expect(bench.run { again.info.state == .synchronised })
        let firsts = plane.discovery[asked...].prefix(3)
        #expect(firsts.map(\.initialResourceVersions.count) == [1, 1, 1], "\(firsts)")
    }

    @Test(arguments: [0, 20, 60, 120, -1]) func `a damaged last mesh is named and not used`(_ place: Int) throws {
        let first = try start()
        let path = "\(bench.folder)/last-mesh"
        #expect(bench.run { ControlBench.exists(path) })
        var bytes = try File.read(path, limit: 1 << 20)
        if place < 0 { bytes.removeLast() } else { bytes[min(place, bytes.count - 1)] ^= 0x10 }
        try File.replace(path, with: bytes, mode: 0o600)
        guard case .failure(.damaged(let reason)) = LastMesh(directory: bench.folder).load() else {
            Issue.record("taken")
            return
        }
        #expect(!reason.isEmpty)
        plane.goDown()
        first.keeper.stop()
        let again = try start()
        bench.rest(.milliseconds(100))
        #expect(again.mesh.snapshot == nil)
        plane.isUp = true
        #expect(bench.run { again.mesh.snapshot != nil })
    }

    @Test func `a change is written behind what stands, and a write that was cut off isn't read`() throws {
        let first = try start()
        let path = "\(bench.folder)/last-mesh"
        #expect(bench.run { ControlBench.exists(path) })
        let before = try File.read(path, limit: 1 << 20)
        plane.set(TestPlane.workload("web-2", address: "10.0.0.9"))
        plane.push(.address, [TestPlane.workload("web-2").uid])
        #expect(bench.run { last?.workloadCount == 2 })
        #expect(bench.run { (try? File.read(path, limit: 1 << 20))?.count ?? 0 > before.count + 40 })
        plane.goDown()
        first.keeper.stop()
        let bytes = try File.read(path, limit: 1 << 20)
        #expect(bytes.starts(with: before))
        for cut in [bytes.count, bytes.count - 1, before.count + 20, before.count] {
            try File.replace(path, with: Array(bytes.prefix(cut)), mode: 0o600)
            guard case .success(let loaded) = LastMesh(directory: bench.folder).load() else {
                Issue.record("not taken with \(cut) of \(bytes.count) bytes")
                continue
            }
            var mesh = loaded.mesh
            #expect(mesh.snapshot(revision: 1).workloadCount == (cut == bytes.count ? 2 : 1))
            #expect(loaded.size == (cut == bytes.count ? bytes.count : before.count))
        }
        // What is wrong before the end isn't the end of a write.
        var wrong = bytes
        wrong[before.count - 60] ^= 1
        try File.replace(path, with: wrong, mode: 0o600)
        guard case .failure(.damaged) = LastMesh(directory: bench.folder).load() else {
            Issue.record("taken")
            return
        }
    }

    // MARK: - Whose word counts

    @Test func `I21 another store is refused until told, and the mesh as it was goes on`() throws {
        let client = try start()
        #expect(bench.run { client.info.state == .synchronised && last != nil })
        plane.store = "store-b"
        plane.revision = 100
        plane.resources = [:]
        plane.open.first?.lose("restarted")
        #expect(bench.run { client.info.refused != nil })
        bench.rest(.milliseconds(200))
        #expect(client.info.state != .synchronised && last?.workloads.count == 1)
        #expect(client.info.refused?.contains("store-b") == true && client.info.refused?.contains("accept-store") == true)
        #expect(plane.discovery.last?.errorDetail?.message.contains("store-b") == true)
        client.acceptStore {}
        #expect(bench.run { client.info.state == .synchronised })
        #expect(bench.run { last?.workloads.isEmpty == true })
        #expect(client.info.refused == nil && client.info.store == "store-b/100")
    }

    @Test func `I21 an older state of the store is refused until it has caught up`() throws {
        let client = try start()
        #expect(bench.run { client.info.state == .synchronised && last != nil })
        plane.revision = 3
        plane.resources = [:]
        plane.open.first?.lose("restored from a backup")
        #expect(bench.run { client.info.refused?.contains("revision 3") == true })
        #expect(last?.workloads.count == 1)
        plane.revision = 11
        plane.set(TestPlane.workload("web"))
        #expect(bench.run { client.info.state == .synchronised && client.info.refused == nil })
    }

    @Test func `an empty mesh is believed when a control plane says so`() throws {
        let client = try start()
        #expect(bench.run { last != nil })
        plane.push(.address, removed: [TestPlane.workload("web").uid])
        plane.push(.local, removed: [TestPlane.workload("web").uid])
        plane.push(.authorization, removed: ["shop/p"])
        #expect(bench.run { last?.workloads.isEmpty == true && last?.policies.isEmpty == true && last?.local.isEmpty == true })
        #expect(client.mesh.isAuthoritative)
    }

    // MARK: - Connections

    @Test func `a lost control plane is followed by the next`() throws {
        let other = TestPlane()
        other.resources = plane.resources
        let client = try start()
        #expect(bench.run { client.info.state == .synchronised && last != nil })
        let first = try #require(client.info.address.flatMap { ControlAddress($0) })
        planes.planes[first == addresses[0] ? addresses[1] : addresses[0]] = other
        let began = Instant.now()
        for link in plane.open { link.lose("killed") }
        #expect(bench.run { client.info.state == .synchronised && !other.open.isEmpty })
        #expect(Instant.now().since(began) < .seconds(2))
        #expect(client.info.failure?.contains("killed") == true)
        #expect(bench.snapshots.count == 1, "nothing changed")
    }

    @Test func `attempts go round with pauses while nobody answers`() throws {
        plane.isUp = false
        let client = try start()
        bench.rest(.milliseconds(400))
        let tries = planes.dialled.count
        #expect((4...60).contains(tries), "\(tries)")
        #expect(Set(planes.dialled).count == 2)
        #expect(client.info.failure?.contains("connection refused") == true && client.info.failedAt != nil)
        plane.isUp = true
        #expect(bench.run { client.info.state == .synchronised })
    }

    @Test func `a call that ends is made anew on another connection`() throws {
        let client = try start()
        #expect(bench.run { client.info.state == .synchronised && last != nil })
        plane.open.first?.calls.last?.end(GRPCStatus(.unavailable, "shutting down"))
        #expect(bench.run { client.info.state == .synchronised && plane.links.count == 2 })
        #expect(plane.links.first?.isClosed == true && client.info.failure?.contains("shutting down") == true)
    }

    @Test func `an expired host says so and dials nobody`() throws {
        let old = try authority.node(lifetime: 60, now: WallTime.now().seconds - 3600)
        let client = ControlClient(host: bench, dialler: planes, credential: old)
        try client.mesh.start()
        client.start()
        #expect(bench.run { client.info.failure?.contains("expired") == true })
        #expect(planes.dialled.isEmpty)
    }

    @Test func `pauses double to their bound, and half of them is chance`() {
        var backoff = Backoff(first: .milliseconds(100), longest: .seconds(1))
        #expect((0..<6).map { _ in backoff.next(chance: 0).milliseconds } == [50, 100, 200, 400, 500, 500])
        backoff.reset()
        #expect(backoff.next(chance: 0.999999).milliseconds == 99)
        backoff.exhaust()
        #expect(backoff.next(chance: 0).milliseconds == 500)
    }
}
