// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

extension HostTests {
    /// `warrend` on 15008, called by an HBONE client that isn't ours. The rows are those of a ztunnel that was observed, with the
    /// answers that ours gives.
    @Suite struct HBONEServer {
        /// A CONNECT, and the answers of which one must come.
        struct Row: Sendable {
            let what: String
            let arguments: [String]
            let answers: [String]

            init(_ what: String, _ arguments: [String], _ answers: String...) {
                self.what = what
                self.arguments = arguments
                self.answers = answers
            }
        }

        private static let malformed = "reset:PROTOCOL_ERROR"

        private static func rows(_ web: String) -> [Row] {
            let open = ["--authority", "\(web):8080"]
            return [
                Row("an open port", open, "200"),
                Row("a closed port", ["--authority", "\(web):9"], "503"),
                Row("another address", ["--authority", "10.66.1.99:8080"], "400"),
                Row("loopback", ["--authority", "127.0.0.1:8080"], "400"),
                Row("a hostname nobody knows", ["--authority", "nobody.example.org:8080"], "400"),
                Row("no port", ["--authority", web], "400"),
                Row("a port above 65535", ["--authority", "\(web):65536"], "400"),
                Row("port 0", ["--authority", "\(web):0"], "400"),
                Row("a user in the authority", ["--authority", "user@\(web):8080"], "400", malformed),
                Row("an empty authority", ["--authority", "empty"], "400", malformed),
                Row("no authority", ["--authority", "-"], "400", malformed),
                Row("garbage", ["--authority", "not an authority"], "400", malformed),
                Row("another method", open + ["--method", "GET", "--pseudo", ":scheme=http", "--pseudo", ":path=/"], "405"),
                Row("port 15001", ["--authority", "\(web):15001"], "400"),
                Row("port 15006", ["--authority", "\(web):15006"], "400"),
                Row("port 15008", ["--authority", "\(web):15008"], "400"),
                Row("with scheme and path", open + ["--pseudo", ":scheme=https", "--pseudo", ":path=/"], malformed),
                Row(
                    "extended CONNECT",
                    open + ["--pseudo", ":protocol=websocket", "--pseudo", ":scheme=https", "--pseudo", ":path=/"], malformed),
                Row("connection", open + ["--header", "connection=keep-alive"], malformed),
                Row("transfer-encoding", open + ["--header", "transfer-encoding=chunked"], malformed),
                Row("a pseudo-header twice", open + ["--pseudo", ":authority=\(web):8081"], malformed),
                Row("a host that disagrees", open + ["--header", "host=elsewhere:1"], "200"),
                Row("content-length", open + ["--header", "content-length=5"], "200", malformed),
                Row("8 kB of a header", open + ["--header", "x-large=" + String(repeating: "l", count: 8000)], "200"),
                Row("200 headers", open + ["--many", "200"], "200"),
                Row("bad baggage", open + ["--header", "baggage=;;=,=;%%%"], "200"),
                Row("a forged forwarded", open + ["--header", "forwarded=for=\"10.0.0.1:1\";host=evil"], "200"),
                Row("20 kB of a header", open + ["--header", "x-large=" + String(repeating: "l", count: 20_000)], "200"),
                Row(
                    "80 kB of headers, above the bound that we announce", open + ["--many", "10", "--filler", "8000"], malformed,
                    "431", "reset:ENHANCE_YOUR_CALM", "reset:INTERNAL_ERROR", "reset:REFUSED_STREAM", "goaway:ENHANCE_YOUR_CALM"),
            ]
        }

        @Test func `every odd CONNECT costs itself and gets its answer`() throws {
            let stage = try HBONEStage()
            for row in Self.rows(stage.web.address) {
                let result = try stage.client(row.arguments + ["--seconds", "3", "--end"])
                #expect(row.answers.contains(result.answer()), "\(row.what): \(result)")
            }
            let after = try stage.client(["--authority", "\(stage.web.address):8080", "--send", "hello", "--end"])
            #expect(after["streams.1.text"] == "hello" && after["streams.1.end"] == "end")
            let refused = stage.node.accessLog.filter {
                $0["error"] != nil && $0["src.addr"]?.contains(stage.peer.address) == true
            }
            #expect(refused.count >= 10, "refusals are logged with their reason: \(refused.map(\.description))")
            #expect(try stage.node.metric("warren_hbone_responses_total", "side=\"server\"", "status=\"400\"") >= 5)
        }

        @Test(arguments: [
            "upper-case", "data-on-idle", "window-zero", "window-overflow", "frame-too-large", "even-stream",
            "settings-on-stream",
        ])
        func `a frame that breaks HTTP 2 ends that tunnel or stream, and no other`(misbehaviour: String) throws {
            let stage = try HBONEStage()
            let holder = try stage.peer.start(
                Peer.command(
                    "hbone_client",
                    [
                        "--host", stage.web.address, "--ca", "\(LabConfig.caFolder)/root.pem", "--cert",
                        "/run/leaf-good-peer.pem", "--key", "/run/leaf-good-peer.key", "--authority", "\(stage.web.address):8080",
                        "--send", "held", "--seconds", "2.5",
                    ]))
            try waitUntil("a tunnel is held") { try !stage.node.list("tunnels").isEmpty }
            let result = try stage.client([
                "--authority", "\(stage.web.address):8080", "--misbehave", misbehaviour, "--seconds", "1.5",
            ])
            let answer = result.answer()
            let ended = result["closed"] != "still open" || result["goaway.code"] != nil || answer.hasPrefix("reset:")
            #expect(ended, "\(result)")
            _ = holder.wait(seconds: 10)
            #expect(try holder.event("result")["streams.1.text"] == "held", "another tunnel suffered")
            #expect(try stage.client(["--authority", "\(stage.web.address):8080", "--send", "x", "--end"]).answer() == "200")
        }

        @Test func `1,000 rapid resets close the connection, counted, and nobody else notices`() throws {
            let stage = try HBONEStage()
            let result = try stage.client([
                "--authority", "\(stage.web.address):8080", "--misbehave", "rapid-reset", "--seconds", "5",
            ])
            #expect(result["closed"] != "still open" || result["goaway.code"] != nil, "\(result)")
            #expect(try stage.node.metric("warren_tunnels_closed_total", "reason=\"flood\"") == 1)
            #expect(try stage.client(["--authority", "\(stage.web.address):8080", "--send", "x", "--end"]).answer() == "200")
            try waitUntil("no connection is left") { try stage.node.admin("connections").int("total") == 0 }
        }

        @Test(arguments: [
            "expired", "future", "ca", "server-only", "unknown-ca", "self-signed", "no-san", "dns-san", "other-uri", "odd-path",
            "long-path",
            "other-domain", "two-uris",
        ])
        func `an odd certificate is refused in the handshake, counted and logged`(kind: String) throws {
            let stage = try HBONEStage()
            let result = try stage.client(
                ["--authority", "\(stage.web.address):8080", "--seconds", "3"], certificate: stage.certificate(kind))
            #expect(result["tls.error"] != nil && result["streams.1.status"] == nil, "\(result)")
            #expect(try stage.node.metric("warren_tls_handshakes_total", "side=\"server\"") >= 1)
            #expect(try stage.node.metric("warren_tls_handshakes_total", "side=\"server\"", "result=\"ok\"") == 0)
            try waitUntil("the refusal is logged") { stage.node.log.contains(stage.peer.address) }
        }

        @Test(arguments: ["good", "rsa"])
        func `a good certificate is taken, of either kind of key`(kind: String) throws {
            let stage = try HBONEStage()
            let result = try stage.client(
                ["--authority", "\(stage.web.address):8080", "--send", "x", "--end"], certificate: stage.certificate(kind))
            #expect(result.answer() == "200", "\(result)")
        }

        @Test func `TLS is 1_3 with h2, no name is needed, a client without certificate is refused`() throws {
            let stage = try HBONEStage()
            let open = ["--authority", "\(stage.web.address):8080", "--seconds", "3", "--end"]
            let good = try stage.client(open)
            #expect(good["tls.version"] == "TLSv1.3" && good["tls.alpn"] == "h2", "\(good)")
            #expect(good.list("tls.peer") == ["spiffe://cluster.local/ns/default/sa/web"], "\(good)")
            #expect(try stage.client(open, anonymous: true)["tls.error"]?.contains("CERTIFICATE_REQUIRED") == true)
            #expect(try stage.client(open + ["--tls", "1.2"])["tls.error"]?.contains("PROTOCOL_VERSION") == true)
            #expect(try stage.client(open + ["--alpn", "http/1.1"])["tls.error"]?.contains("NO_APPLICATION_PROTOCOL") == true)
        }

        @Test func `settings and headers are what a ztunnel knows`() throws {
            let stage = try HBONEStage()
            let result = try stage.client(["--authority", "\(stage.web.address):8080", "--send", "x", "--end"])
            #expect(result.int("settings.MAX_CONCURRENT_STREAMS") >= 100, "\(result)")
            #expect(result.int("settings.MAX_FRAME_SIZE") == 1 << 20, "\(result)")
            #expect(result.int("settings.INITIAL_WINDOW_SIZE") >= 65_535, "\(result)")
            #expect(result["streams.1.headers.baggage"]?.contains("k8s.namespace.name=default") == true, "\(result)")
        }

        @Test func `early bytes are kept, half-close works, the server may speak first, streams go on after the client's GOAWAY`()
            throws
        {
            let stage = try HBONEStage()
            let web = stage.web.address
            let early = try stage.client([
                "--authority", "\(web):8080", "--early", "before the answer ", "--send", "and after", "--end",
            ])
            #expect(early["streams.1.text"] == "before the answer and after" && early["streams.1.end"] == "end", "\(early)")
            let banner = try stage.client(["--authority", "\(web):8025", "--send", "HELO", "--end"])
            #expect(banner["streams.1.text"] == "220 ready\r\nHELO", "\(banner)")
            let goaway = try stage.client(["--authority", "\(web):8080", "--goaway", "--send", "still here", "--end"])
            #expect(goaway["streams.1.text"] == "still here" && goaway["streams.1.end"] == "end", "\(goaway)")
            let several = try stage.client(
                (0..<5).flatMap { _ in ["--authority", "\(web):8080"] } + ["--send", "many", "--end"])
            for stream in [1, 3, 5, 7, 9] { #expect(several["streams.\(stream).text"] == "many", "\(several)") }
        }

        @Test func `policy judges the certificate: 401, with the policy in the log`() throws {
            let stage = try HBONEStage()
            stage.mesh.mesh.policy(
                "no-peer", "{action: DENY, rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/peer]}}]}]}")
            try stage.mesh.apply()
            let result = try stage.client(["--authority", "\(stage.web.address):8080", "--end"])
            #expect(result.answer() == "401", "\(result)")
            _ = try stage.node.accessLine("the policy") { $0["policy"] == "default/no-peer" }
            let forged = try stage.client([
                "--authority", "\(stage.web.address):8080", "--header", "forwarded=for=\"\(stage.web.address):1\"", "--end",
            ])
            #expect(forged.answer() == "401", "\(forged)")
        }

        @Test func `a service's hostname is an authority too`() throws {
            let stage = try HBONEStage()
            stage.mesh.mesh.service("shop", addresses: ["10.96.0.1"], port: 80, target: 8080, app: "web")
            try stage.mesh.apply()
            let result = try stage.client(["--authority", "shop.default.svc.cluster.local:80", "--send", "by name", "--end"])
            #expect(result["streams.1.text"] == "by name", "\(result)")
        }
    }
}
