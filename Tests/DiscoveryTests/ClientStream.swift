// SPDX-License-Identifier: Apache-2.0

import Messages
import Testing
import Transport
import Wire

@testable import Discovery

/// A call as its client sees it, with the test at the other end.
final class ClientStream: GRPCStream {
    var delegate: (any GRPCStreamDelegate)?
    private(set) var sent: [DiscoveryAPI.DeltaRequest] = []
    private(set) var taken = 0
    private(set) var isCancelled = false
    var queued: Int { 0 }

    func send(_ message: [UInt8]) {
        do { sent.append(try DiscoveryAPI.DeltaRequest(decoding: message)) } catch { Issue.record("no request: \(error)") }
    }

    func take() { taken += 1 }
    func finish(_ status: GRPCStatus) {}
    func cancel() { isCancelled = true }

    func receive(_ message: [UInt8]) { delegate?.messageReceived(message, on: self) }
    func end(_ status: GRPCStatus) { delegate?.ended(status, on: self) }
}

/// Keeps what a client receives, at once or when it is told to.
final class ClientKeeper: DeltaClientDelegate {
    var held = HeldResources()
    var content: [ResourceType: [String: MeshResource]] = [:]
    var isSlow = false
    private(set) var waiting: [() -> Void] = []
    private(set) var synchronisations = 0
    private(set) var ends: [GRPCStatus] = []

    func received(_ message: [UInt8], done: @escaping (PushOutcome) -> Void) {
        let work = { done(self.keep(message)) }
        if isSlow { waiting.append(work) } else { work() }
    }

    func synchronised() { synchronisations += 1 }
    func ended(_ status: GRPCStatus) { ends.append(status) }

    func catchUp() {
        let work = waiting
        waiting = []
        for piece in work { piece() }
    }

    private func keep(_ message: [UInt8]) -> PushOutcome {
        guard var push = try? DecodedPush(message) else {
            return PushOutcome(typeURL: "", nonce: "", rejection: "no response", isFatal: true)
        }
        held.apply(&push)
        if let type = push.type {
            for resource in push.resources { content[type, default: [:]][resource.name] = resource.content }
            for name in push.removed { content[type]?[name] = nil }
        }
        return push.outcome
    }
}

/// Responses, as a control plane writes them.
enum Responses {
    static func response(
        _ type: ResourceType, nonce: String = "1", _ resources: [DiscoveryAPI.Resource], removed: [String] = [],
        version: String = ""
    ) -> [UInt8] {
        var response = DiscoveryAPI.DeltaResponse()
        response.typeURL = type.rawValue
        response.nonce = nonce
        response.resources = resources
        response.removedResources = removed
        response.systemVersionInfo = version
        return response.encoded
    }

    static func workload(_ name: String, version: String = "v1", _ change: (inout WorkloadAPI.Workload) -> Void = { _ in })
        -> DiscoveryAPI.Resource
    {
        var workload = WorkloadAPI.Workload()
        workload.uid = name
        workload.name = name
        workload.namespace = "shop"
        change(&workload)
        var address = WorkloadAPI.Address()
        address.workload = workload
        return resource(.address, name, version, address.encoded)
    }

    static func policy(_ name: String, version: String = "") -> DiscoveryAPI.Resource {
        var policy = SecurityAPI.Authorization()
        policy.name = name
        policy.namespace = "shop"
        return resource(.authorization, "shop/\(name)", version, policy.encoded)
    }

    static func local(_ uid: String, namespace: String) -> DiscoveryAPI.Resource {
        var local = LocalAPI.LocalWorkload()
        local.uid = uid
        local.node = "node-1"
        local.networkNamespace = namespace
        local.captured = true
        return resource(.local, uid, "1", local.encoded)
    }

    static func resource(_ type: ResourceType, _ name: String, _ version: String, _ content: [UInt8]) -> DiscoveryAPI.Resource {
        var wrapped = AnyMessage()
        wrapped.typeURL = type.rawValue
        wrapped.value = content
        var resource = DiscoveryAPI.Resource()
        resource.name = name
        resource.version = version
        resource.resource = wrapped
        return resource
    }
}
