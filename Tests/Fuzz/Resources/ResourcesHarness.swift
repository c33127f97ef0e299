// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Kernel
import ResourceAPI

/// Bodies of the resource API: objects in JSON, YAML and Kubernetes' protobuf, patches of all four types, deletions. The first bytes choose the
/// kind, the request and what stood before; what is left is read. Whoever writes gets a client's error in a document that reads back, or an
/// object in its own place, which can be stored, and which stays as it is when it is written again.
enum ResourcesHarness {
    /// In the order of the byte that chooses; new ones come last, so that old inputs keep their meaning.
    private static let operations: [Operation] = [
        .create("application/json"), .create("application/yaml"), .create("application/vnd.kubernetes.protobuf"),
        .update("application/json"), .update("application/yaml"), .update("application/vnd.kubernetes.protobuf"),
        .patch(.json), .patch(.merge), .patch(.strategicMerge), .patch(.apply), .delete,
    ]

    private enum Operation {
        case create(String)
        case update(String)
        case patch(PatchType)
        case delete
    }

    private static let uid = "6a1c44f0-3e64-4f5e-9a4e-0d0f3f8f7b10"
    private static let now = Timestamp(seconds: 1_764_208_800)

    static func fuzz(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let kind = APIKinds.all[input.choice(APIKinds.all.count)]
        let operation = operations[input.choice(operations.count)]
        let options = input.byte()
        // What stood before is the input's own, if it can be made, or else a plain one.
        let first = input.take(min(input.word(), 2048))
        let old = stored(kind, first) ?? stored(kind, Array((plain[kind.plural] ?? "").utf8))
        let body = Array(input.rest)
        switch operation {
        case .create(let type): create(kind, options, body, type)
        case .update(let type): update(kind, options, body, type, old)
        case .patch(let type): patch(kind, options, body, type, old)
        case .delete: delete(kind, body, old)
        }
    }

    // MARK: - Requests

    private static func create(_ kind: APIKind, _ options: UInt8, _ body: [UInt8], _ type: String) {
        let target = collection(kind, options)
        attempt { () throws(APIStatus) in
            let object = try RequestBody.object(body, contentType: type)
            invariant(
                (try? JSON.read(object.jsonBytes)) == object, "a body that reads otherwise than it was read: \(object.json)")
            var writer = try writer("POST", target)
            check(try writer.create(object), kind, old: nil)
        }
    }

    private static func update(_ kind: APIKind, _ options: UInt8, _ body: [UInt8], _ type: String, _ old: Value?) {
        guard let old else { return }
        attempt { () throws(APIStatus) in
            let object = try RequestBody.object(body, contentType: type)
            var writer = try writer("PUT", item(kind, old, options))
            check(try writer.update(object, old: old), kind, old: old)
        }
    }

    private static func patch(_ kind: APIKind, _ options: UInt8, _ body: [UInt8], _ type: PatchType, _ old: Value?) {
        let target = item(kind, old, options)
        attempt { () throws(APIStatus) in
            let document = try RequestBody.patch(body, PatchType(contentType: type.rawValue, kind: kind))
            var writer = try writer("PATCH", target)
            let result = try writer.patch(type, document, old: old)
            check(result, kind, old: old)
            guard type == .apply, result.change != .removed else { return }
            var again = try self.writer("PATCH", target)
            let second: ObjectWriter.Result?
            do throws(APIStatus) { second = try again.patch(type, document, old: kept(result.object, kind)) } catch {
                // A revision or a UID that it asked for is another now.
                invariant(error.reason == .conflict, "what was applied can't be applied again: \(error.message)")
                second = nil
            }
            invariant(
                second == nil || second?.change == .unchanged,
                "applied twice it changes twice: \(result.object.json) \(second?.object.json ?? "")")
        }
    }

    private static func delete(_ kind: APIKind, _ body: [UInt8], _ old: Value?) {
        guard let old else { return }
        attempt { () throws(APIStatus) in
            let document = try RequestBody.deletion(body, contentType: "application/json")
            let options = try DeleteOptions(request("DELETE", item(kind, old, 0)).options, body: document)
            if case .mark(let object) = try ObjectDeletion.end(old, kind, options, now: now) {
                invariant(object.at("metadata", "deletionTimestamp") != nil, "marked without a mark: \(object.json)")
            }
        }
    }

    // MARK: - Properties

    /// Whoever reads it is told why in a document of bounded size.
    private static func attempt(_ work: () throws(APIStatus) -> Void) {
        do throws(APIStatus) { try work() } catch {
            invariant(400..<500 ~= error.reason.code, "a client's bytes are our fault: \(error.message)")
            let document = error.document
            invariant((try? JSON.read(document.jsonBytes)) == document, "a status that doesn't read back: \(document.json)")
            invariant(document.jsonBytes.count < 1 << 20, "a status of \(document.jsonBytes.count) bytes")
        }
    }

    private static func check(_ result: ObjectWriter.Result, _ kind: APIKind, old: Value?) {
        let object = result.object
        let text = object.jsonBytes
        invariant((try? JSON.read(text)) == object, "an object that doesn't read back: \(object.json)")
        invariant(result.change == .unchanged || text.count <= ObjectWriter.maximumBytes, "an object of \(text.count) bytes")
        for warning in result.warnings {
            invariant(warning.utf8.allSatisfy { (0x20...0x7e).contains($0) }, "a warning that is no header: \(warning)")
        }
        invariant(object["kind"] == .string(kind.kind), "another kind than asked for: \(object.json)")
        invariant(object["apiVersion"] == .string(kind.storageAPIVersion), "another version than is stored: \(object.json)")
        invariant(
            object.at("metadata", "namespace") == (kind.isNamespaced ? "shop" : nil), "an object elsewhere: \(object.json)")
        invariant(object.at("metadata", "name")?.stringValue?.isEmpty == false, "an object without a name: \(object.json)")
        invariant(object.at("metadata", "uid") == .string(uid), "another object: \(object.json)")
        if let old {
            for key in ["name", "creationTimestamp", "deletionTimestamp", "resourceVersion"] {
                invariant(object.at("metadata", key) == old.at("metadata", key), "\(key) isn't a client's: \(object.json)")
            }
        }
        guard result.change != .removed else { return }
        let stored = kept(object, kind)
        do throws(APIStatus) {
            var writer = try writer("PUT", item(kind, stored, 0))
            let again = try writer.update(stored, old: stored)
            invariant(again.change == .unchanged, "written back it changes: \(stored.json) \(again.object.json)")
        } catch {
            fatal("what was stored can't be written back: \(error.message) \(stored.json)")
        }
    }

    private static func fatal(_ sentence: String) { invariant(false, sentence) }

    // MARK: - The world around

    private static func request(_ method: String, _ target: String) throws(APIStatus) -> APIRequest {
        guard case .resource(let request) = try APICall(method: method, target: target) else {
            throw APIStatus(.internalError, "\(target) is no resource")
        }
        return request
    }

    private static func writer(_ method: String, _ target: String) throws(APIStatus) -> ObjectWriter {
        let context = WriteContext(
            now: now, uid: uid, suffix: "x7k2p", userAgent: "fuzz/1",
            namespace: { ["shop", "default"].contains($0) ? .active(labels: [:]) : .absent }, judge: { _, _ in },
            holders: { _, _ in [] }, mayRead: { _ in true })
        return ObjectWriter(try request(method, target), context)
    }

    private static func collection(_ kind: APIKind, _ options: UInt8) -> String {
        let version = kind.storageVersion
        let root = kind.group.isEmpty ? "/api/\(version)" : "/apis/\(kind.group)/\(version)"
        return root + (kind.isNamespaced ? "/namespaces/shop" : "") + "/\(kind.plural)" + query(options)
    }

    private static func item(_ kind: APIKind, _ object: Value?, _ options: UInt8) -> String {
        let name = object?.at("metadata", "name")?.stringValue ?? "web"
        let place = collection(kind, 0).prefix { $0 != "?" }
        // Of a namespace its finalizers, of others what is known of them.
        let part =
            options & 0x40 == 0 || !kind.hasStatus
            ? "" : options & 0x20 == 0 || kind.plural != "namespaces" ? "/status" : "/finalize"
        return "\(place)/\(name)\(part)" + query(options)
    }

    private static func query(_ options: UInt8) -> String {
        let validation = ["Strict", "Warn", "Ignore"][Int(options & 3) % 3]
        return "?fieldManager=fuzz&fieldValidation=\(validation)\(options & 4 == 0 ? "" : "&force=true")"
    }

    /// As the store gives it back.
    private static func kept(_ object: Value, _ kind: APIKind) -> Value { object.setting(["metadata", "resourceVersion"], "7") }

    private static func stored(_ kind: APIKind, _ text: [UInt8]) -> Value? {
        guard !text.isEmpty, let body = try? RequestBody.object(text, contentType: "application/yaml") else { return nil }
        guard var writer = try? writer("POST", collection(kind, 1)), let made = try? writer.create(body) else { return nil }
        return kept(made.object, kind)
    }

    /// One of each kind.
    private static let plain: [String: String] = [
        "namespaces": "metadata: {name: web}",
        "services": "{metadata: {name: web}, spec: {selector: {app: web}, ports: [{name: a, port: 80}, {name: b, port: 81}]}}",
        "serviceaccounts": "metadata: {name: web}",
        "workloadentries": "{metadata: {name: web}, spec: {address: 10.0.0.1, serviceAccount: web, labels: {app: web}}}",
        "workloadgroups": "{metadata: {name: web}, spec: {template: {serviceAccount: web}}}",
        "serviceentries":
            "{metadata: {name: web}, spec: {hosts: [a.example], addresses: [10.1.0.1], ports: [{number: 80, name: a, protocol: TCP}], "
            + "resolution: STATIC}}",
        "authorizationpolicies":
            "{metadata: {name: web}, spec: {action: ALLOW, rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]}}",
        "peerauthentications": "{metadata: {name: web}, spec: {mtls: {mode: STRICT}}}",
        "nodes": "metadata: {name: web}",
        "nodegrants": "{metadata: {name: web}, spec: {nodes: [a], namespaces: [shop], addresses: [10.0.0.0/24]}}",
    ]
}
