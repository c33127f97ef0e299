// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import ResourceAPI
import Store
import TLS
import Testing

@testable import ControlPlane

/// What hosts may register and have certificates for (I19).
@Suite struct JoiningGrantsTests {
    static let document = """
        {"metadata":{"name":"shop"},"spec":{"nodes":["host1"],"namespaces":["shop"],"serviceAccounts":["shop/web","shop/default"],
        "addresses":["10.0.0.0/24","2001:db8::/64"]}}
        """

    static func grants() throws -> Grants {
        var grants = Grants()
        grants.set(NodeGrant(try JSON.read(document)), named: "shop")
        return grants
    }

    static func entry(
        _ namespace: String = "shop", _ name: String = "web-1", node: String? = "host1", account: String = "web",
        address: String = "10.0.0.5", more: String? = nil
    ) -> Registration {
        Registration(object(namespace, name, node: node, account: account, address: address, more: more))
    }

    static func object(
        _ namespace: String = "shop", _ name: String = "web-1", node: String? = "host1", account: String = "web",
        address: String = "10.0.0.5", more: String? = nil
    ) -> Value {
        let annotations = Value.object(present: [
            ("warren.dev/node", node.map { .string($0) }), ("warren.dev/additional-addresses", more.map { .string($0) }),
        ])
        return .object([
            ("metadata", ["name": .string(name), "namespace": .string(namespace), "annotations": annotations]),
            ("spec", ["address": .string(address), "serviceAccount": .string(account)]),
        ])
    }

    static func identity(_ account: String, namespace: String = "shop") throws -> SPIFFEID {
        try #require(SPIFFEID(trustDomain: "cluster.local", namespace: namespace, serviceAccount: account))
    }

    @Test func `a grant covers what it names and nothing else`() throws {
        let grants = try Self.grants()
        #expect(grants.mayRegister(Self.entry(), on: "host1") == nil)
        #expect(grants.mayRegister(Self.entry(more: "2001:db8::5, 10.0.0.6"), on: "host1") == nil)
        #expect(grants.mayRegister(Self.entry(account: ""), on: "host1") == nil)
        for (entry, node) in [
            (Self.entry(), "host2"), (Self.entry("other"), "host1"), (Self.entry(account: "db"), "host1"),
            (Self.entry(address: "10.0.1.5"), "host1"), (Self.entry(address: "db.lan"), "host1"),
            (Self.entry(address: ""), "host1"),
            (Self.entry(more: "10.0.1.5"), "host1"), (Self.entry(more: "10.0.0.6,"), "host1"),
            (Self.entry(address: "2001:db9::1"), "host1"),
        ] {
            let refusal = grants.mayRegister(entry, on: node)
            #expect(refusal?.reason == .notGranted, "\(entry)")
        }
        #expect(
            grants.mayRegister(Self.entry(address: "10.0.1.5"), on: "host1")?.description
                == "host host1 has no grant for service account shop/web at 10.0.1.5: an admin gives one with a NodeGrant "
                + "(nodes: [host1], namespaces: [shop], addresses: [...])")
    }

    @Test func `a grant that says little grants little`() throws {
        for (text, isGranted) in [
            (#"{"nodes":["*"],"namespaces":["*"],"addresses":["0.0.0.0/0"]}"#, true),
            (#"{"nodes":["*"],"serviceAccounts":["shop/web"],"addresses":["10.0.0.5"]}"#, true),
            (#"{"nodes":["*"],"namespaces":["other"],"serviceAccounts":["shop/web"],"addresses":["10.0.0.5"]}"#, false),
            (#"{"nodes":["*"],"namespaces":["*"]}"#, false), (#"{"nodes":["*"],"addresses":["0.0.0.0/0"]}"#, false),
            (#"{"namespaces":["*"],"addresses":["0.0.0.0/0"]}"#, false), ("{}", false), ("[]", false),
            (#"{"nodes":"*","namespaces":"*","addresses":"0.0.0.0/0"}"#, false),
            (#"{"nodes":["*"],"namespaces":["*"],"addresses":["everywhere"]}"#, false),
        ] {
            var grants = Grants()
            grants.set(NodeGrant(try JSON.read(#"{"metadata":{"name":"x"},"spec":"# + text + "}")), named: "x")
            #expect((grants.mayRegister(Self.entry(), on: "host1") == nil) == isGranted, "\(text)")
        }
    }

    @Test func `two grants don't add up to a third`() throws {
        var grants = Grants()
        for (name, text) in [
            ("a", #"{"nodes":["host1"],"namespaces":["shop"],"addresses":["10.1.0.0/16"]}"#),
            ("b", #"{"nodes":["host1"],"namespaces":["bank"],"addresses":["10.0.0.0/24"]}"#),
        ] {
            grants.set(NodeGrant(try JSON.read(#"{"metadata":{"name":"x"},"spec":"# + text + "}")), named: name)
        }
        #expect(grants.mayRegister(Self.entry(), on: "host1")?.reason == .notGranted)
        #expect(grants.mayRegister(Self.entry("bank"), on: "host1") == nil)
    }

    @Test func `I19 a certificate is for workloads that are registered on the host, as long as they are granted`() throws {
        var grants = try Self.grants()
        let key = StoreKey(Registration.resource, namespace: "shop", "web-1")
        #expect(grants.mayIssue(try Self.identity("web"), to: "host1")?.reason == .notRegistered)
        grants.set(Self.object().jsonBytes, at: key)
        #expect(grants.mayIssue(try Self.identity("web"), to: "host1") == nil)
        #expect(grants.accounts(of: "host1") == ["shop/web"])
        #expect(grants.mayIssue(try Self.identity("db"), to: "host1")?.reason == .notRegistered)
        #expect(grants.mayIssue(try Self.identity("web", namespace: "bank"), to: "host1")?.reason == .notRegistered)
        #expect(grants.mayIssue(try Self.identity("web"), to: "host2")?.reason == .notRegistered)
        // It moves: the one loses it, the other needs a grant.
        grants.set(Self.object(node: "host2").jsonBytes, at: key)
        #expect(grants.mayIssue(try Self.identity("web"), to: "host1")?.reason == .notRegistered)
        #expect(grants.mayIssue(try Self.identity("web"), to: "host2")?.reason == .notGranted)
        grants.set(Self.object().jsonBytes, at: key)
        grants.set(NodeGrant?.none, named: "shop")
        #expect(grants.mayIssue(try Self.identity("web"), to: "host1")?.reason == .notGranted)
        grants.set([UInt8]?.none, at: key)
        #expect(grants.mayIssue(try Self.identity("web"), to: "host1")?.reason == .notRegistered)
    }

    @Test func `I19 hosts change their own workloads, within their grants`() throws {
        let (grants, host) = (try Self.grants(), JoiningFixture.node("host1"))
        let may = { (before: Registration?, after: Registration?) in grants.mayChange(before, to: after, by: host)?.reason }
        #expect(may(nil, Self.entry()) == nil && may(Self.entry(), nil) == nil)
        #expect(may(Self.entry(), Self.entry(address: "10.0.0.9")) == nil)
        #expect(may(nil, Self.entry(node: nil)) == .otherNode)
        #expect(may(nil, Self.entry(node: "host2")) == .otherNode)
        #expect(may(Self.entry(node: "host2"), Self.entry()) == .otherNode)
        #expect(may(Self.entry(node: "host2"), nil) == .otherNode)
        #expect(may(Self.entry(node: nil), nil) == .otherNode)
        #expect(may(Self.entry(), Self.entry(node: "host2")) == .otherNode)
        #expect(may(Self.entry(), Self.entry(address: "10.9.0.1")) == .notGranted)
        #expect(may(Self.entry(), Self.entry(account: "db")) == .notGranted)
    }

    @Test func `I19 an editor gives no host more than it was granted`() throws {
        let grants = try Self.grants()
        let editor = Principal(name: "ed", role: .editor(namespaces: ["shop"]))
        let may = { (before: Registration?, after: Registration?) in grants.mayChange(before, to: after, by: editor)?.reason }
        #expect(may(nil, Self.entry()) == nil && may(nil, Self.entry(node: nil, address: "192.0.2.1")) == nil)
        #expect(may(nil, Self.entry(node: "host2")) == .notGranted)
        #expect(may(Self.entry(), Self.entry(address: "10.9.0.1")) == .notGranted)
        #expect(may(Self.entry(node: nil, address: "10.9.0.1"), Self.entry(address: "10.9.0.1")) == .notGranted)
        // What an admin wrote may be labelled and removed.
        #expect(may(Self.entry(node: "host2"), Self.entry(node: "host2")) == nil && may(Self.entry(node: "host2"), nil) == nil)
        let viewer = Principal(name: "v", role: .viewer)
        #expect(grants.mayChange(nil, to: Self.entry(), by: viewer)?.reason == .otherNode)
        #expect(grants.mayChange(nil, to: Self.entry(node: "host2"), by: JoiningFixture.admin) == nil)
    }

    @Test func `an entry is found by its host without being read, whatever else looks like one`() throws {
        var grants = try Self.grants()
        let key = { (name: String) in StoreKey(Registration.resource, namespace: "shop", name) }
        let texts = [
            #"{"metadata":{"name":"a","namespace":"shop","labels":{"warren.dev/node":"host2"},"annotations":{"warren.dev/node":"host1"}}}"#,
            #"{"metadata":{"name":"b","namespace":"shop","annotations":{"note":"\"warren.dev/node\":\"host1\""}}}"#,
            #"{"metadata":{"name":"c","namespace":"shop","annotations":{"warren.dev/node":"host1","a/b":"/node"}}}"#,
            #"{"metadata":{"name":"d","namespace":"shop","annotations":{"xwarren.dev/node":"host1","warren.dev/node":""}}}"#,
            #"{"warren.dev/node":"host1"#, #"/node":""#, "/", "",
        ]
        for (index, text) in texts.enumerated() { grants.set(Array(text.utf8), at: key("\(index)")) }
        #expect(Set(grants.registrations(on: "host1").map(\.name)) == ["a", "c"])
        #expect(grants.registrations(on: "host2").isEmpty)
        for index in texts.indices { grants.set(nil, at: key("\(index)")) }
        #expect(grants.registrations(on: "host1").isEmpty)
    }

    @Test func `an entry that is no object claims nothing`() throws {
        for text in ["{}", "[]", "null", #"{"metadata":[],"spec":5}"#, #"{"metadata":{"annotations":{"warren.dev/node":7}}}"#] {
            let entry = Registration(try JSON.read(text))
            #expect(entry.node == nil && entry.addresses.isEmpty)
        }
    }
}

/// What roles may do.
@Suite struct JoiningAuthorizerTests {
    private typealias Verb = Authorizer.Verb

    private func isAllowed(
        _ role: Principal.Role, _ verb: Authorizer.Verb, _ resource: String, _ namespace: String = "", _ name: String = ""
    ) -> Bool {
        (try? Authorizer.check(Principal(name: "x", role: role), verb, resource, namespace: namespace, name: name)) != nil
    }

    @Test(arguments: Authorizer.Verb.allCases)
    func `nobody reaches what the control plane keeps for itself`(verb: Authorizer.Verb) {
        for role in [Principal.Role.admin, .editor(namespaces: ["shop"]), .viewer, .node("host1")] {
            for resource in ["_tokens", "_authority", "_allocations"] { #expect(!isAllowed(role, verb, resource, "", "x")) }
        }
    }

    @Test(arguments: Authorizer.Verb.allCases)
    func `admins do everything, viewers read`(verb: Authorizer.Verb) {
        #expect(isAllowed(.admin, verb, "nodegrants.warren.dev") && isAllowed(.admin, verb, "services", "shop"))
        #expect(isAllowed(.viewer, verb, "services", "shop") == verb.isReading)
    }

    @Test(arguments: Authorizer.Verb.allCases)
    func `editors change what is in their namespaces`(verb: Authorizer.Verb) {
        let editor = Principal.Role.editor(namespaces: ["shop"])
        #expect(isAllowed(editor, verb, "authorizationpolicies.security.istio.io", "shop", "p"))
        for resource in ["services", "workloadentries.networking.istio.io"] {
            #expect(isAllowed(editor, verb, resource, "bank", "x") == verb.isReading)
            #expect(isAllowed(editor, verb, resource, "", "x") == verb.isReading)
        }
        #expect(isAllowed(editor, verb, "nodegrants.warren.dev", "", "x") == verb.isReading)
        #expect(isAllowed(editor, verb, "nodes.warren.dev", "", "x") == verb.isReading)
        #expect(isAllowed(editor, verb, "namespaces", "", "shop") == (verb.isReading || verb == .update || verb == .patch))
        #expect(isAllowed(editor, verb, "namespaces", "", "bank") == verb.isReading)
    }

    @Test(arguments: Authorizer.Verb.allCases)
    func `I19 hosts see themselves and their workloads`(verb: Authorizer.Verb) {
        let host = Principal.Role.node("host1")
        #expect(isAllowed(host, verb, "nodes.warren.dev", "", "host1") == (verb == .get || verb == .delete))
        #expect(!isAllowed(host, verb, "nodes.warren.dev", "", "host2"))
        #expect(!isAllowed(host, verb, "nodegrants.warren.dev", "", "x") && !isAllowed(host, verb, "services", "shop", "x"))
        #expect(!isAllowed(host, verb, "namespaces", "", "shop"))
        let workloads = "workloadentries.networking.istio.io"
        #expect(isAllowed(host, verb, workloads, "shop", "x") == (verb != .list && verb != .watch))
        #expect(!isAllowed(host, verb, workloads, "", ""))
    }

    @Test func `a refusal reads like Kubernetes'`() {
        do throws(APIStatus) {
            try Authorizer.check(
                Principal(name: "token:1", role: .viewer), .delete, "workloadentries.networking.istio.io", namespace: "shop",
                name: "web")
            Issue.record("allowed")
        } catch {
            #expect(
                error.message
                    == "workloadentries.networking.istio.io \"web\" is forbidden: User \"token:1\" cannot delete resource \"workloadentries\" in API "
                    + "group \"networking.istio.io\" in the namespace \"shop\"")
            #expect(error.reason == .forbidden && error.group == "networking.istio.io")
        }
    }

    @Test func `a host reads its own workloads alone`() throws {
        let entry = { (node: String) -> Value in
            [
                "metadata": ["name": "web", "namespace": "shop", "annotations": ["warren.dev/node": .string(node)]],
                "spec": ["address": "10.0.0.5"],
            ]
        }
        let host = JoiningFixture.node("host1")
        #expect(throws: Never.self) {
            try Authorizer.checkChange(host, .get, before: entry("host1"), after: nil, grants: Grants())
        }
        #expect(throws: APIStatus.self) {
            try Authorizer.checkChange(host, .get, before: entry("host2"), after: nil, grants: Grants())
        }
        #expect(throws: APIStatus.self) {
            try Authorizer.checkChange(host, .create, before: nil, after: entry("host1"), grants: Grants())
        }
        #expect(throws: Never.self) {
            try Authorizer.checkChange(JoiningFixture.admin, .create, before: nil, after: entry("host1"), grants: Grants())
        }
    }
}
