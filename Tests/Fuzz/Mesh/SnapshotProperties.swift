// SPDX-License-Identifier: Apache-2.0

import Bytes
import Kernel
import Mesh

/// What holds of every snapshot, however it came about. Looks at the first few of everything, so that an input stays cheap.
struct SnapshotProperties {
    private let snapshot: MeshSnapshot
    private static let most = 6
    private static let ports: [UInt16] = [80, 443, 5432, 8080]

    init(_ snapshot: MeshSnapshot) { self.snapshot = snapshot }

    func check() {
        var destinations = [SocketAddress(.loopbackV4, 80)]
        for workload in snapshot.workloads.prefix(Self.most) {
            invariant(snapshot.workload(uid: workload.workload.uid) == workload.id, "a workload isn't found by its uid")
            for address in workload.workload.addresses.prefix(2) { destinations += Self.ports.map { SocketAddress(address, $0) } }
        }
        for service in snapshot.services.prefix(Self.most) {
            invariant(snapshot.service(key: service.service.key) == service.id, "a service isn't found by its key")
            for address in service.service.addresses.prefix(2) {
                destinations += (service.service.ports.map(\.servicePort) + [80]).prefix(4).map {
                    SocketAddress(address.address, $0)
                }
            }
        }
        for source in [nil] + snapshot.workloads.prefix(2).map(\.id) {
            for destination in destinations { check(destination, from: source) }
        }
        for workload in snapshot.workloads.prefix(Self.most) { judge(workload) }
    }

    /// I01: whoever speaks HBONE is never dialled in plain; and a tunnel knows whom it expects (I08).
    private func check(_ destination: SocketAddress, from source: WorkloadID?) {
        var random = SplitMix(seed: 1)
        let network = source.map { snapshot[$0].workload.network } ?? snapshot.options.network
        switch snapshot.route(to: destination, from: source, random: &random) {
        case .tunnel(let workload, _, _, let identities):
            invariant(!identities.isEmpty, "a tunnel that expects nobody")
            invariant(snapshot[workload].workload.tunnelProtocol == .hbone, "a tunnel to who speaks none")
        case .plain(let address, _, _), .passthrough(let address):
            let speaks = snapshot.workloads.contains { entry in
                entry.workload.tunnelProtocol == .hbone && entry.workload.networkMode == .standard
                    && entry.workload.network == network && entry.workload.addresses.contains(address.ip)
            }
            invariant(!speaks, "I01: \(address) speaks HBONE and would be dialled in plain")
        case .refused(let refusal):
            invariant(!refusal.reason.isEmpty, "a refusal without a reason")
        }
    }

    /// I16: with ALLOW policies in force nobody is allowed by accident, and a policy that isn't known closes.
    private func judge(_ workload: MeshWorkload) {
        let source = SPIFFEID(trustDomain: "cluster.local", namespace: "shop", serviceAccount: "web")
        for caller in [source, nil] {
            for port in Self.ports {
                let address = workload.workload.addresses.first ?? .loopbackV4
                let verdict = snapshot.authorize(
                    AuthorizationRequest(
                        source: caller, sourceAddress: .loopbackV6, destinationAddress: address, destinationPort: port),
                    destination: workload.id)
                check(verdict, workload)
            }
        }
    }

    private func check(_ verdict: Verdict, _ workload: MeshWorkload) {
        invariant(!verdict.reason.isEmpty, "a verdict without a reason")
        guard case .allowed(let rule) = verdict else { return }
        let known = Set(snapshot.policies.map(\.key))
        for name in workload.workload.authorizationPolicies {
            invariant(known.contains(name), "I16: allowed although the policy \(name) isn't known")
        }
        let allows = snapshot.policies(applyingTo: workload.id).contains { $0.authorization.action == .allow }
        invariant(rule != nil || !allows, "I16: allowed by nothing although ALLOW policies apply")
    }
}
