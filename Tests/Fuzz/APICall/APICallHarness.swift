// SPDX-License-Identifier: Apache-2.0

import Documents
import HTTP
import Kernel
import ResourceAPI

/// Heads of requests to the resource API: the first byte chooses the method, the rest is path and query, with selectors and the token of a list
/// that goes on. What isn't served is a client's error that names no more than it may; what is served has a subject that fits a line of the log.
enum APICallHarness {
    private static let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]

    static func fuzz(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let method = methods[input.choice(methods.count)]
        let target = String(decoding: input.rest, as: UTF8.self)
        do throws(APIStatus) {
            if case .resource(let request) = try APICall(method: method, target: target) { check(request, method) }
        } catch {
            invariant(400..<500 ~= error.reason.code, "a client's bytes are our fault: \(error.message)")
            invariant(
                error.message.utf8.count < 1024 + target.utf8.count, "an answer of \(error.message.utf8.count) bytes")
            let document = error.document
            invariant((try? JSON.read(document.jsonBytes)) == document, "a status that doesn't read back: \(document.json)")
        }
        if let token = try? ContinueToken(target) {
            invariant((try? ContinueToken(token.text)) == token, "a token reads otherwise than it was written: \(token.text)")
        }
    }

    private static func check(_ request: APIRequest, _ method: String) {
        invariant(request.verb.isWrite == !["GET", "HEAD"].contains(method), "\(method) is \(request.verb)")
        invariant(
            !request.subject.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7f },
            "a subject that breaks the line: \(request.subject)")
        invariant(request.kind.isNamespaced || request.namespace == nil, "a namespace of what has none: \(request.subject)")
        invariant(request.name?.contains("/") != true && request.namespace?.contains("/") != true, "a name that is a path")
        if request.verb == .create || request.verb == .deletecollection {
            invariant(!request.kind.isNamespaced || request.namespace != nil, "a write to every namespace: \(request.subject)")
        }
        let options = request.options
        invariant((options.fieldManager?.utf8.count ?? 0) <= 128, "a manager of \(options.fieldManager ?? "")")
        guard let selector = options.labelSelector else { return }
        _ = selector.matches([:])
        _ = selector.matches(["app": "web"])
    }
}
