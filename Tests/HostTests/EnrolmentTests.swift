// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// Workloads come and go while traffic flows; nothing is cut, and nothing is left.
    @Suite struct Enrolment {
        private func stage(hosts: Int = 2, _ configure: (inout LabConfig) -> Void = { _ in }) throws -> (
            MeshLab, LabWorkload, LabWorkload
        ) {
            let mesh = try MeshLab(hosts: hosts) { config in
                config["capture.drainLimit"] = "2s"
                config["mesh.allowEmpty"] = "true"
                configure(&config)
            }
            let client = try mesh.add("client", on: 0)
            let server = try mesh.add("server", on: hosts - 1)
            return (mesh, client, server)
        }

        private func waitReleased(_ mesh: MeshLab, _ workloads: [LabWorkload], since before: [String]) throws {
            for (workload, state) in zip(workloads, before) {
                try waitUntil(
                    "nothing of ours is left in \(workload.name)", seconds: 4, detail: { (try? workload.networkState()) ?? "" }
                ) {
                    try workload.networkState() == state && workload.sockets("-lt").allSatisfy { !$0.contains(":150") }
                }
            }
        }

        @Test(arguments: ["both hosts", "client's host first", "server's host first"])
        func `I01 I02 the label comes and goes under traffic: no request fails, no connection is cut, nothing is left`(
            order: String
        ) throws {
            let (mesh, client, server) = try stage()
            mesh.mesh.namespace(captured: false)
            try mesh.write()
            for node in mesh.nodes { try node.start() }
            let before = try [client, server].map { try $0.networkState() }
            let echo = try server.serve("echo", port: 8080)
            let steady = try client.startClient("steady", server.address, port: 8080, "--count", "4", "--pause", "0.005")
            let plain = try client.startClient("hold", server.address6, port: 8080, "--count", "10")
            _ = try plain.event("holding")

            let turns = order.hasPrefix("client") ? mesh.nodes : mesh.nodes.reversed()
            func flip(captured: Bool) throws {
                mesh.mesh.namespace(captured: captured)
                if order == "both hosts" { return try mesh.apply() }
                for node in turns {
                    try node.host.write(LabConfig.meshPath, mesh.mesh.text)
                    usleep(700_000)
                }
            }
            try flip(captured: true)
            try mesh.waitCaptured()
            let tunnelled = try client.startClient("hold", server.address, port: 8080, "--count", "10")
            _ = try tunnelled.event("holding")
            try waitUntil("traffic goes through tunnels") {
                try mesh.nodes[0].list("tunnels").contains { $0.int("streams") >= 5 }
            }
            try flip(captured: false)
            usleep(1_500_000)
            #expect(try mesh.nodes[0].captureState(client) == "draining", "captured connections are open")

            let requests = try steady.result()
            #expect(requests.int("failed") == 0 && requests.int("requests") > 200, "\(requests)")
            for holder in [plain, tunnelled] {
                let result = try holder.result()
                #expect(result.int("alive") == 10, "\(result)")
            }
            try waitReleased(mesh, [client, server], since: before)
            #expect(try mesh.nodes[0].list("tunnels").isEmpty)
            #expect(echo.isRunning)
        }

        @Test func `a workload and a namespace that are added are captured within a second, removed ones are free again`() throws
        {
            let (mesh, client, server) = try stage()
            try mesh.start()
            let late = try mesh.lab.hosts[0].addWorkload("late")
            let before = try late.networkState()
            mesh.mesh.namespace("shop")
            mesh.mesh.workload(late, namespace: "shop")
            let started = Moment.now()
            try mesh.write()
            try waitUntil("late is captured") { try mesh.nodes[0].captureState(late) == "captured" }
            #expect(Moment.now() - started < 10)
            let echo = try server.serve("source", port: 8080)
            #expect(try late.call("receive", server.address, port: 8080)["end"] == "fin")
            let line = try mesh.nodes[1].accessLine("late's identity") { $0["src.workload"] == "late" }
            #expect(line["src.identity"] == "spiffe://cluster.local/ns/shop/sa/late")
            mesh.mesh.remove("WorkloadEntry/shop/late")
            try mesh.write()
            try waitReleased(mesh, [late], since: [before])
            #expect(try client.call("receive", server.address, port: 8080)["end"] == "fin")
            #expect(echo.isRunning)
        }

        @Test(arguments: [
            ("not YAML", "kind: Namespace\n  bad: [unclosed\n", "not YAML"),
            ("a wrong kind", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", "Pod"),
            ("an unknown field", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, lables: {}}\n", "lables"),
            (
                "a bad address",
                "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: w, namespace: default}\nspec: {address: 10.0.0.300}\n",
                "10.0.0.300"
            ),
        ])
        func `an invalid file changes nothing and is named with line, field and remedy`(what: String, text: String, word: String)
            throws
        {
            let (mesh, client, server) = try stage(hosts: 1)
            try mesh.start()
            let echo = try server.serve("echo", port: 8080)
            try mesh.nodes[0].host.write(LabConfig.meshPath, mesh.mesh.text + "---\n" + text)
            try waitUntil("the refusal is told") { try mesh.nodes[0].admin("status")["meshRefused"] != nil }
            #expect(
                mesh.nodes[0].log.contains(LabConfig.meshPath) && mesh.nodes[0].log.contains(word),
                "\(mesh.nodes[0].log.suffix(2000))")
            #expect(try client.call("echo", server.address, port: 8080).echoed)
            try mesh.write()
            try waitUntil("the good file is taken") { try mesh.nodes[0].admin("status")["meshRefused"] == nil }
            #expect(echo.isRunning)
        }

        @Test(arguments: ["empty", "no policy", "no label"])
        func `I18 a set that would open everything is refused without allowEmpty`(what: String) throws {
            let (mesh, client, server) = try stage(hosts: 1) { $0["mesh.allowEmpty"] = nil }
            mesh.mesh.policy("no-client", "{action: DENY, rules: [{from: [{source: {principals: [\"*/sa/client\"]}}]}]}")
            try mesh.start()
            let echo = try server.serve("echo", port: 8080)
            switch what {
            case "empty": mesh.mesh = MeshFile()
            case "no policy": mesh.mesh.remove("AuthorizationPolicy/default/no-client")
            default: mesh.mesh.namespace(captured: false)
            }
            try mesh.write()
            try waitUntil("the refusal is told") {
                try mesh.nodes[0].admin("status")["meshRefused"]?.contains("allowEmpty") == true
            }
            #expect(try client.call("echo", server.address, port: 8080)["end"] == "reset")
            #expect(echo.isRunning)
        }

        @Test func `I18 a file that is still being written is not read`() throws {
            let (mesh, client, server) = try stage(hosts: 1) { $0["mesh.allowEmpty"] = nil }
            mesh.mesh.policy("no-client", "{action: DENY, rules: [{from: [{source: {principals: [\"*/sa/client\"]}}]}]}")
            try mesh.start()
            let revision = try mesh.nodes[0].admin("status").int("meshRevision")
            let echo = try server.serve("echo", port: 8080)
            // Cut in the middle, each part valid YAML by itself, written over the old file slowly.
            let half = mesh.mesh.text.components(before: "kind: AuthorizationPolicy")
            try mesh.lab.hosts[0].write("/run/half", half)
            mesh.mesh.service("new", addresses: ["10.96.0.1"], port: 80, target: 8080, app: "server")
            try mesh.lab.hosts[0].write("/run/whole", mesh.mesh.text)
            try mesh.lab.hosts[0].sh(
                "{ cat /run/half; sleep 1; tail -c +$(( $(wc -c </run/half) + 1 )) /run/whole; } >\(LabConfig.meshPath)")
            try waitUntil("the whole file is read") { try mesh.nodes[0].admin("status").int("meshRevision") > revision }
            #expect(
                !mesh.nodes[0].log.contains("allowEmpty")
                    && !mesh.nodes[0].log.contains("\"level\":\"error\",\"scope\":\"mesh\""), "\(mesh.nodes[0].log)")
            #expect(try client.call("echo", server.address, port: 8080)["end"] == "reset")
            #expect(echo.isRunning)
        }

        @Test func `I07 stopped, killed and restarted: capture stays, connections are refused meanwhile, cleanup removes it all`()
            throws
        {
            let (mesh, client, server) = try stage(hosts: 1)
            mesh.mesh.plaintext(.strict)
            let before = try [client, server].map { try $0.networkState() }
            try mesh.start()
            let echo = try server.serve("echo", port: 8080)
            let stranger = try mesh.addStranger("stranger", on: 0)
            for signal in [SIGTERM, SIGKILL] {
                #expect(try client.call("echo", server.address, port: 8080).echoed)
                mesh.nodes[0].stop(signal)
                for caller in [client, stranger] {
                    let end = try caller.call("echo", server.address, port: 8080)["end"]
                    #expect(end == "refused" || end == "reset", "\(caller.name) after signal \(signal): \(end ?? "")")
                }
                try mesh.nodes[0].start()
                try mesh.waitCaptured()
            }
            #expect(try client.call("echo", server.address, port: 8080).echoed)
            let refused = try mesh.nodes[0].host.run([Programs.path("warrend"), "cleanup"])
            #expect(!refused.succeeded, "cleanup beside a running daemon: \(refused)")
            mesh.nodes[0].stop(SIGKILL)
            for _ in 0..<2 {
                let outcome = try mesh.nodes[0].host.run([Programs.path("warrend"), "cleanup"])
                #expect(outcome.succeeded, "\(outcome)")
                for (workload, state) in zip([client, server], before) { #expect(try workload.networkState() == state) }
            }
            #expect(try client.call("echo", server.address, port: 8080).echoed, "free again")
            #expect(echo.isRunning)
        }
    }
}

extension String {
    /// What stands before a text; everything if that isn't in it.
    func components(before text: String) -> String { firstRange(of: text).map { String(self[..<$0.lowerBound]) } ?? self }
}
