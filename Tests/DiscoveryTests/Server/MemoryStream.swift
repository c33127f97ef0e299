// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel
import Loop
import Mesh
import Messages
import Transport

@testable import Discovery

/// The server's end of a call that exists in memory alone: what the server sends is kept for the test, which plays the client.
final class MemoryStream: GRPCStream {
    weak var delegate: (any GRPCStreamDelegate)?
    private(set) var sent: [[UInt8]] = []
    private(set) var status: GRPCStatus?
    private var waiting: [[UInt8]] = []
    private var isReady = false
    /// A client that doesn't read: what is sent stays queued.
    var isStuck = false
    private(set) var queued = 0

    func send(_ message: [UInt8]) {
        guard status == nil else { return }
        sent.append(message)
        if isStuck { queued += message.count }
    }

    func take() {
        isReady = true
        deliver()
    }

    func finish(_ status: GRPCStatus) { self.status = self.status ?? status }
    func cancel() { status = status ?? GRPCStatus(.cancelled) }

    /// What the client sends.
    func receive(_ message: [UInt8]) {
        waiting.append(message)
        deliver()
    }

    private func deliver() {
        while isReady, status == nil, !waiting.isEmpty {
            isReady = false
            delegate?.messageReceived(waiting.removeFirst(), on: self)
        }
    }

    func clientGoes() { delegate?.ended(GRPCStatus(.cancelled), on: self) }

    func unstick() {
        isStuck = false
        queued = 0
        delegate?.drained(self)
    }

    func takeSent() -> [[UInt8]] {
        defer { sent = [] }
        return sent
    }
}

/// A client of the tests: holds what it is told, and answers when it is asked to.
final class TestClient {
    let stream = MemoryStream()
    private(set) var held: [ResourceType: [String: String]] = [:]
    private(set) var contents: [String: [UInt8]] = [:]
    /// In the order in which they came: `+name`, `-name`.
    private(set) var story: [String] = []
    private(set) var responses: [DiscoveryAPI.DeltaResponse] = []
    private(set) var pending: [DiscoveryAPI.DeltaResponse] = []
    var answers = true
    /// Says no to everything, with these words.
    var error: String?

    init() {}

    func subscribe(
        _ type: ResourceType, names: [String] = [], not: [String] = [], held: [String: String] = [:], node: String = "n1"
    ) {
        var request = DiscoveryAPI.DeltaRequest()
        var asking = DiscoveryAPI.Node()
        asking.id = node
        request.node = asking
        request.typeURL = type.rawValue
        request.resourceNamesSubscribe = names
        request.resourceNamesUnsubscribe = not
        request.initialResourceVersions = held
        stream.receive(request.encoded)
    }

    func subscribeToAll(held: [ResourceType: [String: String]] = [:]) {
        for type in [ResourceType.address, .authorization, .local, .eviction] { subscribe(type, held: held[type] ?? [:]) }
    }

    /// Reads what came. True if there was something.
    @discardableResult
    func read() -> Bool {
        let messages = stream.takeSent()
        for message in messages {
            guard let response = try? DiscoveryAPI.DeltaResponse(decoding: message) else { continue }
            responses.append(response)
            note(response)
            if answers { answer(response) } else { pending.append(response) }
        }
        return !messages.isEmpty
    }

    private func note(_ response: DiscoveryAPI.DeltaResponse) {
        guard let type = ResourceType(rawValue: response.typeURL) else { return }
        for resource in response.resources {
            held[type, default: [:]][resource.name] = resource.version
            contents[resource.name] = resource.resource?.value
            story.append("+\(resource.name)")
        }
        for name in response.removedResources {
            held[type, default: [:]][name] = nil
            contents[name] = nil
            story.append("-\(name)")
        }
    }

    func answer(_ response: DiscoveryAPI.DeltaResponse) {
        var request = DiscoveryAPI.DeltaRequest()
        request.typeURL = response.typeURL
        request.responseNonce = response.nonce
        if let error {
            var detail = DiscoveryAPI.Status()
            detail.code = 3
            detail.message = error
            request.errorDetail = detail
        }
        stream.receive(request.encoded)
    }

    func answerPending() {
        let all = pending
        pending = []
        for response in all { answer(response) }
    }

    func takeStory() -> [String] {
        defer { story = [] }
        return story
    }
}

/// A server on a loop, and the words to drive both.
final class ServerBench {
    let loop: Loop
    let server: DiscoveryServer
    var clients: [TestClient] = []

    init(bounds: DiscoveryServer.Bounds = .init(), loaded: Bool = true) throws {
        loop = try Loop()
        server = DiscoveryServer(loop: loop, identity: "store-1", bounds: bounds)
        if loaded { server.loaded() }
    }

    func client(node: String = "n1", all: Bool = true, held: [ResourceType: [String: String]] = [:]) -> TestClient {
        let client = TestClient()
        clients.append(client)
        server.attach(client.stream, node: node)
        if all { client.subscribeToAll(held: held) }
        return client
    }

    /// Turns until nobody has said anything for a while: in time, which the server's timers count, and in turns, since others use the machine too.
    func settle(_ quiet: Interval = .milliseconds(60)) {
        var last = Instant.now()
        var turns = 0
        while Instant.now().since(last) < quiet || turns < 24 {
            loop.turn(wait: .milliseconds(4))
            turns += 1
            for client in clients where client.read() { (last, turns) = (.now(), 0) }
        }
    }

    var revision: UInt64 = 0

    func apply(_ changed: [EncodedResource], removed: [RemovedResource] = []) {
        revision += 1
        server.apply(ResourceBatch(revision: revision, changed: changed, removed: removed))
    }
}

enum Make {
    static func workload(
        _ name: String, address: String = "", policies: [String] = [], services: [String] = [], node: String = ""
    )
        -> EncodedResource
    {
        var workload = Workload()
        workload.uid = "w/\(name)"
        workload.name = name
        workload.namespace = "shop"
        workload.addresses = [ipAddress(address)].compactMap { $0 }
        workload.authorizationPolicies = policies
        workload.services = services.map { ServiceMembership(service: $0, ports: []) }
        workload.node = node
        return EncodedResource(workload)
    }

    static func service(_ name: String, address: String = "") -> EncodedResource {
        var service = Service()
        service.name = name
        service.namespace = "shop"
        service.hostname = "\(name).shop"
        service.addresses = [ipAddress(address)].compactMap { $0 }.map { NetworkAddress(network: "", address: $0) }
        return EncodedResource(service)
    }

    static func policy(_ name: String, port: UInt16 = 80) -> EncodedResource {
        var policy = Authorization()
        policy.name = name
        policy.namespace = "shop"
        var match = Authorization.Match()
        match.destinationPorts = [port]
        policy.groups = [.init(rules: [.init(matches: [match])])]
        return EncodedResource(policy)
    }

    static func local(_ name: String, node: String, captured: Bool = true) -> EncodedResource {
        EncodedResource(LocalWorkload(uid: "w/\(name)", node: node, networkNamespace: name, captured: captured, nonTCP: nil))
    }
}
