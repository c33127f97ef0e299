// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Mesh
import Testing

@testable import ResourceAPI

/// What writes see around them in these tests, and short ways to make requests.
struct TestWorld {
    var namespaces: [String: WriteContext.NamespaceState] = ["shop": .active(labels: [:]), "default": .active(labels: [:])]
    var holders: [String: [String]] = [:]
    var hidden: Set<String> = []
    /// What the asker may not.
    var refusal: APIStatus?
    var now = Timestamp(seconds: 1_764_208_800)
    var userAgent = "kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07"

    static let uid = "6a1c44f0-3e64-4f5e-9a4e-0d0f3f8f7b10"

    var context: WriteContext {
        WriteContext(
            now: now, uid: Self.uid, suffix: "x7k2p", userAgent: userAgent, namespace: { namespaces[$0] ?? .absent },
            judge: { _, _ throws(APIStatus) in if let refusal { throw refusal } },
            holders: { address, network in holders["\(network)|\(address)"] ?? [] }, mayRead: { !hidden.contains($0) })
    }

    func request(_ method: String, _ target: String) throws -> APIRequest {
        guard case .resource(let request) = try APICall(method: method, target: target) else {
            throw APIStatus(.badRequest, "\(target) is no resource")
        }
        return request
    }

    func create(_ target: String, _ body: Value) throws -> ObjectWriter.Result {
        var writer = ObjectWriter(try request("POST", target), context)
        return try writer.create(body)
    }

    func update(_ target: String, _ body: Value, old: Value) throws -> ObjectWriter.Result {
        var writer = ObjectWriter(try request("PUT", target), context)
        return try writer.update(body, old: old)
    }

    func patch(_ target: String, _ type: PatchType, _ document: Value, old: Value?) throws -> ObjectWriter.Result {
        var writer = ObjectWriter(try request("PATCH", target), context)
        return try writer.patch(type, document, old: old)
    }

    /// As the store gives it back: with the revision of its last change.
    static func stored(_ result: ObjectWriter.Result, _ revision: Int = 7) -> Value {
        result.object.setting(["metadata", "resourceVersion"], .string(String(revision)))
    }
}

/// YAML as a tree.
func yaml(_ text: String) throws -> Value {
    let documents = try YAML.read(text)
    return try #require(documents.first)
}

/// The status that something fails with.
func failure(_ work: () throws -> Void) -> APIStatus? {
    do {
        try work()
        return nil
    } catch {
        return error as? APIStatus
    }
}
