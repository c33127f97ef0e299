// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ResourceAPI

/// Methods and paths.
@Suite struct APICallTests {
    private func request(_ method: String, _ target: String) throws -> APIRequest { try TestWorld().request(method, target) }

    private static let paths: [(String, String, String, String)] = [
        ("GET", "/api/v1/namespaces", "list", "v1 namespaces"), ("GET", "/api/v1/namespaces/shop", "get", "v1 namespaces shop"),
        ("GET", "/api/v1/services", "list", "v1 services"),
        ("GET", "/api/v1/namespaces/shop/services?watch=1", "watch", "v1 services shop"),
        ("POST", "/api/v1/namespaces/shop/services", "create", "v1 services shop"),
        ("PUT", "/api/v1/namespaces/shop/services/web/status", "update", "v1 services shop/web/status"),
        ("PUT", "/api/v1/namespaces/shop/status", "update", "v1 namespaces shop/status"),
        ("PUT", "/api/v1/namespaces/shop/finalize", "update", "v1 namespaces shop/finalize"),
        ("DELETE", "/api/v1/namespaces/shop/services", "deletecollection", "v1 services shop"),
        (
            "PATCH", "/apis/security.istio.io/v1beta1/namespaces/shop/authorizationpolicies/a", "patch",
            "security.istio.io/v1beta1 authorizationpolicies shop/a"
        ),
        ("DELETE", "/apis/warren.dev/v1/nodes/host-1", "delete", "warren.dev/v1 nodes host-1"),
        ("GET", "/apis/networking.istio.io/v1/workloadentries?limit=500", "list", "networking.istio.io/v1 workloadentries"),
    ]

    @Test(arguments: paths) func `a path says what is meant`(
        _ method: String, _ target: String, _ verb: String, _ subject: String
    ) throws {
        let request = try request(method, target)
        #expect(request.verb.rawValue == verb && request.subject == subject)
    }

    private static let wrong: [(String, String, Int)] = [
        ("GET", "/api/v1/namespaces/../services", 400), ("GET", "/api/v1/namespaces/shop/services/..%2f..%2fetc", 400),
        ("GET", "/api/v1/namespaces/shop/services/a%00b", 400), ("GET", "/api/v1/namespaces/shop/services/%2e%2e", 400),
        ("GET", "/api/v1/namespaces/shop/services/a%0ab", 400), ("GET", "/api/v1/namespaces/shop/services/%ff", 400),
        ("GET", "/api/v1/namespaces/shop/services/%4", 400), ("GET", "/api/v1/namespaces/shop/services/%zz", 400),
        ("GET", "/api/v1/namespaces/shop/services/%252e", 400), ("GET", "no/slash", 400), ("GET", "", 400),
        ("GET", "/api/v1/pods", 404), ("GET", "/apis/apps/v1/deployments", 404), ("GET", "/api/v2/services", 404),
        ("GET", "/api/v1/services/web", 404), ("GET", "/api/v1/namespaces/shop/nodes", 404), ("GET", "/nothing", 404),
        ("GET", "/apis/warren.dev/v1/namespaces/shop/nodes", 404), ("GET", "/api/v1/namespaces/shop/services/web/scale", 404),
        ("GET", "/apis/warren.dev/v1/nodegrants/g/status", 404), ("GET", "/api/v1/namespaces/shop/services/web/status/x", 404),
        ("GET", "/" + String(repeating: "a/", count: 100), 404), ("POST", "/api/v1/services", 405),
        ("POST", "/api/v1/namespaces/shop/services/web", 405), ("PUT", "/api/v1/namespaces/shop/services", 405),
        ("DELETE", "/api/v1/services", 405), ("BREW", "/api/v1/services", 405), ("POST", "/apis", 405),
        ("PUT", "/openapi/v3", 405),
        ("GET", "/api/v1/services?limit=-1", 400), ("GET", "/api/v1/services?limit=99999999999999999999", 400),
        ("GET", "/api/v1/services?resourceVersion=abc", 400), ("GET", "/api/v1/services?watch=perhaps", 400),
        ("GET", "/api/v1/services?fieldSelector=spec.type%3Dx", 400), ("GET", "/api/v1/services?labelSelector=a%20b", 400),
        ("GET", "/api/v1/services?continue=zzz", 400), ("GET", "/api/v1/services?continue=1.5.shop%2F..", 400),
        ("POST", "/api/v1/namespaces?dryRun=Some", 400), ("POST", "/api/v1/namespaces?fieldValidation=Hard", 400),
        ("GET", "/api/v1/services?sendInitialEvents=true&watch=1", 400),
        ("GET", "/api/v1/services?resourceVersionMatch=Exact", 400),
    ]

    @Test(arguments: wrong) func `what makes no sense is refused with a status`(_ method: String, _ target: String, _ code: Int) {
        #expect(failure { _ = try APICall(method: method, target: target) }?.reason.code == code)
    }

    @Test func `names and paths have a length`() {
        let long = String(repeating: "a", count: 254)
        #expect(failure { _ = try request("GET", "/api/v1/namespaces/\(long)") }?.reason == .badRequest)
        let query = String(repeating: "a", count: 20_000)
        #expect(failure { _ = try request("GET", "/api/v1/namespaces?x=\(query)") }?.reason == .badRequest)
        let many = (0..<100).map { "p\($0)=1" }.joined(separator: "&")
        #expect(failure { _ = try request("GET", "/api/v1/namespaces?\(many)") }?.reason == .badRequest)
    }

    @Test func `the query says how`() throws {
        let target =
            "/api/v1/namespaces/shop/services?labelSelector=app%3Dweb%2Ctier+in+(front)&fieldSelector=metadata.name%3Dweb&limit=20"
            + "&resourceVersion=12&watch=true&allowWatchBookmarks=true&timeoutSeconds=300&unknown=x"
        let options = try request("GET", target).options
        #expect(options.labelSelector?.matches(["app": "web", "tier": "front"]) == true)
        #expect(options.fieldSelector?.onlyName == "web" && options.limit == 20 && options.resourceVersion == 12)
        #expect(options.isWatch && options.allowsBookmarks && options.timeoutSeconds == 300 && options.fieldValidation == .strict)
        let write = try request("PATCH", "/api/v1/namespaces/x?dryRun=All&fieldManager=me&force=true&fieldValidation=Warn")
            .options
        #expect(write.isDryRun && write.fieldManager == "me" && write.force && write.fieldValidation == .warn)
    }

    @Test func `discovery and health are no resources`() throws {
        for target in ["/", "/api", "/apis", "/api/v1", "/apis/warren.dev", "/apis/warren.dev/v1"] {
            guard case .discovery = try APICall(method: "GET", target: target) else {
                Issue.record("\(target) is no discovery")
                continue
            }
        }
        guard
            case .openAPIv3Group("security.istio.io", "v1") = try APICall(
                method: "GET", target: "/openapi/v3/apis/security.istio.io/v1?hash=1"),
            case .openAPIv2 = try APICall(method: "GET", target: "/openapi/v2?timeout=32s"),
            case .version = try APICall(method: "GET", target: "/version"),
            case .health("readyz/etcd") = try APICall(method: "GET", target: "/readyz/etcd")
        else {
            Issue.record("not what they are")
            return
        }
    }

    @Test func `a continuation comes back as it was`() throws {
        let token = ContinueToken(revision: 482, namespace: "shop", name: "web.v1")
        #expect(try ContinueToken(token.text) == token)
        let wide = ContinueToken(revision: .max, namespace: "", name: "n")
        #expect(try ContinueToken(wide.text) == wide)
    }

    @Test func `field selectors compare name and namespace`() throws {
        let selector = try FieldSelector("metadata.name!=a,metadata.namespace==shop")
        #expect(selector.matches(name: "b", namespace: "shop") && !selector.matches(name: "a", namespace: "shop"))
        #expect(!selector.matches(name: "b", namespace: "other"))
    }
}
