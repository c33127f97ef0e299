// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
import Kernel
import Loop
import Mesh
import Support
import TLS
import Telemetry
import Testing
import Tunnel

@testable import NodeProxy

/// A worker as it serves tunnels from outside: what is answered, what is judged, what is counted.
@Suite struct ServingTests {
    /// A tunnel that stands.
    private func opened(_ bench: NodeBench, from account: String = "web") throws -> CallingEnd {
        let end = try bench.tunnel(from: account)
        try bench.run("the tunnel") { end.isOpen }
        return end
    }

    @Test func `a CONNECT to the application is carried there and back`() throws {
        let bench = try NodeBench()
        let call = try opened(bench).call("127.0.0.5:\(bench.port)")
        try bench.run("the connection") { call.isAccepted && bench.applications.count == 1 }
        #expect(call.headers?["baggage"]?.contains("k8s.namespace.name=shop") == true)
        call.application.send("question")
        call.application.finish()
        try bench.run("the question") { bench.applications[0].end == .finished }
        #expect(bench.applications[0].text == "question")
        bench.applications[0].sendPattern(1_000_000, seed: 1)
        call.application.expectedSeed = 1
        bench.applications[0].finish()
        try bench.run("the answer") { call.application.end != nil }
        #expect(call.application.received == 1_000_000 && call.application.isIntact)
        #expect(call.application.end == .finished)
        try bench.run("its end") { bench.worker.connections.count == 0 }
        #expect(bench.workload.shared.addresses == [NodeBench.address])
    }

    @Test func `each CONNECT that can't be is answered as it was decided, and the tunnel goes on`() throws {
        let bench = try NodeBench()
        let end = try opened(bench)
        let closed = try closedPort()
        for (authority, status) in [
            ("127.0.0.5:\(closed)", 503), ("127.0.0.6:80", 400), ("127.0.0.1:80", 400), ("10.96.0.5:80", 400),
            ("nobody.example:80", 400), ("127.0.0.5", 400), ("127.0.0.5:65536", 400), ("127.0.0.5:0", 400),
            ("user@127.0.0.5:80", 400),
            ("127.0.0.5:15001", 400), ("127.0.0.5:15006", 400), ("127.0.0.5:15008", 400),
            (String(repeating: "a", count: 5000) + ":80", 400),
        ] {
            let call = try end.call(authority)
            try bench.run("the answer to \(authority.prefix(40))") { call.ends == 1 }
            #expect(call.status == status, "\(authority.prefix(40)): \(String(describing: call.failure))")
        }
        let get = try end.call("127.0.0.5:80", method: "GET")
        try bench.run("the answer to GET") { get.ends == 1 }
        #expect(get.status == 405)
        let good = try end.call("127.0.0.5:\(bench.port)")
        try bench.run("a good one") { good.isAccepted }
        #expect(bench.applications.count == 1, "nothing else was dialled")
        #expect(bench.worker.connections.count == 1)
        #expect(try bench.metric("istio_tcp_connections_failed_total", "BAD_REQUEST") == 13)
        let log = bench.accessLog()
        #expect(log.count { $0.contains("BAD_REQUEST") } == 13)
        #expect(log.count { $0.contains("\"CONNECT\"") } == 1)
        #expect(log.allSatisfy { $0.utf8.count < 2500 }, "what a peer says is bounded in the log")
    }

    /// A port on which nobody listens.
    private func closedPort() throws -> UInt16 {
        let socket = try Socket.listen(SocketAddress(NodeBench.address, 0), backlog: 1)
        let bound = socket.localAddress()
        return try #require(bound).port
    }

    @Test func `a policy decides by the identity of the certificate, and its name stands in the log`() throws {
        let allow = TestNode.policy(
            "only-web",
            #"{selector: {matchLabels: {app: db}}, rules: [{from: [{source: {principals: ["cluster.local/ns/shop/sa/web"]}}]}]}"#)
        let bench = try NodeBench(NodeBench.mesh + allow)
        let (web, other) = (try opened(bench), try opened(bench, from: "batch"))
        let allowed = try web.call("127.0.0.5:\(bench.port)")
        // What the caller says about itself decides nothing.
        let denied = try other.call(
            "127.0.0.5:\(bench.port)",
            headers: ["forwarded": "for=127.0.0.1", "baggage": "k8s.namespace.name=shop,service.name=web"])
        try bench.run("both answers") { allowed.isAccepted && denied.ends == 1 }
        #expect(denied.status == 401)
        #expect(bench.applications.count == 1, "a denied caller reaches nobody")
        #expect(denied.failure?.policy == nil, "the peer isn't told by which policy")
        let lines = bench.accessLog().filter { $0.contains("DENY") }
        #expect(lines.count == 1)
        #expect(lines.first?.contains("shop/only-web") == true)
        #expect(lines.first?.contains("sa/batch") == true)
    }

    @Test func `I17 a change of policy cuts what is now denied, at once, and leaves the rest`() throws {
        let bench = try NodeBench()
        let (web, batch) = (try opened(bench), try opened(bench, from: "batch"))
        let calls = [try web.call("127.0.0.5:\(bench.port)"), try batch.call("127.0.0.5:\(bench.port)")]
        try bench.run("both connections") { calls.allSatisfy(\.isAccepted) && bench.applications.count == 2 }
        let deny = TestNode.policy(
            "no-batch", #"{action: DENY, rules: [{from: [{source: {principals: ["cluster.local/ns/shop/sa/batch"]}}]}]}"#)
        bench.tell(.snapshot(TestNode.snapshot(NodeBench.mesh + deny, revision: 2)))
        try bench.run("the cut") { calls[1].application.end != nil }
        #expect(calls[1].application.wasReset)
        try bench.run("the application's reset") { bench.applications.contains { $0.end != nil } }
        #expect(bench.applications.count { $0.wasReset } == 1)
        calls[0].application.send("still here")
        try bench.run("the other") { bench.applications.contains { $0.text == "still here" } }
        #expect(calls[0].ends == 0)
        let line = try #require(bench.accessLog().first { $0.contains("DENY") })
        #expect(line.contains("shop/no-batch"))
    }

    @Test func `I17 a change while the application is being dialled is heard, too`() throws {
        let bench = try NodeBench()
        let end = try opened(bench)
        // Nobody accepts: the queue of this listener is full.
        let full = try Socket.listen(SocketAddress(NodeBench.address, 0), backlog: 0)
        let bound = full.localAddress()
        let address = try #require(bound)
        var fillers: [Application] = []
        for _ in 0..<4 {
            let filler = try Socket.tcp(.v4)
            _ = try filler.connect(to: address)
            fillers.append(Application(filler))
        }
        let call = try end.call("\(address)")
        try bench.run("the dial") { bench.worker.connections.count == 1 }
        bench.tell(
            .snapshot(TestNode.snapshot(NodeBench.mesh + TestNode.policy("deny", "{action: DENY, rules: [{}]}"), revision: 2)))
        try bench.run("the end") { call.ends == 1 }
        #expect(!call.isAccepted)
        try bench.run("no connection") { bench.worker.connections.count == 0 }
        withExtendedLifetime(fillers) {}
    }

    @Test func `I09 after a renewal new tunnels have the new certificate, and old ones take no stream but finish`() throws {
        let bench = try NodeBench()
        let old = try opened(bench)
        let call = try old.call("127.0.0.5:\(bench.port)")
        try bench.run("the connection") { call.isAccepted && bench.applications.count == 1 }
        let renewed = try WorkloadCredential(bench.authority.credential("db"))
        bench.tell(.renew(uid: bench.workload.shared.uid, renewed))
        try bench.run("the goodbye") { !old.tunnel.hasRoom }
        let new = try opened(bench)
        #expect(new.tunnel.peer?.serial == renewed.credential.serial)
        #expect(old.tunnel.peer?.serial != renewed.credential.serial)
        call.application.send("on the old one")
        try bench.run("bytes") { bench.applications[0].received == 14 }
        call.application.finish()
        bench.applications[0].finish()
        try bench.run("the old tunnel's end") { old.isClosed }
        #expect(old.failure == nil && call.failure == nil)
    }

    @Test func `a workload that goes takes everything along`() throws {
        let bench = try NodeBench()
        let end = try opened(bench)
        let call = try end.call("127.0.0.5:\(bench.port)")
        try bench.run("the connection") { call.isAccepted && bench.applications.count == 1 }
        bench.tell(.remove(uid: bench.workload.shared.uid, ConnectionFailure(.shutdown, "the workload left")))
        try bench.run("the ends") { end.isClosed && call.application.end != nil && bench.applications[0].end != nil }
        #expect(call.application.wasReset && bench.applications[0].wasReset)
        #expect(bench.worker.connections.count == 0)
        #expect(try bench.metric("warren_tunnels", "side=\"server\"") == 0)
    }

    @Test(arguments: ["connections", "descriptors"])
    func `beyond a limit of a workload a CONNECT is refused, and room serves the next`(what: String) throws {
        var settings = WorkerSettings()
        // Of the descriptors the tunnel has one.
        if what == "connections" { settings.connectionsPerWorkload = 2 } else { settings.descriptorsPerWorkload = 3 }
        let bench = try NodeBench(settings: settings)
        let end = try opened(bench)
        let calls = try (0..<2).map { _ in try end.call("127.0.0.5:\(bench.port)") }
        try bench.run("two") { calls.allSatisfy(\.isAccepted) && bench.applications.count == 2 }
        let third = try end.call("127.0.0.5:\(bench.port)")
        try bench.run("the refusal") { third.ends == 1 }
        #expect(third.status == 503)
        calls[0].application.reset()
        try bench.run("room") { bench.worker.connections.count == 1 }
        let fourth = try end.call("127.0.0.5:\(bench.port)")
        try bench.run("the fourth") { fourth.isAccepted }
    }

    // MARK: - Counting

    @Test func `a long connection is counted while it lives, and once`() throws {
        let bench = try NodeBench()
        let call = try opened(bench).call("127.0.0.5:\(bench.port)")
        try bench.run("the connection") { call.isAccepted && bench.applications.count == 1 }
        for round in 1...3 {
            call.application.sendPattern(1000, seed: 1)
            bench.applications[0].sendPattern(500, seed: 2)
            try bench.run("bytes") { bench.applications[0].received == 1000 * round && call.application.received == 500 * round }
            bench.tell(.metrics)
            let told = bench.told.count
            try bench.run("the worker's answer") { bench.told.count > told }
            #expect(try bench.metric("istio_tcp_received_bytes_total") == Double(1000 * round))
            #expect(try bench.metric("istio_tcp_sent_bytes_total") == Double(500 * round))
            #expect(try bench.metric("istio_tcp_connections_opened_total") == 1)
            #expect(try bench.metric("istio_tcp_connections_closed_total") == nil)
        }
        call.application.send("x")
        call.application.finish()
        bench.applications[0].finish()
        try bench.run("its end") { bench.worker.connections.count == 0 }
        #expect(try bench.metric("istio_tcp_received_bytes_total") == 3001)
        #expect(try bench.metric("istio_tcp_sent_bytes_total") == 1500)
        #expect(try bench.metric("istio_tcp_connections_opened_total") == 1)
        #expect(try bench.metric("istio_tcp_connections_closed_total", "response_flags=\"-\"") == 1)
        bench.tell(.metrics)
        bench.settle()
        #expect(try bench.metric("istio_tcp_received_bytes_total") == 3001, "counted twice")
        let log = bench.accessLog()
        #expect(log.count == 1)
        #expect(log.first?.contains("3001") == true)
    }

    @Test func `tunnels are counted as long as they stand, and those that never stood aren't`() throws {
        let bench = try NodeBench()
        let end = try opened(bench)
        #expect(try bench.metric("warren_tunnels", "side=\"server\"") == 1)
        // TLS stands, but what follows is no HTTP/2.
        let hbone = bench.workload.shared.place.listeners?.localAddress(.hbone)
        let stranger = try Stranger(to: try #require(hbone), as: bench.authority.credential("web"))
        try bench.run("the stranger's end") {
            stranger.step()
            return stranger.isOver
        }
        #expect(try bench.metric("warren_tunnels", "side=\"server\"") == 1)
        end.tunnel.leave()
        try bench.run("the tunnel's end") { end.isClosed }
        try bench.run("none") { bench.workload.inboundTunnels.isEmpty && bench.worker.inboundTunnels == 0 }
        #expect(try bench.metric("warren_tunnels", "side=\"server\"") == 0)
        #expect(bench.worker.handshakes == 0)
    }
}
