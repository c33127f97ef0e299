// SPDX-License-Identifier: Apache-2.0

package import Documents
package import Mesh

/// What hosts are told, as `warren translate -o json` shows it: the resources of both types by name, each with a version that is a hash of
/// its content. A list without resources is null.
package func translateDocument(_ state: MeshState) -> Value {
    let workloads = state.workloads.map { workload in
        var address = WorkloadAPI.Address()
        address.workload = WorkloadAPI.Workload(workload)
        return (workload.uid, address)
    }
    let services = state.services.map { service in
        var address = WorkloadAPI.Address()
        address.service = WorkloadAPI.Service(service)
        return (service.key, address)
    }
    let policies = state.authorizations.map { ($0.key, SecurityAPI.Authorization($0)) }
    return .object([("addresses", list(workloads + services)), ("authorizations", list(policies))])
}

private func list(_ resources: [(name: String, message: some Message)]) -> Value {
    guard !resources.isEmpty else { return .null }
    return .array(
        resources.sorted { $0.name < $1.name }.map { name, message in
            .object([("name", .string(name)), ("resource", message.json), ("version", .string(version(message.encoded)))])
        })
}

/// FNV-1a, 64 bits: equal content has equal versions, and nobody has to trust it.
private func version(_ bytes: [UInt8]) -> String {
    let hash = bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    return String(hash, radix: 16)
}
