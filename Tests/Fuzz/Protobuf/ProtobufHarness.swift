// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel
import Mesh
import Messages
import Wire

/// Messages from the wire: the first byte says which. What was decoded is encoded and decoded again as the same, also by way of JSON, and
/// what makes sense to the mesh becomes a snapshot.
enum ProtobufHarness {
    static func fuzz(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        switch input.choice(8) {
        case 0: check(WorkloadAPI.Address.self, input.rest, checkModel)
        case 1: check(SecurityAPI.Authorization.self, input.rest, checkModel)
        case 2: check(DiscoveryAPI.DeltaResponse.self, input.rest) { Self.checkSnapshot(state(of: $0)) }
        case 3: check(DiscoveryAPI.DeltaRequest.self, input.rest)
        case 4: check(CertificateAPI.Request.self, input.rest)
        case 5: check(CertificateAPI.Response.self, input.rest)
        case 6: check(WorkloadAPI.Workload.self, input.rest)
        default: checkJSON(input.rest)
        }
    }

    /// Whether bytes decode within a small budget: then the whole one does it too.
    private static func check<M: Message>(_ type: M.Type, _ bytes: ArraySlice<UInt8>, _ more: (M) -> Void = { _ in }) {
        guard let message = try? M(decoding: bytes) else {
            invariant((try? M(decoding: bytes, budget: ProtobufBudget(depth: 4, values: 20))) == nil, "a small budget takes more")
            return
        }
        let encoded = message.encoded
        guard let again = try? M(decoding: encoded) else { bug("\(type) that we wrote can't be read") }
        // Texts of bytes, since a NaN within equals nothing.
        invariant(again.encoded == encoded, "\(type) reads otherwise than it was written")
        let json = message.json
        guard let fromJSON = try? M(json: json) else { bug("\(type) can't be read from its JSON: \(json.json)") }
        invariant(fromJSON.json.json == json.json, "\(type) from its JSON is another: \(json.json)")
        invariant((try? JSON.read(json.jsonBytes)) != nil, "JSON of \(type) isn't JSON: \(json.json)")
        more(message)
    }

    private static func checkModel(_ address: WorkloadAPI.Address) {
        if let model = try? address.workload?.model() {
            let message = WorkloadAPI.Workload(model)
            invariant((try? message.model()) == model, "a workload reads otherwise than it was written: \(model)")
            checkSnapshot(MeshState(workloads: [model]))
        }
        if let model = try? address.service?.model() {
            let message = WorkloadAPI.Service(model)
            invariant((try? message.model()) == model, "a service reads otherwise than it was written: \(model)")
        }
    }

    private static func checkModel(_ authorization: SecurityAPI.Authorization) {
        guard let model = try? authorization.model() else { return }
        if !model.groups.contains(where: { $0.rules.contains { $0.matches.contains(where: \.isPartlyUnknown) } }) {
            let message = SecurityAPI.Authorization(model)
            invariant((try? message.model()) == model, "a policy reads otherwise than it was written: \(model)")
        }
        checkSnapshot(MeshState(authorizations: [model]))
    }

    /// What a push of resources means, those that make no sense left out.
    private static func state(of response: DiscoveryAPI.DeltaResponse) -> MeshState {
        var state = MeshState()
        for resource in response.resources {
            guard let any = resource.resource else { continue }
            if let address = try? WorkloadAPI.Address(decoding: any.value) {
                if let workload = try? address.workload?.model() { state.workloads.append(workload) }
                if let service = try? address.service?.model() { state.services.append(service) }
            }
            if let policy = try? SecurityAPI.Authorization(decoding: any.value).model() { state.authorizations.append(policy) }
        }
        return state
    }

    private static func checkSnapshot(_ state: MeshState) {
        SnapshotProperties(MeshSnapshot(state: state, options: MeshOptions(), revision: 1)).check()
    }

    /// The way back from JSON, which `warren` reads.
    private static func checkJSON(_ bytes: ArraySlice<UInt8>) {
        guard let json = try? JSON.read(Array(bytes)) else { return }
        if let address = try? WorkloadAPI.Address(json: json) { _ = address.encoded }
        if let policy = try? SecurityAPI.Authorization(json: json) { _ = policy.encoded }
        if let request = try? DiscoveryAPI.DeltaRequest(json: json) { _ = request.encoded }
    }
}
