// SPDX-License-Identifier: Apache-2.0

import Discovery
import Documents
import Kernel
import Loop
import Mesh
import Messages
import Store
import Support
import Testing
import Transport

@testable import ControlPlane

/// A store, the state, publishing and discovery together, and hosts that exist in memory alone.
final class PublishingBench: DiscoveryObserver {
    let folder: String
    let store: any Store
    private(set) var loop: Loop
    private(set) var state: ControlState
    private(set) var server: DiscoveryServer
    private(set) var publishing: Publishing
    private(set) var reports: NodeReports
    var hosts: [HostCall] = []
    private(set) var acknowledged: UInt64 = 0
    /// The state of before a restart: its thread may have something to say still.
    private var retired: [ControlState] = []

    /// - Parameter standing: what the store holds before anybody reads it, as transactions.
    convenience init(standing: [StoreTransaction] = []) throws {
        let folder = try Files.makeTemporaryFolder()
        let store = try SQLiteStore(path: "\(folder)/control.db")
        for transaction in standing { _ = try store.commit(transaction) }
        try self.init(store, folder: folder)
    }

    /// Over a store that others may have too. - Parameter folder: goes with it.
    init(_ store: any Store, folder: String = "") throws {
        self.folder = folder
        self.store = store
        loop = try Loop()
        state = try ControlState(store: store, loop: loop)
        server = DiscoveryServer(loop: loop, identity: store.identity)
        publishing = try Publishing(loop: loop, server: server, options: MeshOptions())
        reports = NodeReports(state: state, server: server, publishing: publishing)
        state.observe(publishing)
        server.observer = self
    }

    deinit { if !folder.isEmpty { Files.remove(folder) } }

    /// A control plane that begins with what the store holds.
    func restart() throws {
        hosts = []
        retired.append(state)
        state = try ControlState(store: store, loop: loop)
        server = DiscoveryServer(loop: loop, identity: store.identity)
        publishing = try Publishing(loop: loop, server: server, options: MeshOptions())
        reports = NodeReports(state: state, server: server, publishing: publishing)
        state.observe(publishing)
        server.observer = self
        try load()
    }

    func load() throws { try run("loading") { publishing.isLoaded } }

    func run(_ what: String, until isDone: () -> Bool) throws {
        let end = Instant.now() + .seconds(20)
        while !isDone() {
            try #require(Instant.now() < end, "\(what) took too long")
            loop.turn(wait: .milliseconds(10))
            for host in hosts { host.answer() }
        }
    }

    /// Commits objects by their place, and waits until all hosts have acknowledged that.
    @discardableResult
    func write(_ objects: [(StoreKey, String?)]) throws -> UInt64 {
        var revision: UInt64?
        let writes = objects.map { key, text in
            text.map { StoreTransaction.Write.put(key, Array($0.utf8)) } ?? .delete(key)
        }
        state.commit(StoreTransaction(writes: writes)) { revision = try? $0.get() }
        try run("the commit") { revision != nil }
        let wanted = revision ?? 0
        try run("publishing") { server.revision >= wanted && server.acknowledgement(ofRevision: wanted).isComplete }
        return wanted
    }

    func host(_ node: String) -> HostCall {
        let host = HostCall()
        hosts.append(host)
        server.attach(host, node: node)
        host.subscribe()
        return host
    }

    func report(_ node: String, _ workloads: [(String, String)]) -> FakeExchange {
        let list = workloads.map { #"{"uid":"\#($0)","state":"\#($1)","reason":""}"# }.joined(separator: ",")
        let exchange = FakeExchange(
            "POST", "/warren/v1/report",
            body: #"{"version":"1.2.3","workloads":[\#(list)],"mesh":{"revision":"x/1","synced":true}}"#)
        reports.handle(exchange, node: node)
        return exchange
    }

    func connected(node: String) {}
    func disconnected(node: String) {}
    func refused(node: String, type: ResourceType, error: String) {}
    func asked(node: String, unknownType: String) {}
    func acknowledged(revision: UInt64) { acknowledged = revision }
}

/// A host's call: takes everything, acknowledges everything.
final class HostCall: GRPCStream {
    weak var delegate: (any GRPCStreamDelegate)?
    private(set) var addresses: [String: WorkloadAPI.Address] = [:]
    private(set) var policies: [String: SecurityAPI.Authorization] = [:]
    private(set) var local: [String: LocalAPI.LocalWorkload] = [:]
    /// Names of hosts, by what their certificates carry.
    private(set) var evictions: [String: String] = [:]
    private(set) var versions: [String] = []
    private(set) var received = 0
    private var inbox: [[UInt8]] = []
    /// What it says to a response that brings this resource, instead of taking it.
    var refusal: (name: String, error: String)?
    let queued = 0

    func send(_ message: [UInt8]) { inbox.append(message) }
    func take() {}
    func finish(_ status: GRPCStatus) {}
    func cancel() {}

    func subscribe() {
        for type in [ResourceType.address, .authorization, .local, .eviction] {
            var request = DiscoveryAPI.DeltaRequest()
            request.typeURL = type.rawValue
            delegate?.messageReceived(request.encoded, on: self)
        }
    }

    func answer() {
        let all = inbox
        inbox = []
        for message in all {
            guard let response = try? DiscoveryAPI.DeltaResponse(decoding: message) else { continue }
            versions.append(response.systemVersionInfo)
            let refusal = response.resources.contains { $0.name == self.refusal?.name } ? self.refusal : nil
            if refusal == nil { note(response) }
            var request = DiscoveryAPI.DeltaRequest()
            request.typeURL = response.typeURL
            request.responseNonce = response.nonce
            if let refusal {
                var status = DiscoveryAPI.Status()
                (status.code, status.message) = (3, "\(refusal.name): \(refusal.error)")
                request.errorDetail = status
            }
            delegate?.messageReceived(request.encoded, on: self)
        }
    }

    private func note(_ response: DiscoveryAPI.DeltaResponse) {
        received += response.resources.count
        for resource in response.resources {
            let bytes = resource.resource?.value ?? []
            switch ResourceType(rawValue: response.typeURL) {
            case .address: addresses[resource.name] = try? WorkloadAPI.Address(decoding: bytes)
            case .authorization: policies[resource.name] = try? SecurityAPI.Authorization(decoding: bytes)
            case .local: local[resource.name] = try? LocalAPI.LocalWorkload(decoding: bytes)
            case .eviction: evictions[resource.name] = (try? EvictionAPI.Eviction(decoding: bytes))?.node
            case nil: break
            }
        }
        for name in response.removedResources {
            switch ResourceType(rawValue: response.typeURL) {
            case .address: addresses[name] = nil
            case .authorization: policies[name] = nil
            case .local: local[name] = nil
            case .eviction: evictions[name] = nil
            case nil: break
            }
        }
    }

    func workload(_ name: String) -> WorkloadAPI.Workload? { addresses[uid(name)]?.workload }
}

func uid(_ name: String) -> String { "Kubernetes/networking.istio.io/WorkloadEntry/shop/\(name)" }

/// Objects as the store holds them.
enum Stored {
    static func namespace(_ name: String, ambient: Bool = true) -> (StoreKey, String?) {
        let labels = ambient ? #""istio.io/dataplane-mode":"ambient""# : ""
        return (
            StoreKey("namespaces", name),
            #"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"\#(name)","labels":{\#(labels)}}}"#
        )
    }

    static func entry(_ name: String, node: String, address: String = "10.0.0.1", app: String = "db") -> (StoreKey, String?) {
        (
            StoreKey("workloadentries.networking.istio.io", namespace: "shop", name),
            """
            {"apiVersion":"networking.istio.io/v1","kind":"WorkloadEntry","metadata":{"name":"\(name)","namespace":"shop",\
            "labels":{"app":"\(app)"},"annotations":{"warren.dev/node":"\(node)","warren.dev/network-namespace":"\(name)"}},\
            "spec":{"address":"\(address)"}}
            """
        )
    }

    static func service(_ name: String, app: String = "db") -> (StoreKey, String?) {
        (
            StoreKey("services", namespace: "shop", name),
            """
            {"apiVersion":"v1","kind":"Service","metadata":{"name":"\(name)","namespace":"shop"},"spec":{"clusterIP":"10.9.0.1",\
            "selector":{"app":"\(app)"},"ports":[{"port":80,"targetPort":8080}]}}
            """
        )
    }

    static func policy(_ name: String, app: String = "db", port: String = "80") -> (StoreKey, String?) {
        (
            StoreKey("authorizationpolicies.security.istio.io", namespace: "shop", name),
            """
            {"apiVersion":"security.istio.io/v1","kind":"AuthorizationPolicy","metadata":{"name":"\(name)","namespace":"shop"},\
            "spec":{"selector":{"matchLabels":{"app":"\(app)"}},"rules":[{"to":[{"operation":{"ports":["\(port)"]}}]}]}}
            """
        )
    }

    static func gone(_ object: (StoreKey, String?)) -> (StoreKey, String?) { (object.0, nil) }
}
