// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Documents
internal import HTTP
internal import Kernel
internal import Loop
internal import Mesh

/// Registers workloads of this host with the control plane, by its certificate and within its grants (I19): what `warren workload add` and `remove`
/// ask the admin API for. On the node's loop.
struct ControlRegistrar {
    static let bodyLimit = 64 << 10
    private static let bound = Interval.seconds(10)

    private let client: ControlClient
    private let node: String

    init(client: ControlClient, node: String) {
        self.client = client
        self.node = node
    }

    /// `POST /workloads` with a document, `DELETE /workloads?namespace=…&name=…`.
    func answer(_ request: HTTP1Request, _ answer: @escaping (Int, Value) -> Void) {
        do throws(ControlFailure) {
            switch request.method {
            case "POST":
                let (namespace, entry) = try entry(request.body)
                let path = "/apis/networking.istio.io/v1/namespaces/\(namespace)/workloadentries"
                send(ControlRequest(path: path, body: entry.jsonBytes), answer)
            case "DELETE":
                let namespace = try name(request.parameter("namespace"), "namespace")
                let name = try name(request.parameter("name"), "name")
                let path = "/apis/networking.istio.io/v1/namespaces/\(namespace)/workloadentries/\(name)"
                send(ControlRequest(method: "DELETE", path: path), answer)
            case let method: answer(405, AdminDocument.failure("/workloads takes GET, POST and DELETE, not \(method.prefix(20))"))
            }
        } catch {
            answer(400, AdminDocument.failure(error.description, remedy: "See `warren workload add --help`."))
        }
    }

    private func send(_ request: ControlRequest, _ answer: @escaping (Int, Value) -> Void) {
        guard let link = client.keeper.link else {
            return answer(503, AdminDocument.failure(client.whyNoLink, remedy: "`warren status` says how it stands."))
        }
        link.ask(request, within: Self.bound) { result in
            switch result {
            case .failure(let failure): answer(502, AdminDocument.failure("the control plane: \(failure)"))
            case .success(let said) where (200..<300).contains(said.status):
                answer(said.status, (try? JSON.read(said.body)) ?? .object([("registered", .bool(true))]))
            case .success(let said): answer(said.status, AdminDocument.failure("the control plane: \(said.complaint)"))
            }
        }
    }

    // MARK: - The object

    private func entry(_ body: [UInt8]) throws(ControlFailure) -> (namespace: String, Value) {
        guard body.count <= Self.bodyLimit, let document = try? JSON.read(body), document.mappingValue != nil else {
            throw ControlFailure("the body is no JSON object of at most \(Self.bodyLimit >> 10) KiB")
        }
        for entry in document.mappingValue ?? [] where !Self.fields.contains(entry.key) {
            throw ControlFailure("\"\(entry.key.prefix(64))\" is no field of a workload: \(Self.fields.joined(separator: ", "))")
        }
        let namespace = try name(document["namespace"]?.stringValue, "namespace")
        let name = try name(document["name"]?.stringValue, "name")
        guard let address = document["address"]?.stringValue, IPAddress(address) != nil else {
            throw ControlFailure("address is missing, or no IP address")
        }
        guard let networkNamespace = document["networkNamespace"]?.stringValue else {
            throw ControlFailure("networkNamespace is missing: the name that `ip netns` shows")
        }
        var spec: [(String, Value)] = [("address", .string(address))]
        if let account = document["serviceAccount"]?.stringValue { spec.append(("serviceAccount", .string(account))) }
        let annotations = Value.object([
            (WellKnown.node, .string(node)), (WellKnown.networkNamespace, .string(networkNamespace)),
        ])
        var metadata: [(String, Value)] = [
            ("name", .string(name)), ("namespace", .string(namespace)), ("annotations", annotations),
        ]
        if let labels = document["labels"] {
            guard let entries = labels.mappingValue, entries.allSatisfy({ $0.value.stringValue != nil }) else {
                throw ControlFailure("labels are no mapping of strings")
            }
            metadata.append(("labels", labels))
            // The labels that services and policies select by are those of the spec.
            spec.append(("labels", labels))
        }
        let object = Value.object([
            ("apiVersion", .string("networking.istio.io/v1")), ("kind", .string("WorkloadEntry")),
            ("metadata", .object(metadata)),
            ("spec", .object(spec)),
        ])
        return (namespace, object)
    }

    private static let fields = ["name", "namespace", "address", "serviceAccount", "networkNamespace", "labels"]

    /// It becomes part of a path: what the API takes for a name, and nothing else.
    private func name(_ text: String?, _ field: String) throws(ControlFailure) -> String {
        guard let text, !text.isEmpty else { throw ControlFailure("\(field) is missing") }
        guard NodeIdentity.isName(text) else { throw ControlFailure("\(field) is \"\(text.prefix(64))\", which is no name") }
        return text
    }
}
