// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Kernel
import Mesh
import NodeProxy
import Tunnel

/// The authority of a CONNECT, which says where at a workload a peer wants to go. The first byte chooses the workload and the address at which
/// the tunnel arrived; the rest is the authority.
enum ConnectTargetHarness {
    static func fuzz(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let (uid, local) = places[input.choice(places.count)]
        let authority = String(decoding: input.rest, as: UTF8.self)
        switch InboundTarget.resolve(authority, at: local, for: uid, in: snapshot) {
        case .success(let target): check(target, authority, uid, local)
        case .failure(let failure):
            invariant(failure.status == HBONE.Status.badTarget && failure.kind == .noRoute, "answered as \(failure)")
            check(line: failure.reason, most: 200)
        }
        check(line: InboundTarget.printable(authority), most: 80)
    }

    /// Whoever gets through gets to this workload, at a port of its application, and said so in one of two ways.
    private static func check(_ target: SocketAddress, _ authority: String, _ uid: String, _ local: IPAddress?) {
        invariant(target.ip == local, "a tunnel at \(local as Any) leads to \(target)")
        invariant(target.port != 0 && !HBONE.isOwnPort(target.port), "a tunnel leads to \(target)")
        guard SocketAddress(authority) == nil else { return invariant(SocketAddress(authority) == target, "another address") }
        guard let id = snapshot.workload(uid: uid) else { bug("a name means something at \(uid), which nobody knows") }
        let services = snapshot.memberships(of: snapshot[id]).map { snapshot[$0.service].service }
        invariant(
            services.contains { service in
                service.ports.contains { "\(service.hostname):\($0.servicePort)" == canonical(authority) }
            },
            "'\(authority)' isn't a service of \(uid) and leads to \(target)")
    }

    /// Without zeros in front of the port.
    private static func canonical(_ authority: String) -> String {
        let parts = authority.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let port = UInt16(parts[1]) else { return authority }
        return "\(parts[0]):\(port)"
    }

    private static func check(line: String, most: Int) {
        invariant(line.utf8.count <= most, "a sentence of \(line.utf8.count) bytes")
        invariant(line.utf8.allSatisfy { (0x20...0x7e).contains($0) }, "a sentence that isn't one line: \(line)")
    }

    private static let places: [(uid: String, local: IPAddress?)] = [
        ("db-1", IPAddress("10.0.0.5")), ("db-1", IPAddress("2001:db8::5")), ("web-1", IPAddress("10.0.0.1")),
        ("db-1", nil), ("gone", IPAddress("10.0.0.9")),
    ]

    /// Ports of every kind: led elsewhere, the same, to a port of the mesh, by a name that the workload has or lacks; one host name twice.
    private static let snapshot: MeshSnapshot = {
        let (resources, findings) = loadResources(files: [(name: "mesh.yaml", text: Array(mesh.utf8))], purpose: .apply)
        invariant(!findings.contains { $0.severity == .error }, "no mesh to fuzz with: \(findings)")
        return MeshSnapshot(state: translate(resources), options: MeshOptions(), revision: 1)
    }()

    private static let mesh = """
        apiVersion: v1
        kind: Namespace
        metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
        ---
        apiVersion: networking.istio.io/v1
        kind: WorkloadEntry
        metadata:
          name: db-1
          namespace: shop
          labels: {app: db}
          annotations: {warren.dev/node: node-1, warren.dev/network-namespace: db-1}
        spec: {address: "10.0.0.5", serviceAccount: db, ports: {named: 7000}}
        ---
        apiVersion: networking.istio.io/v1
        kind: WorkloadEntry
        metadata:
          name: web-1
          namespace: shop
          labels: {app: web}
          annotations: {warren.dev/node: node-1, warren.dev/network-namespace: web-1}
        spec: {address: "10.0.0.1", serviceAccount: web}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: db, namespace: shop}
        spec:
          clusterIP: "10.96.0.5"
          selector: {app: db}
          ports:
            - {name: main, port: 80, targetPort: 8080}
            - {name: same, port: 9000}
            - {name: mesh, port: 81, targetPort: 15008}
            - {name: named, port: 82, targetPort: named}
            - {name: lacking, port: 83, targetPort: nobody}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: db, namespace: other}
        spec: {clusterIP: "10.96.0.7", selector: {app: db}, ports: [{name: main, port: 80, targetPort: 7777}]}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: web, namespace: shop}
        spec: {clusterIP: "10.96.0.6", selector: {app: web}, ports: [{name: main, port: 80, targetPort: 8080}]}

        """
}
