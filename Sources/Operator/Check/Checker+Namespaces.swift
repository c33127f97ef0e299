// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Kernel
internal import Mesh

/// The network namespaces of this host's workloads, held against what the mesh says of them.
extension Checker {
    mutating func checkNamespaces() {
        guard let resources else { return }
        let mine = resources.local.filter { $0.node == configuration.node }
        guard !mine.isEmpty else {
            let nodes = Set(resources.local.map(\.node)).sorted()
            return warn(
                "workloads", "no workload of the mesh is on this host, which is called \(configuration.node)",
                remedy: nodes.isEmpty
                    ? "Give WorkloadEntries the annotation warren.dev/node: \(configuration.node)."
                    : "The mesh knows the hosts \(nodes.prefix(5).joined(separator: ", ")): set `node`, or the annotation"
                        + " warren.dev/node."
            )
        }
        let services = serviceAddresses(resources)
        for local in mine where local.captured {
            guard let workload = resources.workloads.first(where: { $0.uid == local.uid }), let name = local.networkNamespace
            else {
                continue
            }
            check(workload, in: name, services)
        }
        let waiting = mine.count { !$0.captured }
        if waiting > 0 {
            ok(
                "workloads",
                "\(HumanText.count(waiting, "workload")) of this host \(waiting == 1 ? "isn't" : "aren't") labelled for the mesh")
        }
    }

    private mutating func check(_ workload: Workload, in name: String, _ services: [IPAddress]) {
        let title = "workload \(workload.displayName)"
        let facts: NamespaceFacts
        switch host.namespace(name, services) {
        case .success(let found): facts = found
        case .failure(let failure): return report(failure, title, name)
        }
        let missing = workload.addresses.filter { !facts.addresses.contains($0) }
        guard missing.isEmpty else {
            let there = facts.addresses.filter { !$0.isLoopback && !$0.isLinkLocal }.map(\.description).joined(separator: ", ")
            return fail(
                title,
                "\(missing.map(\.description).joined(separator: ", ")) isn't an address in the network namespace \(name),"
                    + " which has \(there.isEmpty ? "none" : there)",
                remedy: "Correct the WorkloadEntry's address or its annotation warren.dev/network-namespace.")
        }
        let unreachable = facts.unreachable.filter { address in workload.addresses.contains { $0.family == address.family } }
        guard let first = unreachable.first else { return ok(title, "its network namespace \(name) is as the mesh says") }
        let device = facts.devices.first ?? "DEVICE"
        let family = first.family == .v6 ? "-6 " : ""
        warn(
            title,
            "the network namespace \(name) has no route to the service address \(first): connecting fails before anything"
                + " is captured",
            remedy: "ip \(family)-n \(name) route add \(first)/\(first.bitCount) dev \(device)")
    }

    private mutating func report(_ failure: Errno, _ title: String, _ name: String) {
        switch failure {
        case .noSuchFile:
            fail(
                title, "there is no network namespace \(name) in /run/netns",
                remedy: "Make it (ip netns add \(name)), or correct the annotation warren.dev/network-namespace.")
        case .exists:
            fail(
                title, "\(name) is the host's own network namespace, which is never captured",
                remedy: "Give the workload a network namespace of its own.")
        case .invalidArgument:
            fail(title, "/run/netns/\(name) is no network namespace", remedy: "Remove it and make it anew: ip netns add \(name).")
        case .notPermitted, .accessDenied:
            skip(title, "only root can look into the network namespace \(name)", remedy: "Run `sudo warren check`.")
        default:
            fail(title, "the network namespace \(name) can't be looked at: \(failure)", remedy: "Look at /run/netns/\(name).")
        }
    }

    /// One address per service and family is enough to find a missing route.
    private func serviceAddresses(_ state: MeshState) -> [IPAddress] {
        let addresses = state.services.flatMap(\.addresses).filter { $0.network == configuration.mesh.network }.map(\.address)
        return Array(addresses.prefix(1000))
    }
}
