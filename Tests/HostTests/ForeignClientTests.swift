// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

extension HostTests {
    /// `warren-control` and a client of discovery and certificates that isn't ours, with a bearer token as a ztunnel has one (I20).
    @Suite struct ForeignClient {
        @Test func `I19 I20 grpcio subscribes, acknowledges, refuses, comes again and gets its certificates alone`() throws {
            let bench = try ControlBench()
            let answer = try bench.request(
                "POST", "/warren/v1/tokens", body: #"{"kind":"bearer","role":"node","node":"host-z","ttl":"1h"}"#)
            let token = try #require(PeerEvent(answer.body[...])?["token"])
            let outcome = try bench.outcome(
                Peer.command(
                    "discovery_client",
                    ["127.0.0.1:\(bench.port)", "\(bench.folder)/root.pem", token, "\(bench.folder)/control.sock", "host-z"]))
            #expect(outcome.succeeded, "\(outcome)")
            for word in ["subscribed", "changed", "refused", "reconnected", "certified", "certificates refused", "lying lengths"]
            {
                #expect(outcome.out.contains("\"event\": \"\(word)\""), "\(word): \(outcome)")
            }
            #expect(bench.log.contains("host-z refused resources"), "\(bench.log.suffix(2000))")
            let metrics = try bench.run(["curl", "-s", bench.metrics])
            let page = try Files.text(
                "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/docs/control-plane.md")
            for line in metrics.split(separator: "\n") where line.hasPrefix("# TYPE ") {
                let words = line.split(separator: " ")
                #expect(page.contains("| `\(words[2])` | \(words[3]) |"), "docs/control-plane.md doesn't tell \(words[2])")
            }
            #expect(metrics.contains("warren_control_refused_total{type=\"type.googleapis.com/istio.security.Authorization\"} 1"))
        }
    }
}
