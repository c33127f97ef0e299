// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Kernel
import Loop
import Mesh
import TLS
import Testing

@testable import NodeProxy

/// Meshes from a few lines of YAML, and an authority that lies in a folder of the test.
enum TestNode {
    static let namespace = """
        apiVersion: v1
        kind: Namespace
        metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
        ---

        """

    /// A captured workload `shop/NAME` with the service account ACCOUNT, the name's first part.
    static func workload(_ name: String, _ address: String, labels: String = "") -> String {
        """
        apiVersion: networking.istio.io/v1
        kind: WorkloadEntry
        metadata:
          name: \(name)
          namespace: shop
          labels: {app: \(account(name))\(labels)}
          annotations: {warren.dev/node: node-1, warren.dev/network-namespace: \(name)}
        spec: {address: "\(address)", serviceAccount: \(account(name))}
        ---

        """
    }

    static func service(
        _ name: String, _ address: String, ports: String = "{name: main, port: 80, targetPort: 8080}", namespace: String = "shop"
    )
        -> String
    {
        """
        apiVersion: v1
        kind: Service
        metadata: {name: \(name), namespace: \(namespace)}
        spec: {clusterIP: "\(address)", selector: {app: \(name)}, ports: [\(ports)]}
        ---

        """
    }

    static func policy(_ name: String, _ spec: String) -> String {
        """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: \(name), namespace: shop}
        spec: \(spec)
        ---

        """
    }

    private static func account(_ name: String) -> Substring { name.split(separator: "-").first ?? "" }

    static func state(_ text: String, _ location: SourceLocation = #_sourceLocation) -> MeshState {
        let (resources, findings) = loadResources(files: [(name: "mesh.yaml", text: Array(text.utf8))], options: MeshOptions())
        #expect(findings.filter { $0.severity == .error } == [], sourceLocation: location)
        return translate(resources, options: MeshOptions())
    }

    static func snapshot(_ text: String, revision: UInt64 = 1, _ location: SourceLocation = #_sourceLocation) -> MeshSnapshot {
        MeshSnapshot(state: state(text, location), options: MeshOptions(), revision: revision)
    }

    static func identity(_ account: String, namespace: String = "shop") throws -> SPIFFEID {
        try #require(SPIFFEID(trustDomain: "cluster.local", namespace: namespace, serviceAccount: account))
    }

    /// A captured workload as a worker has it, in the test's own namespace, with listeners on its address.
    static func workload(
        _ name: String, in snapshot: MeshSnapshot, address: IPAddress = .loopbackV4, credential: Credential
    ) throws -> WorkerWorkload {
        let local = try #require(snapshot.local.first { $0.uid.hasSuffix("/shop/\(name)") })
        let plan = EnrolmentPlan(
            uid: local.uid, name: "shop/\(name)", identity: credential.identity, addresses: [address], network: "",
            namespaceName: name, dropsNonTCP: false, keepalive: Keepalive())
        let place = WorkloadPlace(
            namespace: try NetworkNamespace.current(),
            listeners: WorkloadListeners(
                outbound: try listener(address), inbound: try listener(address), hbone: try listener(address)))
        return WorkerWorkload(EnrolledWorkload(plan, at: place), try WorkloadCredential(credential), .none)
    }

    private static func listener(_ address: IPAddress) throws -> Descriptor {
        try Socket.listen(SocketAddress(address, 0), backlog: 64)
    }
}

/// An authority of the tests' own, and what it issues.
struct TestAuthority {
    let root: CertificateAuthority
    let issuing: CertificateAuthority

    /// - Parameter hasIntermediate: or the root signs workloads itself.
    init(now: Int64 = WallTime.now().seconds - 86_400, hasIntermediate: Bool = true) throws {
        root = try CertificateAuthority.createRoot(trustDomain: "cluster.local", now: now)
        issuing = hasIntermediate ? try root.createIntermediate(trustDomain: "cluster.local", now: now) : root
    }

    func credential(_ account: String, now: Int64 = WallTime.now().seconds, lifetime: Int64 = 86_400) throws -> Credential {
        try issuing.credential(for: TestNode.identity(account), now: now, lifetime: lifetime)
    }
}
