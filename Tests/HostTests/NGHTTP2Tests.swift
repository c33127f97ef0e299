// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

extension HostTests {
    /// nghttp2's own programs as HBONE peers: nghttpx as client and as server, nghttp as a client that isn't one.
    @Suite struct NGHTTP2 {
        private static let authority = "\(LabConfig.caFolder)/root.pem"
        private static let leaf = "/run/leaf-good-peer"

        private func start(_ stage: HBONEStage, _ options: [String], port: Int) throws -> LabProcess {
            let process = try stage.peer.start(
                [
                    "nghttpx", "--conf=/dev/null", "--http2-proxy", "--workers=1", "--accesslog-file=/dev/stdout",
                    "--errorlog-file=/dev/stderr",
                ] + options)
            try waitUntil("nghttpx listens", seconds: 1, detail: { process.log }) {
                try !stage.peer.sockets("-lt", "sport", "=", ":\(port)").isEmpty
            }
            return process
        }

        @Test func `nghttpx as client: curl's CONNECT becomes a tunnel into warrend`() throws {
            let stage = try HBONEStage()
            let nginx = try stage.web.startNginx(port: 8090, body: "through nghttpx")
            let proxy = try start(
                stage,
                [
                    "--frontend=*,3128;no-tls", "--backend=\(stage.web.address),15008;;proto=h2;tls", "--insecure",
                    "--cacert=\(Self.authority)", "--client-cert-file=\(Self.leaf).pem",
                    "--client-private-key-file=\(Self.leaf).key",
                ],
                port: 3128)
            for _ in 0..<3 {
                let outcome = try stage.peer.run(
                    [
                        "curl", "-sS", "-m5", "--proxytunnel", "--proxy", "http://127.0.0.1:3128",
                        "http://\(stage.web.address):8090/",
                    ])
                #expect(outcome.out == "through nghttpx", "\(outcome)\n\(proxy.log.suffix(1000))\n\(stage.mesh.accessLog)")
            }
            let line = try stage.node.accessLine("nghttpx's identity") { $0["src.identity"] == HBONEStage.identity }
            #expect(line["protocol"] == "hbone")
            #expect(nginx.isRunning)
        }

        @Test func `nghttpx as server: warrend's CONNECT is understood`() throws {
            let stage = try HBONEStage()
            let upstream = try stage.peer.start(Peer.command("connect_proxy", ["3129"]))
            try upstream.waitFor("listening")
            let nginx = try stage.peer.startNginx(port: 8080, body: String(repeating: "behind nghttpx ", count: 20))
            let proxy = try start(
                stage,
                [
                    "--frontend=*,15008", "--backend=127.0.0.1,3129;;proto=http/1.1", "--verify-client",
                    "--verify-client-cacert=\(Self.authority)", "--tls-min-proto-version=TLSv1.3", "\(Self.leaf).key",
                    "\(Self.leaf).pem",
                ],
                port: 15008)
            for address in [stage.peer.address, "[\(stage.peer.address6)]"] {
                let outcome = try stage.web.run(["curl", "-sS", "-m5", "-H", "Connection: close", "http://\(address):8080/"])
                #expect(
                    outcome.out.count == 300, "\(outcome)\n\(proxy.log.suffix(1000))\n\(upstream.log)\n\(stage.mesh.accessLog)"
                )
            }
            #expect(
                upstream.events("connect").map { $0["target"] } == [
                    "\(stage.peer.address):8080", "[\(stage.peer.address6)]:8080",
                ])
            #expect(nginx.isRunning)
        }

        @Test func `nghttp, which only GETs, is told 405 and nothing breaks`() throws {
            let stage = try HBONEStage()
            let outcome = try stage.peer.run(
                [
                    "nghttp", "-v", "-n", "--cert=\(Self.leaf).pem", "--key=\(Self.leaf).key",
                    "https://\(stage.web.address):15008/",
                ])
            #expect(outcome.out.contains(":status: 405"), "\(outcome)")
            #expect(outcome.out.contains("SETTINGS_MAX_FRAME_SIZE(0x05):1048576"), "\(outcome)")
        }
    }
}
