// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Mesh
import Testing

/// Meshes from a few lines of YAML.
enum TestMesh {
    static let namespace = """
        apiVersion: v1
        kind: Namespace
        metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
        ---

        """

    /// A captured workload `shop/NAME` on node-1.
    static func workload(_ name: String, _ address: String, more: String = "", spec: String = "") -> String {
        """
        apiVersion: networking.istio.io/v1
        kind: WorkloadEntry
        metadata:
          name: \(name)
          namespace: shop
          labels: {app: \(name.split(separator: "-")[0])}
          annotations: {warren.dev/node: node-1, warren.dev/network-namespace: \(name)\(more)}
        spec: {address: "\(address)", serviceAccount: \(name.split(separator: "-")[0])\(spec)}
        ---

        """
    }

    /// A workload that nobody captures.
    static func plain(_ name: String, _ address: String, spec: String = "", namespace: String = "shop") -> String {
        """
        apiVersion: networking.istio.io/v1
        kind: WorkloadEntry
        metadata: {name: \(name), namespace: \(namespace), labels: {app: \(name.split(separator: "-")[0])}}
        spec: {address: "\(address)"\(spec)}
        ---

        """
    }

    static func service(
        _ name: String, _ address: String, spec: String = "", port: String = "{name: main, port: 80, targetPort: 8080}"
    )
        -> String
    {
        """
        apiVersion: v1
        kind: Service
        metadata: {name: \(name), namespace: shop}
        spec: {clusterIP: "\(address)", selector: {app: \(name)}, ports: [\(port)]\(spec)}
        ---

        """
    }

    static func policy(_ name: String, _ spec: String, namespace: String = "shop") -> String {
        """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: \(name), namespace: \(namespace)}
        spec: \(spec)
        ---

        """
    }

    static func peers(_ name: String, _ spec: String, namespace: String = "shop") -> String {
        """
        apiVersion: security.istio.io/v1
        kind: PeerAuthentication
        metadata: {name: \(name), namespace: \(namespace)}
        spec: \(spec)
        ---

        """
    }

    static func findings(_ text: String, purpose: ResourcePurpose = .apply) -> [Finding] {
        loadResources(files: [(name: "mesh.yaml", text: Array(text.utf8))], purpose: purpose).1
    }

    static func state(_ text: String, options: MeshOptions = MeshOptions(), purpose: ResourcePurpose = .apply) -> MeshState {
        let (resources, findings) = loadResources(
            files: [(name: "mesh.yaml", text: Array(text.utf8))], options: options, purpose: purpose)
        let errors = findings.filter { $0.severity == .error }
        #expect(errors == [], "\(errors)")
        return translate(resources, options: options)
    }

    static func snapshot(_ text: String, options: MeshOptions = MeshOptions(), purpose: ResourcePurpose = .apply) -> MeshSnapshot
    {
        MeshSnapshot(state: state(text, options: options, purpose: purpose), options: options, revision: 1)
    }
}

extension MeshSnapshot {
    func id(_ name: String) throws -> WorkloadID {
        try #require(workload(uid: "Kubernetes/networking.istio.io/WorkloadEntry/shop/\(name)"))
    }

    /// Judges a caller `shop/ACCOUNT`, or one without an identity.
    func judge(
        _ destination: String, from account: String?, namespace: String = "shop", address: String = "10.0.0.9", port: UInt16 = 80
    ) throws -> Verdict {
        let id = try id(destination)
        let source = account.flatMap { SPIFFEID(trustDomain: "cluster.local", namespace: namespace, serviceAccount: $0) }
        return authorize(
            AuthorizationRequest(
                source: source, sourceAddress: try #require(IPAddress(address)),
                destinationAddress: try #require(self[id].workload.addresses.first), destinationPort: port),
            destination: id)
    }
}

/// Repeatable random numbers: a failure shows again with the same seed.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &self) == 0 }

    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[Int.random(in: 0..<elements.count, using: &self)] }
}
