// SPDX-License-Identifier: Apache-2.0

import Bytes
import Daemon
import Discovery
import Documents
import Kernel
import Loop
import Mesh
import Messages
import Support
import TLS
import Telemetry
import Testing
import Transport
import Wire

@testable import NodeProxy

/// A host that has a control plane and no traffic: what is left to errands is done at once, and answered in a later turn of the loop.
final class ControlBench: ControlHost {
    let folder: String
    let loop: Loop
    let log = Log.silent
    var configuration = DaemonConfiguration(node: "node-1")
    private var answers: [() -> Void] = []
    private(set) var snapshots: [MeshSnapshot] = []
    private(set) var arrivals = 0
    private(set) var rootChanges = 0

    init() throws {
        folder = try Files.makeTemporaryFolder()
        loop = try Loop()
        configuration.control.directory = folder
        configuration.control.settle = .milliseconds(2)
        configuration.control.retry = .milliseconds(50)
        configuration.control.firstCertificate = .milliseconds(200)
        configuration.control.addresses = ["one.test:15012", "two.test:15012"].compactMap { ControlAddress($0) }
        configuration.identity.persist = .never
    }

    deinit { Files.remove(folder) }

    func work<Result: Sendable>(_ work: @escaping @Sendable () -> Result, then: @escaping (Result) -> Void) {
        let result = work()
        answers.append { then(result) }
    }

    func meshWork<Result: Sendable>(_ work: @escaping @Sendable () -> Result, then: @escaping (Result) -> Void) {
        self.work(work, then: then)
    }

    func meshArrived(_ snapshot: MeshSnapshot) { snapshots.append(snapshot) }
    func controlPlaneArrived() { arrivals += 1 }
    func rootsChanged() { rootChanges += 1 }

    /// Turns the loop until this holds; false after the time.
    @discardableResult
    func run(within: Interval = .seconds(5), until holds: () -> Bool) -> Bool {
        let end = Instant.now() + within
        while !holds() {
            guard Instant.now() < end else { return false }
            let due = answers
            answers = []
            for answer in due { answer() }
            if !holds() { loop.turn(wait: answers.isEmpty ? .milliseconds(2) : .zero) }
        }
        return true
    }

    static func exists(_ path: String) -> Bool { (try? File.status(path)) != nil }

    /// Turns the loop for a while.
    func rest(_ time: Interval) { run(within: time) { false } }
}

/// Control planes in memory, by address: who dials one gets a connection to it.
final class TestPlanes: ControlDialler {
    var planes: [ControlAddress: TestPlane] = [:]
    private(set) var dialled: [ControlAddress] = []
    private(set) var accesses: [ControlAccess] = []

    func dial(
        _ address: ControlAddress, with access: ControlAccess, within: Interval,
        done: @escaping (Result<any ControlLink, ControlFailure>) -> Void, ended: @escaping (String) -> Void
    ) -> () -> Void {
        dialled.append(address)
        accesses.append(access)
        guard let plane = planes[address], plane.isUp else {
            done(.failure(ControlFailure("connection refused")))
            return {}
        }
        done(.success(plane.connect(ended)))
        return {}
    }
}

/// One control plane: what it holds, and what it was told.
final class TestPlane {
    var isUp = true
    var store: String? = "store-a"
    var revision: UInt64 = 10
    /// By type and name: version and content.
    var resources: [ResourceType: [String: (version: String, content: [UInt8])]] = [:]
    var authority: TestAuthority?
    /// What it says to requests for certificates instead.
    var certificateFailure: GRPCStatus?
    /// Nothing is answered.
    var isMute = false
    fileprivate(set) var requests: [ControlRequest] = []
    fileprivate(set) var discovery: [DiscoveryAPI.DeltaRequest] = []
    fileprivate(set) var certificates: [CertificateAPI.Request] = []
    fileprivate(set) var links: [TestLink] = []
    var answer: (ControlRequest) -> ControlAnswer = { _ in ControlAnswer(status: 200, body: Array("{}".utf8)) }

    func connect(_ ended: @escaping (String) -> Void) -> TestLink {
        let link = TestLink(self, ended)
        links.append(link)
        return link
    }

    var open: [TestLink] { links.filter { !$0.isClosed } }

    func goDown() {
        isUp = false
        for link in open { link.lose("connection reset") }
    }

    func set(_ workload: Workload, version: String = "1") {
        var address = WorkloadAPI.Address()
        address.workload = WorkloadAPI.Workload(workload)
        resources[.address, default: [:]][workload.uid] = (version, address.encoded)
    }

    func set(local uid: String, namespace: String = "web") {
        let local = LocalWorkload(uid: uid, node: "node-1", networkNamespace: namespace, captured: true, nonTCP: nil)
        resources[.local, default: [:]][uid] = ("1", LocalAPI.LocalWorkload(local).encoded)
    }

    func set(policy name: String, version: String = "1") {
        var policy = SecurityAPI.Authorization()
        policy.name = name
        policy.namespace = "shop"
        resources[.authorization, default: [:]]["shop/\(name)"] = (version, policy.encoded)
    }

    /// Tells everyone who is connected what changed.
    func push(_ type: ResourceType, _ names: [String] = [], removed: [String] = []) {
        revision += 1
        for link in open { link.calls.last?.push(response(type, names, removed: removed)) }
    }

    func response(_ type: ResourceType, _ names: [String], removed: [String] = []) -> [UInt8] {
        var response = DiscoveryAPI.DeltaResponse()
        response.typeURL = type.rawValue
        response.nonce = "\(revision)"
        response.systemVersionInfo = store.map { "\($0)/\(revision)" } ?? ""
        response.removedResources = removed
        response.resources = names.compactMap { name in
            guard let (version, content) = resources[type]?[name] else { return nil }
            var wrapped = AnyMessage()
            wrapped.typeURL = type.rawValue
            wrapped.value = content
            var resource = DiscoveryAPI.Resource()
            resource.name = name
            resource.version = version
            resource.resource = wrapped
            return resource
        }
        return response.encoded
    }

    static func workload(_ name: String, address: String = "10.0.0.1") -> Workload {
        var workload = Workload()
        workload.uid = "Kubernetes/networking.istio.io/WorkloadEntry/shop/\(name)"
        workload.name = name
        workload.namespace = "shop"
        workload.serviceAccount = name
        workload.addresses = [IPAddress(address)].compactMap { $0 }
        return workload
    }
}

final class TestLink: ControlLink {
    private unowned let plane: TestPlane
    private let ended: (String) -> Void
    private(set) var isClosed = false
    private(set) var calls: [TestCall] = []

    init(_ plane: TestPlane, _ ended: @escaping (String) -> Void) {
        self.plane = plane
        self.ended = ended
    }

    func call(_ path: String) -> any GRPCStream {
        let call = TestCall(plane, path)
        if path == DiscoveryAPI.deltaMethod { calls.append(call) }
        return call
    }

    func ask(_ request: ControlRequest, within: Interval, _ done: @escaping (Result<ControlAnswer, ControlFailure>) -> Void) {
        plane.requests.append(request)
        done(.success(plane.answer(request)))
    }

    func close() { isClosed = true }

    func lose(_ reason: String) {
        isClosed = true
        ended(reason)
    }
}

/// The server's side answers each first request with what the client lacks, as soon as it is asked for the next message.
final class TestCall: GRPCStream {
    weak var delegate: (any GRPCStreamDelegate)?
    var queued: Int { 0 }
    private unowned let plane: TestPlane
    private let path: String
    private var waiting: [[UInt8]] = []
    private var credit = 0
    private(set) var isCancelled = false
    private var status: GRPCStatus?

    init(_ plane: TestPlane, _ path: String) {
        self.plane = plane
        self.path = path
    }

    func send(_ message: [UInt8]) {
        guard !plane.isMute else { return }
        if path == DiscoveryAPI.deltaMethod { discover(message) } else { certify(message) }
        flush()
    }

    private func discover(_ message: [UInt8]) {
        guard let request = try? DiscoveryAPI.DeltaRequest(decoding: message) else {
            Issue.record("no request")
            return
        }
        plane.discovery.append(request)
        guard request.responseNonce.isEmpty, let type = ResourceType(rawValue: request.typeURL) else { return }
        let all = plane.resources[type] ?? [:]
        let names = all.filter { request.initialResourceVersions[$0.key] != $0.value.version }.keys.sorted()
        let removed = request.initialResourceVersions.keys.filter { all[$0] == nil }.sorted()
        waiting.append(plane.response(type, names, removed: removed))
    }

    private func certify(_ message: [UInt8]) {
        guard let request = try? CertificateAPI.Request(decoding: message) else {
            Issue.record("no request")
            return
        }
        plane.certificates.append(request)
        if let failure = plane.certificateFailure { return status = failure }
        do {
            let asked = try SigningRequest(pem: Array(request.csr.utf8))
            let authority = try #require(plane.authority)
            let identity = try #require(asked.identity)
            let chain = try authority.issuing.issue(
                identity: identity, publicKey: asked.publicKey, now: WallTime.now().seconds, lifetime: request.validityDuration)
            var answer = CertificateAPI.Response()
            answer.certificateChain = (chain + [authority.root.certificate]).map { String(decoding: $0.pem, as: UTF8.self) }
            waiting.append(answer.encoded)
            status = .ok
        } catch { Issue.record("no certificate: \(error)") }
    }

    func push(_ message: [UInt8]) {
        waiting.append(message)
        flush()
    }

    func take() {
        credit = 1
        flush()
    }

    private func flush() {
        while credit > 0, !waiting.isEmpty, !isCancelled {
            credit = 0
            delegate?.messageReceived(waiting.removeFirst(), on: self)
        }
        if waiting.isEmpty, credit > 0, let status, !isCancelled {
            isCancelled = true
            delegate?.ended(status, on: self)
        }
    }

    func finish(_ status: GRPCStatus) { if path == DiscoveryAPI.deltaMethod { end(.ok) } }
    func cancel() { isCancelled = true }

    func end(_ status: GRPCStatus) {
        isCancelled = true
        delegate?.ended(status, on: self)
    }
}

extension TestAuthority {
    /// A host's own certificate.
    func node(_ name: String = "node-1", lifetime: Int64 = 86_400, now: Int64 = WallTime.now().seconds) throws -> NodeCredential {
        let key = PrivateKey.generate()
        let identity = try #require(NodeIdentity(trustDomain: "cluster.local", name: name))
        let chain = try issuing.issue(node: identity, publicKey: key.publicKey, now: now, lifetime: lifetime)
        return try NodeCredential(key: key, chain: chain, roots: [root.certificate])
    }
}

extension ControlClient {
    /// Of a member.
    var identity: ControlIdentity { theMember.identity }
    var reporter: ControlReporter { theMember.reporter }

    private var theMember: Member {
        guard let member else { preconditionFailure("a client of istiod is no member") }
        return member
    }
}
