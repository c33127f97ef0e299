// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// One daemon takes over from another under traffic.
    @Suite struct Handover {
        private static let never = "/etc/warren/never.yaml"

        private func stage(hosts: Int = 2, _ configure: (inout LabConfig) -> Void = { _ in }) throws -> (
            MeshLab, LabWorkload, LabWorkload, LabProcess
        ) {
            let mesh = try MeshLab(hosts: hosts) { config in
                config["mesh.allowEmpty"] = "true"
                config["capture.drainLimit"] = "0s"
                configure(&config)
            }
            let client = try mesh.add("client", on: 0)
            let server = try mesh.add("server", on: hosts - 1)
            try mesh.start()
            return (mesh, client, server, try server.serve("echo", port: 8080))
        }

        private func waitEnded(_ process: LabProcess) throws {
            try waitUntil("\(process.name) ends", seconds: 3, detail: { process.log.suffix(3000).description }) {
                process.status == 0
            }
        }

        private func generations(_ node: LabNode) throws -> [PeerEvent] { try node.admin("status").elements("generations") }

        @Test func `I24 two upgrades of both hosts under traffic refuse, reset and cut nothing`() throws {
            let (mesh, client, server, echo) = try stage()
            let neighbour = try mesh.add("neighbour", on: 1)
            let stranger = try mesh.addStranger("stranger", on: 0)
            try mesh.apply()
            try mesh.waitCaptured()
            let outside = try stranger.serve("echo", port: 8080)
            func hold(_ from: LabWorkload, _ to: String) throws -> LabProcess {
                let holder = try from.startClient("hold", to, port: 8080, "--count", "5", "--pause", "0.05")
                _ = try holder.event("holding")
                return holder
            }
            let holders = [
                try hold(client, server.address), try hold(client, server.address6), try hold(neighbour, server.address),
                try hold(stranger, server.address), try hold(client, stranger.address),
            ]
            let steady = try [client, neighbour, stranger].map {
                try $0.startClient("steady", server.address, port: 8080, "--count", "4", "--pause", "0.002")
            }
            var (old, later): ([LabProcess], [LabProcess]) = ([], [])
            for turn in 1...2 {
                for node in mesh.nodes { old.append(try node.upgrade()) }
                later.append(try hold(client, server.address))
                try waitUntil("the generations are listed", seconds: 3) {
                    try mesh.nodes.allSatisfy { try generations($0).count == turn }
                }
                usleep(500_000)
            }
            #expect(try mesh.nodes[0].warren("status").out.contains("finishing"))
            #expect(try mesh.nodes[0].metric("warren_draining_generations") == 2)
            #expect(try mesh.nodes[0].metric("warren_draining_connections") >= 10)
            for client in steady {
                let result = try client.result()
                #expect(result.int("failed") == 0 && result.int("requests") > 200, "\(result)\n\(mesh.accessLog)")
            }
            for holder in holders + later {
                let result = try holder.result()
                #expect(result.int("alive") == 5, "\(result)\n\(mesh.accessLog)")
            }
            for process in old { try waitEnded(process) }
            try waitUntil("no generation is left", seconds: 3) { try mesh.nodes.allSatisfy { try generations($0).isEmpty } }
            #expect(try mesh.nodes[0].host.run(["ls", "-A", "/run/warren/draining"]).out == "")
            #expect(echo.isRunning && outside.isRunning)
        }

        @Test func `I24 who drains cuts what a new policy denies, tells of itself, and waits for nothing else`() throws {
            let (mesh, client, server, echo) = try stage()
            let holder = try client.startClient("hold", server.address, port: 8080, "--count", "3", "--pause", "0.05")
            _ = try holder.event("holding")
            let old = try mesh.nodes.map { try $0.upgrade() }
            try waitUntil("it counts", seconds: 3) {
                try generations(mesh.nodes[1]).first?.int("connections") == 3
            }
            let process = try #require(try generations(mesh.nodes[1]).first?["process"])
            let socket = "/run/warren/draining/\(process).sock"
            let host = mesh.nodes[1].host
            #expect(try host.run([Programs.path("warren"), "connections", "--socket", socket]).out.contains("client"))
            #expect(try host.run(["curl", "-sS", "--unix-socket", socket, "http://w/metrics"]).out.contains("istio_build"))
            mesh.mesh.policy("no-client", "{action: DENY, rules: [{from: [{source: {principals: [\"*/sa/client\"]}}]}]}")
            try mesh.apply()
            for process in old { try waitEnded(process) }
            let result = try holder.result()
            #expect(result.int("alive") == 0 && result["ended.reset"] == "3", "\(result)")
            #expect(old[1].log.contains("no-client"), "\(old[1].log.suffix(2000))")
            #expect(echo.isRunning)
        }

        /// What becomes of the one that was to take over.
        enum Fault: String, CaseIterable, CustomStringConvertible {
            case late = "it is never ready"
            case killed = "it is killed"
            case stopped = "it hangs"
            var description: String { rawValue }
        }

        @Test(arguments: Fault.allCases)
        func `I24 where nobody comes to take over all goes on as before`(fault: Fault) throws {
            let (mesh, client, server, echo) = try stage { $0["handover.timeout"] = "1s" }
            let node = mesh.nodes[0]
            // The mesh that it is told to read isn't there: it never is ready.
            var configuration = node.config
            configuration["mesh.path"] = "/etc/warren/no-mesh.yaml"
            try node.host.write(Self.never, configuration.text)
            let holder = try client.startClient("hold", server.address, port: 8080, "--count", "5", "--pause", "0.05")
            _ = try holder.event("holding")
            let steady = try client.startClient("steady", server.address, port: 8080, "--count", "4", "--pause", "0.002")
            let state = try client.networkState()
            let next = try node.startSuccessor(Self.never)
            let serving = try #require(node.daemon)
            try serving.waitFor("takes over")
            usleep(300_000)
            switch fault {
            case .late: break
            case .killed: next.signal(SIGKILL)
            case .stopped: next.signal(SIGSTOP)
            }
            try serving.waitFor("this process serves on", seconds: 3)
            // What ran it stopped with it.
            if fault == .stopped { next.stop(SIGKILL) }
            try waitUntil("the other one ends", seconds: 3) { next.status != nil }
            #expect(serving.log.contains("is killed") == (fault != .killed))
            mesh.mesh.policy("none", "{action: DENY, rules: [{from: [{source: {principals: [\"*/sa/nobody\"]}}]}]}")
            try mesh.apply()
            #expect(try node.captureState(client) == "captured")
            #expect(try client.networkState() == state)
            // And then somebody does.
            let old = try node.upgrade()
            let result = try steady.result()
            #expect(result.int("failed") == 0 && result.int("requests") > 100, "\(result)\n\(mesh.accessLog)")
            #expect(try holder.result().int("alive") == 5)
            try waitEnded(old)
            #expect(echo.isRunning)
        }

        @Test func `I24 the oldest generation beyond the cap is told to end`() throws {
            let (mesh, client, server, echo) = try stage {
                $0["handover.generations"] = "1"
                $0["timeouts.drain"] = "1s"
            }
            let node = mesh.nodes[0]
            let first = try client.startClient("hold", server.address, port: 8080, "--count", "2", "--pause", "0.05")
            _ = try first.event("holding")
            let oldest = try node.upgrade()
            usleep(1_100_000)
            let second = try client.startClient("hold", server.address, port: 8080, "--count", "2", "--pause", "0.05")
            _ = try second.event("holding")
            let older = try node.upgrade()
            try waitEnded(oldest)
            #expect(node.log.contains("handover.generations"), "\(node.log.suffix(3000))")
            #expect(older.isRunning)
            #expect(try first.result().int("alive") == 0)
            #expect(try second.result().int("alive") == 2)
            try waitEnded(older)
            #expect(echo.isRunning)
        }

        @Test func `I24 kill -9 of who drains or serves costs each its own connections`() throws {
            let (mesh, client, server, echo) = try stage()
            let node = mesh.nodes[0]
            func hold() throws -> LabProcess {
                let holder = try client.startClient("hold", server.address, port: 8080, "--count", "2", "--pause", "0.05")
                _ = try holder.event("holding")
                return holder
            }
            let first = try hold()
            let oldest = try node.upgrade()
            let second = try hold()
            let older = try node.upgrade()
            let third = try hold()
            oldest.stop(SIGKILL)
            try waitUntil("it is forgotten", seconds: 3) { try generations(node).count == 1 }
            node.stop(SIGKILL)
            let plain = try node.host.run([Programs.path("warrend"), "cleanup"])
            #expect(plain.status == 1 && plain.err.contains("still being finished"), "\(plain)")
            try node.start()
            try mesh.waitCaptured()
            #expect(try client.call("echo", server.address, port: 8080).echoed, "\(mesh.accessLog)")
            #expect(try first.result().int("alive") == 0)
            #expect(try third.result().int("alive") == 0)
            #expect(try second.result().int("alive") == 2, "\(older.log.suffix(2000))")
            try waitEnded(older)
            #expect(echo.isRunning)
        }

        @Test func `I24 I02 a release waits for the connections of who drains`() throws {
            let (mesh, client, server, echo) = try stage()
            let node = mesh.nodes[0]
            let holder = try client.startClient("hold", server.address, port: 8080, "--count", "2", "--pause", "0.05")
            _ = try holder.event("holding")
            try node.upgrade()
            mesh.mesh.namespace(captured: false)
            try mesh.apply()
            usleep(2_500_000)
            #expect(try node.captureState(client) == "draining")
            // An upgrade in the middle of it changes nothing.
            try node.upgrade()
            usleep(2_500_000)
            let result = try holder.result()
            #expect(result.int("alive") == 2, "\(result)\n\(node.log.suffix(3000))")
            try waitUntil("nothing of ours is left", seconds: 5, detail: { node.log.suffix(3000).description }) {
                try client.networkState().contains("warren") == false && client.sockets("-lt").allSatisfy { !$0.contains(":150") }
            }
            for process in node.former { try waitEnded(process) }
            #expect(echo.isRunning)
        }

        @Test func `I24 a stranger at the handover socket gets nothing and disturbs nobody`() throws {
            let (mesh, client, server, echo) = try stage { $0["handover.timeout"] = "1s" }
            let host = mesh.nodes[0].host
            func say(_ words: String, as user: [String] = []) throws -> Outcome {
                let script = """
                    import socket, sys
                    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(5)
                    s.connect("/run/warren/handover.sock"); s.send(sys.argv[1].encode() or b" "); print(s.recv(65536).decode())
                    """
                return try host.run(user + ["python3", "-c", script, words])
            }
            let user = try say("{}", as: ["setpriv", "--reuid", "65534", "--clear-groups"])
            #expect(user.err.contains("Permission denied"), "\(user)")
            for words in [
                "{}", "not JSON", "{\"protocol\":2,\"say\":\"hello\"}", "{\"protocol\":1,\"say\":\"serving\"}",
                "{\"protocol\":1,\"say\":\"take\",\"index\":0}", String(repeating: "[", count: 10_000),
            ] {
                #expect(try say(words).out.contains("refused"), "\(words.prefix(60))")
            }
            // One that says hello and goes.
            #expect(try say("{\"protocol\":1,\"say\":\"hello\",\"version\":\"0\"}").out.contains("offer"))
            try waitUntil("it serves on", seconds: 3) { mesh.nodes[0].log.contains("this process serves on") }
            #expect(try client.call("echo", server.address, port: 8080).echoed, "\(mesh.accessLog)")
            let second = try host.run([Programs.path("warrend"), "--config", LabConfig.path])
            #expect(second.status == 69 && second.err.contains("--take-over"), "\(second)")
            #expect(echo.isRunning)
        }
    }
}
