// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// Root on one host of a mesh tries to be another.
    @Suite struct Intruder {
        /// What is tried, which answer it must get, and what the line of the audit says of it; nil: it changes nothing, and isn't refused either.
        private static let expected: [(what: String, code: String, audit: String?)] = [
            ("register for the other host", "403", "is of host host2"),
            ("register the other host's address", "403", "has no grant for service account default/web at 10.66.2.10:"),
            ("register an address in use", "422", "it is the address of the workload default/web"),
            ("register an account that isn't granted", "403", "has no grant for service account default/db"),
            ("register in a namespace that isn't granted", "403", "has no grant for service account vault/web"),
            ("register a name instead of an address", "403", "needs addresses that are IP addresses"),
            ("register on no host", "403", "is of no host"),
            ("take the other host's workload", "403", "is of host host2"),
            ("change the other host's workload", "403", "is of host host2"),
            ("apply the other host's workload", "403", "is of host host2"),
            ("give an own workload to the other host", "403", "is of host host2"),
            ("give an own workload another account", "403", "has no grant for service account default/db"),
            ("give an own workload the other's address", "403", "has no grant for service account default/web at 10.66.2.10, "),
            ("delete the other host's workload", "403", "is of host host2"),
            ("delete all workloads", "403", nil), ("write the status of the other's workload", "403", nil),
            ("make a grant", "403", "/apis/warren.dev/v1/nodegrants"),
            ("widen its own grant", "403", "/apis/warren.dev/v1/nodegrants/host1"),
            ("write a policy", "403", "default/authorizationpolicies"),
            ("write what plaintext may do", "403", "default/peerauthentications"),
            ("change a namespace", "403", "/api/v1/namespaces/default"), ("make a service", "403", "default/services"),
            ("delete the other host", "403", "/apis/warren.dev/v1/nodes/host2"),
            ("write the other host's status", "403", "nodes/host2/status"), ("write its own status", "403", "nodes/host1/status"),
            ("report the other host's workload as captured", "200", nil),
            ("list workloads", "403", "default/workloadentries"),
            ("read the other host's workload", "403", "is none of host host1"),
            ("list hosts", "403", "/apis/warren.dev/v1/nodes"), ("read the other host", "403", "/apis/warren.dev/v1/nodes/host2"),
            ("read grants", "403", "/apis/warren.dev/v1/nodegrants"), ("watch policies", "403", "authorizationpolicies?watch=1"),
            ("read accounts", "403", "serviceaccounts"), ("list tokens", "403", "/warren/v1/tokens"),
            ("read the authority", "403", "/warren/v1/authority"), ("make a token", "403", "POST"),
            ("rotate the authority", "403", "/warren/v1/authority/rotate"), ("take a backup", "403", "backup"),
            ("read what the control plane keeps for itself", "404", nil), ("read secrets", "404", nil),
            ("renew as the other host", "403", "the certificate request is for spiffe://cluster.local/node/host2"),
            ("renew as a workload", "403", "the certificate request is for spiffe://cluster.local/ns/default/sa/db"),
            (
                "renew as the control plane", "403",
                "the certificate request is for spiffe://cluster.local/ns/warren-system/sa/warren-control"
            ),
            (
                "certificate of the other host's workload", "PERMISSION_DENIED",
                "no workload of service account default/db is registered"
            ),
            ("certificate of a workload that is nowhere", "PERMISSION_DENIED", "service account default/nobody"),
            ("certificate of the control plane", "PERMISSION_DENIED", "service account warren-system/warren-control"),
            ("certificate of the other host", "INVALID_ARGUMENT", "certificates of hosts are renewed at /warren/v1/renew"),
            ("certificate of another trust domain", "PERMISSION_DENIED", "is of another trust domain"),
            ("certificate under two names", "INVALID_ARGUMENT", "the certificate request isn't taken"),
            ("certificate in another's name", "INVALID_ARGUMENT", "ImpersonatedIdentity for another"),
            ("certificate of its own workload", "issued", nil), ("subscribe as the other host", "open", nil),
            ("come to 15008 as a host", "tls", nil), ("show nothing", "401", "nothing shown"),
            ("show a workload's certificate", "401", "spiffe://cluster.local/ns/default/sa/web, which is no host's"),
            ("show a certificate that is foreign", "tls", "spiffe://cluster.local/node/host2"),
            ("show a certificate that is expired", "tls", "spiffe://cluster.local/node/host1"),
            ("show a certificate that is forged", "401", "host host2 is evicted, deleted or joined anew since"),
            ("show a token that was made up", "401", "is unknown"),
            ("use a join token as one for requests", "401", "no bearer token of ours"),
            ("join with a token that was used", "401", "was used by host host1"),
            ("join as the other host with a token for this", "403", "is for host host1"),
        ]

        private func grant(_ host: LabHost, accounts: [String]) -> String {
            """
            apiVersion: warren.dev/v1
            kind: NodeGrant
            metadata: {name: \(host.name)}
            spec: {nodes: [\(host.name)], serviceAccounts: [\(accounts.joined(separator: ", "))], namespaces: [default], \
            addresses: ["\(AddressPlan.pods(host.number))", "\(AddressPlan.pods6(host.number))"]}
            """
        }

        @Test func `I19 root on one host can't become another, whatever it tries, and each try is written down`() throws {
            let lab = try ControlLab(hosts: 3)
            let (web, db, app) = (try lab.add("web", on: 0), try lab.add("db", on: 1), try lab.add("app", on: 2))
            lab.mesh.set("NodeGrant//host1", grant(web.host, accounts: ["default/web"]))
            lab.mesh.set("NodeGrant//host2", grant(db.host, accounts: ["default/db", "default/ghost"]))
            lab.mesh.namespace("vault")
            // One of the other host that nobody captures: its namespace isn't there.
            lab.mesh.set(
                "WorkloadEntry/default/ghost",
                """
                apiVersion: networking.istio.io/v1
                kind: WorkloadEntry
                metadata: {name: ghost, namespace: default, annotations: {warren.dev/node: host2, warren.dev/network-namespace: ghost}}
                spec: {address: "\(AddressPlan.workload(2, 99))", serviceAccount: ghost}
                """)
            try lab.start()
            let server = try db.serve("echo", port: 8080)
            let held = try app.startClient("hold", db.address, port: 8080, "--count", "3", "--pause", "0.05")
            #expect(try held.event("holding").int("opened") == 3)
            let steady = try app.startClient("steady", db.address, port: 8080, "--count", "1", "--pause", "0.05")
            _ = try steady.event("began", seconds: 5)

            let outcome = try intrude(lab, web, db)
            let attempts = outcome.events("attempt")
            #expect(outcome.events("finished").count == 1, "\(outcome.log.suffix(2000))")
            #expect(attempts.compactMap { $0["what"] } == Self.expected.map(\.what))
            let audit = lab.log.split(separator: "\n").filter { $0.contains("audit: refused") }
            for (what, code, words) in Self.expected {
                let attempt = try #require(attempts.first { $0["what"] == what }, "\(what)")
                #expect(attempt["code"] == code, "\(attempt)")
                guard let words else { continue }
                // Who, what, from where.
                let line = audit.first { $0.contains(words) && $0.contains(AddressPlan.host(1)) }
                #expect(line != nil, "\(what): no line of the audit says \(words)")
                let isKnown = code != "401" && code != "tls" && !what.hasPrefix("join")
                #expect(!isKnown || line?.contains("node:host1") == true, "\(line ?? "")")
            }
            // It was told of its own workloads, whatever it called itself, and of nothing that no host is told of.
            let told = try #require(attempts.first { $0["what"] == "subscribe as the other host" })
            #expect(told.list("local").map { $0.split(separator: "/").last } == ["web"], "\(told)")
            #expect(
                Set(told.list("types")).isSubset(of: [
                    "istio.workload.Address", "istio.security.Authorization", "warren.workload.LocalWorkload",
                    "warren.security.Eviction",
                ]), "\(told)")
            try checkUnchanged(lab, db)
            for client in [held, steady] {
                let result = try client.result()
                #expect(result.int("failed") <= 0 && result.count("failed") <= 0, "\(result)")
                if client === held { #expect(result.int("alive") == 3, "\(result)") }
            }
            #expect(try web.call("echo", db.address, port: 8080).echoed, "who tried is served by its own name still")
            withExtendedLifetime(server) {}
        }

        private func intrude(_ lab: ControlLab, _ web: LabWorkload, _ db: LabWorkload) throws -> LabProcess {
            let (host, outside) = (web.host, lab.outside)
            // What only somebody else could have made: another authority's certificate, and ours with another key or past its time.
            let foreign = try host.makeLeaf(identity: "spiffe://cluster.local/node/host2")
            try outside.sh(
                """
                mkdir -p /run/stolen && cd /run/stolen
                cp /var/lib/warren/ca/intermediate-*.pem intermediate.pem && cp /var/lib/warren/ca/intermediate-*.key intermediate-key.pem
                """)
            for (kind, node) in [("expired", "host1"), ("good", "host2")] {
                let made = try outside.run(
                    Peer.command(
                        "certificates",
                        [
                            "leaf", kind, "--ca", "/run/stolen", "--out", "/run/stolen/\(kind)", "--id",
                            "spiffe://cluster.local/node/\(node)",
                        ]
                    ))
                #expect(made.succeeded, "\(made)")
                for end in ["pem", "key"] {
                    try host.write("/run/\(kind).\(end)", outside.read("/run/stolen/\(kind).\(end)"), mode: 0o600)
                }
            }
            func token() throws -> String { try lab.json("token", "create", "--node", "host1")["token"] ?? "" }
            let (used, bound) = (try token(), try token())
            // The host joins anew with the one, by another name of its key: that one is spent.
            lab.nodes[0].stop()
            let joined = try lab.nodes[0].warren(
                "join", "https://\(AddressPlan.outside):\(ControlLab.port)", "--token", used, "--node", "host1", "--no-start",
                "--force")
            #expect(joined.succeeded, "\(joined)")
            try lab.nodes[0].start()
            try lab.waitCaptured()
            let process = try host.start(
                Peer.command(
                    "intruder",
                    [
                        "\(AddressPlan.outside):\(ControlLab.port)", "/var/lib/warren/node", "--me", "host1", "--other", "host2",
                        "--free", AddressPlan.workload(1, 77), "--used", web.address, "--theirs", db.address, "--ghost",
                        "Kubernetes/networking.istio.io/WorkloadEntry/default/ghost", "--token", used, "--bound", bound,
                        "--foreign",
                        foreign, "--expired", "/run/expired", "--forged", "/run/good",
                    ]))
            #expect(process.wait(seconds: 60) == 0, "\(process.log.suffix(3000))")
            return process
        }

        private func checkUnchanged(_ lab: ControlLab, _ theirs: LabWorkload) throws {
            let entries = try lab.json("get", "workloadentries").elements("items")
            #expect(Set(entries.compactMap { $0["metadata.name"] }) == ["web", "db", "app", "ghost"])
            let db = try #require(entries.first { $0["metadata.name"] == "db" })
            #expect(db["spec.serviceAccount"] == "db" && db["metadata.annotations.warren.dev/node"] == "host2", "\(db)")
            #expect(try lab.json("get", "authorizationpolicies").elements("items").isEmpty)
            #expect(try lab.json("get", "nodegrants").elements("items").count == 3)
            #expect(
                Set(try lab.json("get", "nodes").elements("items").compactMap { $0["metadata.name"] }) == [
                    "host1", "host2", "host3",
                ])
            // Nobody was told that the other host's workload is reached by tunnel: its own host didn't say so.
            let ghost = try lab.nodes[2].list("workloads").first { $0["name"] == "ghost" }
            #expect(ghost != nil && ghost?["protocol"] != "HBONE", "\(ghost.map { $0.description } ?? "")")
            #expect(try lab.nodes[1].captureState(theirs) == "captured")
        }
    }
}
