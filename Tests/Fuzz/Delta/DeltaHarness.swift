// SPDX-License-Identifier: Apache-2.0

import Discovery
import Kernel
import Loop
import Mesh
import Messages
import Transport

/// The server of delta discovery against a client that does as the input says, beside one that does right. Whatever the first does, it has one push
/// per type in flight; the second holds what there is in the end, and was never told of a workload before the policy that it names.
enum DeltaHarness {
    static func fuzz(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        guard let conversation = try? DeltaConversation() else { return }
        for _ in 0..<64 where !input.isEmpty { conversation.step(&input) }
        conversation.end()
    }
}

/// A call in memory.
private final class FuzzedCall: GRPCStream {
    weak var delegate: (any GRPCStreamDelegate)?
    private(set) var inbox: [DiscoveryAPI.DeltaResponse] = []
    private(set) var held: [String: [String: String]] = [:]
    private(set) var isOver = false
    var isStuck = false
    private(set) var queued = 0
    private var wantsMore = false

    func send(_ message: [UInt8]) {
        guard !isOver else { return }
        invariant(message.count <= 200 << 10, "a response of \(message.count) bytes")
        guard let response = try? DiscoveryAPI.DeltaResponse(decoding: message) else { bug("a response can't be read") }
        if isStuck { queued += message.count }
        inbox.append(response)
        var names = held[response.typeURL] ?? [:]
        for resource in response.resources {
            checkPolicies(resource)
            names[resource.name] = resource.version
        }
        for name in response.removedResources { names[name] = nil }
        held[response.typeURL] = names
    }

    /// A workload of the conversation names the policy of its own number.
    private func checkPolicies(_ resource: DiscoveryAPI.Resource) {
        guard followsPolicies, let any = resource.resource, let address = try? WorkloadAPI.Address(decoding: any.value) else {
            return
        }
        for policy in address.workload?.authorizationPolicies ?? [] {
            invariant(held[ResourceType.authorization.rawValue]?[policy] != nil, "\(resource.name) came before \(policy)")
        }
    }

    var followsPolicies = false

    func take() { wantsMore = true }
    func finish(_ status: GRPCStatus) { isOver = true }
    func cancel() { isOver = true }

    func receive(_ message: [UInt8]) {
        guard !isOver, wantsMore else { return }
        wantsMore = false
        delegate?.messageReceived(message, on: self)
    }

    func takeInbox() -> [DiscoveryAPI.DeltaResponse] {
        defer { inbox = [] }
        return inbox
    }

    func unstick() {
        isStuck = false
        queued = 0
        delegate?.drained(self)
    }

    func leave() {
        guard !isOver else { return }
        isOver = true
        delegate?.ended(GRPCStatus(.cancelled), on: self)
    }
}

/// A server, a good client and one that isn't.
private final class DeltaConversation {
    private let loop: Loop
    private let server: DiscoveryServer
    private let good = FuzzedCall()
    private var odd = FuzzedCall()
    private var revision: UInt64 = 0
    /// What stands: the version counts up.
    private var policies: Set<Int> = []
    private var workloads: Set<Int> = []

    init() throws(Errno) {
        loop = try Loop()
        var bounds = DiscoveryServer.Bounds()
        (bounds.settle, bounds.longestSettle, bounds.policyWait) = (.zero, .zero, .zero)
        server = DiscoveryServer(loop: loop, identity: "fuzz", bounds: bounds)
        server.loaded()
        good.followsPolicies = true
        server.attach(good, node: "good")
        for type in [ResourceType.authorization, .address, .local] { good.receive(Self.request(type)) }
        server.attach(odd, node: "odd")
    }

    private static func request(_ type: ResourceType, nonce: String = "", error: String? = nil) -> [UInt8] {
        var request = DiscoveryAPI.DeltaRequest()
        request.typeURL = type.rawValue
        request.responseNonce = nonce
        if let error {
            var detail = DiscoveryAPI.Status()
            detail.message = error
            request.errorDetail = detail
        }
        return request.encoded
    }

    func step(_ input: inout FuzzInput) {
        switch input.choice(8) {
        case 0: odd.receive(input.take(input.choice(64)))
        case 1: odd.receive(ask(&input))
        case 2: change(&input)
        case 3: answer(&input)
        case 4: odd.isStuck.toggle()
        case 5: odd.unstick()
        case 6:
            odd.leave()
            odd = FuzzedCall()
            server.attach(odd, node: "odd")
        default: break
        }
        loop.turn(wait: .zero)
        answerGood()
        let unanswered = Dictionary(grouping: odd.inbox, by: \.typeURL).filter { ResourceType(rawValue: $0.key) != nil }
        invariant(unanswered.allSatisfy { $0.value.count <= 64 }, "more in flight than was answered")
        _ = server.status()
    }

    private func ask(_ input: inout FuzzInput) -> [UInt8] {
        var request = DiscoveryAPI.DeltaRequest()
        request.typeURL = ResourceType.allCases[input.choice(4)].rawValue
        let names = ["*", "w/1", "w/2", "/10.0.0.1", "shop/p1", "shop/s.shop", "nobody"]
        for _ in 0..<input.choice(4) { request.resourceNamesSubscribe.append(names[input.choice(names.count)]) }
        for _ in 0..<input.choice(4) { request.resourceNamesUnsubscribe.append(names[input.choice(names.count)]) }
        for _ in 0..<input.choice(4) { request.initialResourceVersions[names[input.choice(names.count)]] = "\(input.choice(4))" }
        return request.encoded
    }

    private func change(_ input: inout FuzzInput) {
        revision += 1
        var batch = ResourceBatch(revision: revision)
        for _ in 0..<input.choice(6) {
            let number = input.choice(8)
            if input.choice(3) == 0 {
                if workloads.remove(number) != nil { batch.removed.append(RemovedResource(.address, "w/\(number)")) }
                if policies.remove(number) != nil { batch.removed.append(RemovedResource(.authorization, "shop/p\(number)")) }
                batch.changed.removeAll { $0.name == "w/\(number)" || $0.name == "shop/p\(number)" }
            } else {
                batch.removed.removeAll { $0.name == "w/\(number)" || $0.name == "shop/p\(number)" }
                batch.changed.removeAll { $0.name == "w/\(number)" || $0.name == "shop/p\(number)" }
                policies.insert(number)
                workloads.insert(number)
                batch.changed += [workload(number, UInt32(input.choice(4))), policy(number, UInt16(input.choice(4)))]
            }
        }
        server.apply(batch)
    }

    private func workload(_ number: Int, _ capacity: UInt32) -> EncodedResource {
        var workload = Workload()
        workload.uid = "w/\(number)"
        workload.authorizationPolicies = ["shop/p\(number)"]
        workload.services = [ServiceMembership(service: "shop/s.shop", ports: [])]
        workload.capacity = capacity
        workload.node = number == 3 ? "odd" : ""
        return EncodedResource(workload)
    }

    private func policy(_ number: Int, _ port: UInt16) -> EncodedResource {
        var policy = Authorization()
        (policy.namespace, policy.name) = ("shop", "p\(number)")
        var match = Authorization.Match()
        match.destinationPorts = [port]
        policy.groups = [.init(rules: [.init(matches: [match])])]
        return EncodedResource(policy)
    }

    private func answer(_ input: inout FuzzInput) {
        let how = input.choice(3)
        for response in odd.takeInbox() {
            guard let type = ResourceType(rawValue: response.typeURL) else { continue }
            let error = how == 1 ? response.resources.first.map { "\($0.name): no" } ?? "no" : nil
            odd.receive(Self.request(type, nonce: how == 2 ? "stale" : response.nonce, error: error))
        }
    }

    private func answerGood() {
        for response in good.takeInbox() {
            if let type = ResourceType(rawValue: response.typeURL) { good.receive(Self.request(type, nonce: response.nonce)) }
        }
    }

    /// In the end the good client has been told everything, whatever the other one did.
    func end() {
        for _ in 0..<64 {
            loop.turn(wait: .zero)
            answerGood()
        }
        invariant(!good.isOver, "the good client's call was ended")
        let addresses = good.held[ResourceType.address.rawValue] ?? [:]
        invariant(Set(addresses.keys) == Set(workloads.map { "w/\($0)" }), "the good client holds \(addresses) of \(workloads)")
        let authorizations = good.held[ResourceType.authorization.rawValue] ?? [:]
        invariant(Set(authorizations.keys) == Set(policies.map { "shop/p\($0)" }), "the good client holds \(authorizations)")
        invariant(server.status(of: "good")?.isSynchronised == true, "the good client isn't synchronised")
        odd.leave()
        good.leave()
        invariant(server.connectedNodes == 0, "somebody is still connected")
    }
}
