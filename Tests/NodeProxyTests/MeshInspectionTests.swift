// SPDX-License-Identifier: Apache-2.0

import Bytes
import Daemon
import Kernel
import Mesh
import Telemetry
import Testing

@testable import NodeProxy

@Suite struct MeshInspectionTests {
    private static func workload(_ namespace: String, _ name: String) -> Workload {
        var workload = Workload()
        workload.uid = "k//Pod/\(namespace)/\(name)"
        (workload.namespace, workload.name, workload.workloadName) = (namespace, name, name)
        return workload
    }

    private static func connection(_ workload: String) -> ConnectionInfo {
        let socket = SocketAddress(IPAddress.loopbackV4, 80)
        return ConnectionInfo(
            id: 1, workload: workload, direction: .inbound, local: socket, target: "", path: .hbone, age: .zero, state: "open",
            loop: 0)
    }

    /// Three workloads in two namespaces; two of them are of this host, of which one was never in the mesh's table.
    private static let inspection: MeshInspection = {
        let state = MeshState(
            workloads: [workload("shop", "web"), workload("shop", "db"), workload("bank", "web")], services: [],
            authorizations: [],
            local: [("shop/web", "here"), ("bank/web", "here"), ("shop/db", "there"), ("shop/gone", "here")].map { name, node in
                LocalWorkload(uid: "k//Pod/\(name)", node: node, networkNamespace: "ns-\(node)", captured: true, nonTCP: nil)
            })
        return MeshInspection(
            snapshot: MeshSnapshot(state: state, options: MeshOptions(), revision: 1), node: "here",
            captures: ["k//Pod/shop/web": .captured],
            connections: ["shop/web", "shop/web", "bank/web", "shop/db"].map(connection))
    }()

    @Test func `all workloads are told, with what this host does for its own`() {
        let all = Self.inspection.workloads()
        #expect(all.map(\.uid) == ["k//Pod/bank/web", "k//Pod/shop/db", "k//Pod/shop/web"])
        #expect(all.map(\.isLocal) == [true, false, true])
        #expect(all.map(\.networkNamespace) == ["ns-here", "ns-there", "ns-here"])
        #expect(all.map(\.connections) == [1, 0, 2])
        #expect(all[2].capture == .captured && all[0].capture != .captured)
    }

    @Test func `a filter leaves those that are wanted, as they are among all`() {
        func uids(_ isLocal: Bool, _ namespace: String?) -> [String] {
            Self.inspection.workloads(.init(isLocal: isLocal, namespace: namespace)).map(\.uid)
        }
        #expect(uids(true, nil) == ["k//Pod/bank/web", "k//Pod/shop/web"])
        #expect(uids(false, "shop") == ["k//Pod/shop/db", "k//Pod/shop/web"])
        #expect(uids(true, "shop") == ["k//Pod/shop/web"])
        #expect(uids(true, "none") == [] && uids(false, "") == [])
        #expect(Self.inspection.workloads(.init(isLocal: true))[1].connections == 2)
    }

    @Test func `before there is a mesh there is nothing to tell`() {
        let none = MeshInspection(snapshot: nil, node: "here", captures: [:], connections: [])
        #expect(none.workloads().isEmpty && none.services.isEmpty && none.policies.isEmpty)
    }
}
