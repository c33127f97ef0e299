// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Documents
internal import Kernel

/// One thing that passes from a daemon to its successor. All but `workload` come with a descriptor.
enum HandoverItem: Hashable, Sendable {
    /// What the daemon answers over HTTP.
    enum Service: String, Sendable, CaseIterable {
        case admin
        case metrics
        case readiness
    }

    /// The lock of "one daemon per host".
    case lock
    /// A listener of the host, with its path or port.
    case service(Service, place: String)
    /// The probes' listener on loopback.
    case probe(IPAddress.Family)
    /// What is captured here, before its listeners.
    case workload(InheritedWorkload)
    case listener(WorkloadListener.Port, NamespaceIdentity)

    var hasDescriptor: Bool { if case .workload = self { false } else { true } }

    var document: Value {
        switch self {
        case .lock: .object([("kind", "lock")])
        case .service(let service, let place):
            .object([("kind", "service"), ("service", .string(service.rawValue)), ("place", .string(place))])
        case .probe(let family): .object([("kind", "probe"), ("family", .string("\(family)"))])
        case .workload(let workload): .object([("kind", "workload"), ("workload", workload.document)])
        case .listener(let port, let namespace):
            .object([("kind", "listener"), ("port", .string("\(port)")), ("namespace", namespace.document)])
        }
    }

    init?(_ document: Value) {
        switch document["kind"]?.stringValue {
        case "lock": self = .lock
        case "service":
            guard let service = document["service"]?.stringValue.flatMap(Service.init(rawValue:)),
                let place = document["place"]?.stringValue
            else { return nil }
            self = .service(service, place: place)
        case "probe":
            guard let family = [IPAddress.Family.v4, .v6].first(where: { "\($0)" == document["family"]?.stringValue }) else {
                return nil
            }
            self = .probe(family)
        case "workload":
            guard let workload = document["workload"].flatMap({ InheritedWorkload($0) }) else { return nil }
            self = .workload(workload)
        case "listener":
            guard let port = WorkloadListener.Port.allCases.first(where: { "\($0)" == document["port"]?.stringValue }),
                let namespace = document["namespace"].flatMap({ NamespaceIdentity($0) })
            else { return nil }
            self = .listener(port, namespace)
        default: return nil
        }
    }
}

/// A workload as the daemon before us had it.
struct InheritedWorkload: Hashable, Sendable {
    let plan: EnrolmentPlan
    let namespace: NamespaceIdentity
    /// Released, with captured connections still open.
    let isDraining: Bool

    init(plan: EnrolmentPlan, namespace: NamespaceIdentity, isDraining: Bool) {
        self.plan = plan
        self.namespace = namespace
        self.isDraining = isDraining
    }

    var document: Value {
        .object([
            ("uid", .string(plan.uid)), ("name", .string(plan.name)), ("identity", .string(plan.identity.description)),
            ("addresses", .array(plan.addresses.map { .string($0.description) })), ("network", .string(plan.network)),
            ("namespaceName", .string(plan.namespaceName)), ("dropsNonTCP", .bool(plan.dropsNonTCP)),
            ("namespace", namespace.document), ("draining", .bool(isDraining)),
        ])
    }

    init?(_ document: Value) {
        guard let uid = document["uid"]?.stringValue, let name = document["name"]?.stringValue,
            let identity = document["identity"]?.stringValue.flatMap({ SPIFFEID($0) }),
            let texts = document["addresses"]?.sequenceValue, let network = document["network"]?.stringValue,
            let namespaceName = document["namespaceName"]?.stringValue, let dropsNonTCP = document["dropsNonTCP"]?.boolValue,
            let namespace = document["namespace"].flatMap({ NamespaceIdentity($0) }),
            let isDraining = document["draining"]?.boolValue
        else { return nil }
        let addresses = texts.compactMap { $0.stringValue.flatMap { IPAddress($0) } }
        guard addresses.count == texts.count else { return nil }
        // How long its listeners wait for a silent peer is for the new daemon's own configuration to say.
        plan = EnrolmentPlan(
            uid: uid, name: name, identity: identity, addresses: addresses, network: network, namespaceName: namespaceName,
            dropsNonTCP: dropsNonTCP, keepalive: Keepalive())
        self.namespace = namespace
        self.isDraining = isDraining
    }
}

extension NamespaceIdentity {
    /// As text: an inode may need all 64 bits.
    fileprivate var document: Value { .object([("device", .string("\(device)")), ("inode", .string("\(inode)"))]) }

    fileprivate init?(_ document: Value) {
        guard let device = document["device"]?.stringValue.flatMap({ UInt64($0) }),
            let inode = document["inode"]?.stringValue.flatMap({ UInt64($0) })
        else { return nil }
        self.init(device: device, inode: inode)
    }
}
