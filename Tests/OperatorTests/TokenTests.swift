// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel
import Support
import Testing

@testable import Operator

private let digest = String(repeating: "ab", count: 32)

@Suite struct TokenTests {
    private func desk(token: String) -> Desk {
        let desk = Desk()
        desk.plane.handlers["POST /warren/v1/tokens"] = { _ in
            ControlAnswer(
                status: 201,
                body: (["token": .string(token), "id": "0123", "expires": "2027-01-15T09:00:00Z"] as Value).jsonBytes)
        }
        return desk
    }

    private func body(_ desk: Desk) throws -> Value { try JSON.read(try #require(desk.plane.requests.last).body) }

    @Test func `a join token is one line to paste`() throws {
        let desk = desk(token: "wj1.0123.4567.\(digest)")
        #expect(desk.run("token", "create", "--node", "host-b", "--ttl", "2h", "--address", "10.0.0.1") == .ok)
        #expect(desk.output == "warren join https://10.0.0.1:15012 --token wj1.0123.4567.\(digest)\n")
        #expect(try body(desk) == ["kind": "join", "node": "host-b", "ttl": "2h"])
        #expect(desk.run("token", "create", "-o", "json") == .ok)
        #expect(desk.output.contains("\"command\": \"warren join https://\(hostName()):15012 --token wj1."))
    }

    @Test func `other tokens are printed alone`() throws {
        let desk = desk(token: "wa1.0123.4567")
        #expect(desk.run("token", "create", "--role", "editor", "-n", "shop", "-n", "bank", "--note", "ci") == .ok)
        #expect(desk.output == "wa1.0123.4567\n")
        #expect(try body(desk) == ["kind": "bearer", "role": "editor", "namespaces": ["shop", "bank"], "note": "ci"])
        #expect(desk.run("token", "create", "--for", "ztunnel", "--node", "host-c") == .ok)
        #expect(try body(desk) == ["kind": "bearer", "role": "node", "node": "host-c"])
    }

    @Test(arguments: [
        ["--for", "ztunnel"], ["--for", "ztunnel", "--node", "x", "--role", "admin"], ["--role", "admin", "--node", "x"],
        ["--role", "editor"], ["--role", "viewer", "-n", "shop"], ["-n", "shop"],
    ])
    func `what doesn't fit together is wrong usage, and no token is made`(words: [String]) {
        let desk = desk(token: "wa1.0123.4567")
        #expect(Warren.run(["token", "create"] + words, desk.session) == .usage)
        #expect(desk.plane.requests.isEmpty)
    }

    @Test(arguments: ["", "a b", "x\u{1b}[2J", "é"]) func `an answer without a token is told`(token: String) {
        let desk = desk(token: token)
        #expect(desk.run("token", "create") == .failed)
        #expect(desk.output.isEmpty)
    }

    @Test func `tokens are listed with what they are for, and revoked by their number`() {
        let desk = Desk()
        desk.plane.answers["GET /warren/v1/tokens"] = FakePlane.ok([
            "tokens": [
                [
                    "id": "01", "kind": "join", "node": "host-b", "expires": "2027-01-15T09:00:00Z", "createdBy": "root",
                    "usedBy": "host-b",
                ],
                [
                    "id": "02", "kind": "bearer", "role": ["name": "editor", "namespaces": ["shop", "a\u{9b}b"]],
                    "expires": "2027-01-15T07:00:00Z", "createdBy": "root", "note": "ci",
                ], 5, ["role": ["name": "node", "node": "host-c"]],
            ]
        ])
        #expect(desk.run("token", "list") == .ok)
        func words(_ id: String) -> [String]? {
            desk.output.split(separator: "\n").first { $0.hasPrefix(id) }?.split(separator: "  ").map {
                $0.split(separator: " ").joined(separator: " ")
            }
        }
        #expect(words("01") == ["01", "join of host-b", "in 1h00m", "host-b", "root", "-"])
        #expect(words("02")?.prefix(3) == ["02", "editor of shop,a?b", "expired"])
        #expect(desk.output.contains("node of host-c"))
        desk.plane.handlers["DELETE /warren/v1/tokens/02"] = { _ in FakePlane.ok([:]) }
        #expect(desk.run("token", "revoke", "wj1.02.secret.x") == .ok)
        #expect(desk.plane.requests.last?.target == "/warren/v1/tokens/02")
        #expect(desk.run("token", "revoke", "../x") == .failed)
        #expect(desk.run("token", "revoke") == .usage)
    }

    @Test(arguments: [
        "", "wj1", "wj1.a.b", "wj1.a.b.\(digest).c", "wa1.a.b.\(digest)", "wj1..b.\(digest)", "wj1.a.b.\(digest.uppercased())",
        "wj1.a.b.abcd", "wj1.a\n.b.\(digest)", "wj1.a\".b.\(digest)",
    ])
    func `what is no join token is none`(text: String) { #expect(JoinToken(text) == nil) }
}

@Suite struct KubeconfigTests {
    private func desk() -> Desk {
        let desk = Desk()
        desk.plane.answers["GET /warren/v1/roots"] = FakePlane.ok([
            "roots": "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n", "trustDomain": "cluster.local",
        ])
        desk.plane.handlers["POST /warren/v1/tokens"] = { _ in FakePlane.ok(["token": "wa1.0123.4567"]) }
        return desk
    }

    @Test func `it names the server, the roots and a token of its own`() throws {
        let desk = desk()
        #expect(desk.run("kubeconfig", "--address", "control.example", "-n", "shop", "--role", "editor") == .ok)
        let document = try #require(try YAML.read(desk.output).first)
        let cluster = document["clusters"]?.sequenceValue?.first?["cluster"]
        #expect(cluster?["server"]?.stringValue == "https://control.example:15012")
        #expect(cluster?["certificate-authority-data"]?.stringValue?.hasPrefix("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tC") == true)
        #expect(document["users"]?.sequenceValue?.first?["user"]?["token"]?.stringValue == "wa1.0123.4567")
        #expect(document["contexts"]?.sequenceValue?.first?["context"]?["namespace"]?.stringValue == "shop")
    }

    @Test func `a file is for its owner alone, and who gave no roots is told`() throws {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        let desk = desk()
        #expect(desk.run("kubeconfig", "--write", "\(folder)/k") == .ok)
        #expect(try File.status("\(folder)/k").mode == 0o600)
        #expect(desk.run("kubeconfig", "--write", "\(folder)/none/k") == .failed)
        #expect(desk.run("kubeconfig", "--role", "editor") == .usage)
        #expect(desk.run("kubeconfig", "--address", "a b") == .failed)
        desk.plane.answers["GET /warren/v1/roots"] = FakePlane.ok(["roots": 5])
        #expect(desk.run("kubeconfig") == .failed)
    }
}

@Suite struct NodesTests {
    private let now = WallTime(seconds: 1_800_000_000)

    private func desk() -> Desk {
        let desk = Desk()
        desk.now = now
        desk.plane.store(
            "/apis/warren.dev/v1/nodes/host-a",
            [
                "metadata": ["name": "host-a"], "spec": ["evicted": false],
                "status": [
                    "version": "0.1.0", "connectedSince": "2027-01-15T07:00:00Z", "synced": true, "revision": "id/120",
                    "certificate": ["notAfter": "2027-01-15T20:00:00Z"],
                    "workloads": [["state": "captured"], ["state": "failed"]],
                ],
            ])
        desk.plane.store(
            "/apis/warren.dev/v1/nodes/host-b",
            [
                "metadata": ["name": "host-b"], "spec": [:],
                "status": [
                    "connectedSince": "2027-01-15T07:59:00Z", "synced": false, "revision": "id/117",
                    "certificate": ["notAfter": "2027-01-15T07:00:00Z"],
                ],
            ])
        desk.plane.store("/apis/warren.dev/v1/nodes/host-c", ["metadata": ["name": "host-c"], "spec": ["evicted": true]])
        return desk
    }

    @Test func `hosts are told with how they stand`() {
        let desk = desk()
        #expect(desk.run("nodes") == .ok)
        let lines = desk.output.split(separator: "\n").map {
            $0.split(separator: "  ").map { String($0.drop { $0 == " " }) }.filter { !$0.isEmpty }
        }
        #expect(lines.dropFirst().first == ["host-a", "connected", "0.1.0", "1h00m", "synced", "1 of 2 captured", "for 12h00m"])
        #expect(lines.dropFirst(2).first == ["host-b", "connected", "-", "1m00s", "behind by 3 changes", "-", "expired"])
        #expect(lines.dropFirst(3).first == ["host-c", "evicted", "-", "-", "-", "-", "-"])
        #expect(desk.run("nodes", "host-a", "-o", "json") == .ok)
        #expect(desk.run("nodes", "gone") == .failed)
    }

    @Test func `hosts are turned out and let in again`() {
        let desk = desk()
        #expect(desk.run("nodes", "evict", "host-a") == .ok)
        #expect(desk.plane.objects["/apis/warren.dev/v1/nodes/host-a"]?["spec"]?["evicted"]?.boolValue == true)
        #expect(desk.run("nodes", "readmit", "host-a") == .ok)
        #expect(desk.plane.objects["/apis/warren.dev/v1/nodes/host-a"]?["spec"]?["evicted"]?.boolValue == false)
        #expect(desk.output == "node host-a evicted\nnode host-a readmitted\n")
        #expect(desk.run("nodes", "evict") == .usage)
        #expect(desk.run("nodes", "evict", "gone") == .failed)
    }
}

@Suite struct RegistrationTests {
    @Test func `a workload is registered through warrend, removed and listed`() throws {
        let desk = Desk()
        desk.answers["/workloads"] = [
            "workloads": [
                [
                    "namespace": "shop", "name": "web", "addresses": ["10.0.0.5"], "local": true, "captureState": "refused",
                    "captureReason": "no grant\u{1b}", "identity": "spiffe://cluster.local/ns/shop/sa/web",
                ], ["namespace": "shop", "name": "far", "local": false],
            ]
        ]
        let add = ["workload", "add", "web", "-n", "shop", "--address", "10.0.0.5", "--network-namespace", "web"]
        #expect(Warren.run(add + ["--service-account", "web", "-l", "app=web", "-l", "tier=front"], desk.session) == .ok)
        #expect(desk.requests.last?.method == .post)
        #expect(
            desk.requests.last?.body == [
                "name": "web", "namespace": "shop", "address": "10.0.0.5", "serviceAccount": "web", "networkNamespace": "web",
                "labels": ["app": "web", "tier": "front"],
            ])
        #expect(desk.run("workload", "list") == .ok)
        #expect(desk.output.contains("workload shop/web registered\n") && desk.output.contains("refused: no grant?\n"))
        #expect(desk.output.contains("shop/web") && !desk.output.contains("far"))
        #expect(desk.run("workload", "remove", "we&b", "-n", "shop") == .unreachable)
        #expect(desk.requests.last?.method == .delete)
        #expect(desk.requests.last?.target == "/workloads?namespace=shop&name=we%26b")
        for line in [
            ["workload", "add"], ["workload", "add", "a", "--address", "b"], add + ["-l", "c"], ["workload", "remove"],
        ] {
            #expect(Warren.run(line, desk.session) == .usage)
        }
    }

    @Test func `a host is told to take another store`() {
        let desk = Desk()
        desk.answers["/control/accept-store"] = ["accepted": true]
        #expect(desk.run("control", "accept-store") == .ok)
        #expect(desk.requests.last?.method == .post && desk.output.hasPrefix("warrend takes over"))
    }
}

@Suite struct ControlTests {
    @Test func `the authority is shown and changed step by step`() throws {
        let desk = Desk()
        let status: Value = [
            "phase": "steady", "since": "2027-01-15T08:00:00Z", "next": "introduce-root begins a change",
            "roots": [["subject": "CN=a\u{1b}", "sha256": "ab", "notAfter": "2037-01-15T08:00:00Z", "signs": true], 5],
            "intermediate": ["subject": "CN=i", "notAfter": "2028-01-15T08:00:00Z"],
        ]
        desk.plane.answers["GET /warren/v1/authority"] = FakePlane.ok(status)
        desk.plane.answers["POST /warren/v1/authority/rotate"] = FakePlane.ok(status)
        #expect(desk.run("control", "authority") == .ok)
        #expect(desk.output.contains("steady since 2027-01-15T08:00:00Z: introduce-root begins a change.\n"))
        #expect(!desk.output.contains("\u{1b}") && desk.output.contains("CN=a?"))
        #expect(desk.run("control", "rotate", "use-root", "--force") == .ok)
        #expect(try JSON.read(try #require(desk.plane.requests.last).body) == ["step": "use-root", "force": true])
        #expect(desk.run("control", "rotate", "rot") == .usage)
    }
}
