// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Mesh
internal import Store

/// Which workloads of the mesh's hosts have which address: an address that two of them had would be taken for one of them. Follows the cache. On the loop of
/// the API.
final class WorkloadAddresses: StateObserver {
    private var names: [NetworkAddress: [String]] = [:]

    init(state: ControlState) { state.observe(self) }

    func holders(_ place: NetworkAddress) -> [String] { names[place] ?? [] }

    func stateLoaded(_ state: ControlState) {
        names = [:]
        for object in state.cache.objects(Registration.resource) { add(object.text) }
    }

    func stateChanged(_ state: ControlState, _ changes: [StoreChange]) {
        for change in changes where change.key.resource == Registration.resource {
            if let text = change.previous { remove(text) }
            if let text = change.value { add(text) }
        }
    }

    /// The places that a workload has, if some host runs it.
    static func places(of object: Value) -> (workload: String, places: [NetworkAddress])? {
        let registration = Registration(object)
        guard registration.node != nil else { return nil }
        let network = object["spec"]?["network"]?.stringValue ?? ""
        return (
            "\(registration.namespace)/\(registration.name)",
            registration.addresses.map { NetworkAddress(network: network, address: $0) }
        )
    }

    private func add(_ text: [UInt8]) {
        guard let object = ObjectText.content(text), let (workload, places) = Self.places(of: object) else { return }
        for place in places { names[place, default: []].append(workload) }
    }

    private func remove(_ text: [UInt8]) {
        guard let object = ObjectText.content(text), let (workload, places) = Self.places(of: object) else { return }
        for place in places {
            if let index = names[place]?.firstIndex(of: workload) { names[place]?.remove(at: index) }
            if names[place]?.isEmpty == true { names[place] = nil }
        }
    }
}
