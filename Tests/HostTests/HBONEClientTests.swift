// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// `warrend` as client of an HBONE server that isn't ours, good and misbehaving.
    @Suite struct HBONEClient {
        /// Bounds short enough to wait for.
        private static func quick(_ config: inout LabConfig) {
            for name in ["connect", "tlsHandshake", "http2", "connectReply"] { config["timeouts.\(name)"] = "2s" }
            config["timeouts.establish"] = "10s"
        }

        @Test func `the CONNECT has the headers of the protocol in its order, without SNI, over TLS 1_3`() throws {
            let stage = try HBONEStage()
            stage.mesh.mesh.service("shop", addresses: ["10.96.0.1"], port: 80, target: 8080, app: "peer")
            try stage.mesh.apply()
            let server = try stage.server("echo")
            #expect(try stage.web.call("echo", stage.peer.address, port: 8080).echoed, "\(stage.mesh.accessLog)")
            let connect = try server.event("connect")
            #expect(connect.list("names") == [":method", ":authority", "baggage", "forwarded", "traceparent"], "\(connect)")
            #expect(connect["headers.:method"] == "CONNECT" && connect["headers.:authority"] == "\(stage.peer.address):8080")
            #expect(connect["headers.baggage"]?.contains("k8s.namespace.name=default") == true)
            #expect(connect["headers.forwarded"]?.hasPrefix("for=\"\(stage.web.address):") == true, "\(connect)")
            #expect(connect["headers.traceparent"]?.wholeMatch(of: /00-[0-9a-f]{32}-[0-9a-f]{16}-00/) != nil, "\(connect)")

            let tls = try server.event("tls")
            #expect(tls["sni"] == nil && tls["version"] == "TLSv1.3" && tls["alpn"] == "h2", "\(tls)")
            #expect(tls.list("peer") == ["spiffe://cluster.local/ns/default/sa/web"], "\(tls)")
            #expect(try server.event("accepted")["peer"] == stage.web.address)
            let settings = try server.event("settings")
            #expect(settings.int("ENABLE_PUSH") == 0 && settings.int("MAX_FRAME_SIZE") == 1 << 20, "\(settings)")

            #expect(try stage.web.call("echo", "10.96.0.1", port: 80).echoed)
            let service = try server.event("connect") { $0["headers.forwarded"]?.contains("host=") == true }
            #expect(service["headers.forwarded"]?.hasSuffix(";host=shop.default.svc.cluster.local") == true, "\(service)")
            #expect(service["headers.:authority"] == "\(stage.peer.address):8080")
        }

        @Test func `one tunnel carries many connections, of both families one each`() throws {
            let stage = try HBONEStage()
            let server = try stage.server("echo")
            for family in Family.allCases {
                for _ in 0..<10 { #expect(try stage.web.call("echo", stage.peer.address(family), port: 8080).echoed) }
            }
            #expect(server.events("connect").count == 20)
            // A pool belongs to a loop: at most one tunnel per loop and address.
            #expect(server.events("accepted").count <= 4, "\(server.events("accepted").count) tunnels")
        }

        /// A server's manner, and what the application and the server see of it.
        struct Row: Sendable {
            let options: [String]
            /// `echoed`, or how the application's connection ends.
            let end: String
            /// How many tunnels the server sees, nil if that doesn't matter.
            let tunnels: Int?
            let what: String

            init(_ what: String, _ options: [String], _ end: String, tunnels: Int? = nil) {
                self.what = what
                self.options = options
                self.end = end
                self.tunnels = tunnels
            }
        }

        private static let rows = [
            Row("503", ["status", "--status", "503"], "reset", tunnels: 1),
            Row("403", ["status", "--status", "403"], "reset", tunnels: 1),
            Row("401 is never retried", ["status", "--status", "401"], "reset", tunnels: 1),
            Row("400 is never retried", ["status", "--status", "400"], "reset", tunnels: 1),
            Row("302", ["status", "--status", "302"], "reset"),
            Row("RST_STREAM INTERNAL_ERROR", ["reset", "--code", "2"], "reset", tunnels: 1),
            Row("I13 REFUSED_STREAM is retried once on a new tunnel", ["refuse-first"], "echoed", tunnels: 2),
            Row("I13 always REFUSED_STREAM ends", ["reset", "--code", "7"], "reset"),
            Row("I13 GOAWAY below our stream is retried once on a new tunnel", ["goaway-first"], "echoed", tunnels: 2),
            Row("GOAWAY after our stream: it goes on", ["goaway-after"], "echoed", tunnels: 1),
            Row("no answer to the CONNECT", ["silent"], "reset"),
            Row("no TLS", ["silent-tls"], "reset"),
            Row("no HTTP/2", ["silent-http"], "reset"),
            Row("hangs up after TCP", ["hang-up", "--at", "tcp"], "reset"),
            Row("hangs up after TLS", ["hang-up", "--at", "tls"], "reset"),
            Row("hangs up after the CONNECT", ["hang-up", "--at", "connect"], "reset"),
            Row("hangs up after the answer", ["hang-up", "--at", "answer"], "reset"),
            Row("resets after TCP", ["hang-up-reset", "--at", "tcp"], "reset"),
            Row("resets after the CONNECT", ["hang-up-reset", "--at", "connect"], "reset"),
            Row("another ALPN", ["echo", "--alpn", "http/1.1"], "reset"),
            Row("TLS 1.2", ["echo", "--tls", "1.2"], "reset"),
            Row("frames of 16,384 only", ["echo", "--frame", "16384"], "echoed"),
            Row("frames of 1 MiB", ["echo", "--frame", "1048576"], "echoed"),
        ]

        @Test func `however the server behaves, the application learns the truth within the bounds`() throws {
            let stage = try HBONEStage(configure: Self.quick)
            for row in Self.rows {
                let server = try stage.server(row.options[0], more: Array(row.options.dropFirst()))
                let started = Moment.now()
                let result = try stage.web.call(
                    "echo", stage.peer.address, port: 8080, "--bytes", "100000", "--seconds", "30", seconds: 40)
                let end = result.echoed ? "echoed" : result["end"] ?? "?"
                #expect(end == row.end, "\(row.what): \(result)\n\(server.log.suffix(1500))\n\(stage.mesh.accessLog)")
                #expect(Moment.now() - started < 15, "\(row.what): bounded")
                if let tunnels = row.tunnels { #expect(server.events("accepted").count == tunnels, "\(row.what): \(server.log)") }
                if row.end == "reset" {
                    let line = try stage.node.accessLine("why: \(row.what)") {
                        $0["error"] != nil && $0["direction"] == "outbound"
                    }
                    #expect(line["response_flags"] != "-", "\(row.what): \(line)")
                }
                server.stop(SIGKILL)
                try waitUntil("its tunnels are gone") { try stage.node.list("tunnels").allSatisfy { $0["side"] != "client" } }
            }
        }

        @Test func `a server that takes one stream gets one tunnel per connection`() throws {
            let stage = try HBONEStage(configure: Self.quick)
            let server = try stage.server("one-stream")
            let holder = try stage.web.startClient("hold", stage.peer.address, port: 8080, "--count", "4")
            #expect(try holder.event("holding", seconds: 3).int("opened") == 4)
            #expect(try holder.result().int("alive") == 4)
            #expect(server.events("accepted").count >= 4)
            #expect(server.events("reset").isEmpty, "\(server.log)")
        }

        @Test func `a server that never opens its window stalls that connection alone, in bounded memory`() throws {
            let stage = try HBONEStage(configure: Self.quick)
            let server = try stage.server("no-window")
            let before = stage.node.daemon?.residentKiB ?? 0
            let result = try stage.web.call("stall", stage.peer.address, port: 8080, "--bytes", "\(1 << 28)", "--seconds", "4")
            #expect(result.int("sent") > 0 && result.int("sent") < 32 << 20, "\(result)")
            #expect((stage.node.daemon?.residentKiB ?? 0) - before < 32 << 10)
            let outside = try stage.mesh.lab.outside.serve("echo", port: 8080)
            #expect(try stage.web.call("echo", stage.mesh.lab.outside.address, port: 8080).echoed)
            #expect(server.isRunning && outside.isRunning)
        }

        @Test func `after GOAWAY the next connection opens a new tunnel, the open one goes on`() throws {
            let stage = try HBONEStage()
            let server = try stage.server("goaway-after")
            let holder = try stage.web.startClient("hold", stage.peer.address, port: 8080)
            _ = try holder.event("holding")
            #expect(try stage.web.call("echo", stage.peer.address, port: 8080).echoed)
            #expect(try holder.result().int("alive") == 1)
            #expect(server.events("accepted").count == 2, "\(server.log)")
        }

        @Test(arguments: ["cut", "cut-notify"])
        func `I12 a tunnel that ends without END_STREAM is a reset to the application`(mode: String) throws {
            let stage = try HBONEStage()
            let server = try stage.server(mode, "--bytes", "3000000")
            let result = try stage.web.call("receive", stage.peer.address, port: 8080)
            #expect(result["end"] == "reset", "\(result)\n\(server.log)")
            let full = try stage.server("send", "--bytes", "3000000", "--port", "15008", again: server)
            let good = try stage.web.call("receive", stage.peer.address, port: 8080)
            #expect(good["end"] == "fin" && good.int("received") == 3_000_000, "\(good)\n\(full.log)")
        }

        @Test(arguments: ["expired", "other-domain", "two-uris", "unknown-ca", "no-san", "long-path"])
        func `a server whose certificate isn't right is no server`(kind: String) throws {
            let stage = try HBONEStage(configure: Self.quick)
            let server = try stage.server("echo", certificate: stage.certificate(kind))
            let result = try stage.web.call("echo", stage.peer.address, port: 8080)
            #expect(result["end"] == "reset", "\(result)")
            #expect(server.events("connect").isEmpty)
            let line = try stage.node.accessLine("why") { $0["error"] != nil }
            #expect(["TLS_FAILURE", "IDENTITY_ERROR"].contains(line["response_flags"]), "\(line)")
        }

        @Test func `a server with another workload's certificate is refused by name`() throws {
            let stage = try HBONEStage(configure: Self.quick)
            let other = try stage.peer.makeLeaf(identity: "spiffe://cluster.local/ns/default/sa/someone")
            let server = try stage.server("echo", certificate: other)
            #expect(try stage.web.call("echo", stage.peer.address, port: 8080)["end"] == "reset")
            let line = try stage.node.accessLine("both names") { $0["error"]?.contains("someone") == true }
            #expect(line["response_flags"] == "IDENTITY_ERROR" && line["error"]?.contains("sa/peer") == true, "\(line)")
            #expect(server.events("connect").isEmpty)
        }
    }
}

extension HBONEStage {
    /// `server` with a list of options.
    func server(_ mode: String, more options: [String]) throws -> LabProcess {
        let process = try peer.start(
            Peer.command(
                "hbone_server",
                [
                    "--mode", mode, "--ca", "\(LabConfig.caFolder)/root.pem", "--cert", "/run/leaf-good-peer.pem", "--key",
                    "/run/leaf-good-peer.key",
                ] + options))
        try process.waitFor("\"listening\"")
        return process
    }

    /// Ends one server and starts another in its place.
    func server(_ mode: String, _ options: String..., again old: LabProcess) throws -> LabProcess {
        old.stop(9)
        return try server(mode, more: options)
    }
}
