// SPDX-License-Identifier: Apache-2.0

import HTTP
import Kernel
import Loop
import Support
import Testing

@testable import Tunnel

/// A peer and applications that do whatever comes to mind, good and bad, in any order. Whatever happens: no trap, every connection ends once, and no
/// end is invented in either direction (I12).
@Suite struct RandomPeerTests {
    private struct Random: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }

        mutating func below(_ count: Int) -> Int { Int.random(in: 0..<count, using: &self) }
    }

    /// What was said, to hold what was heard against it.
    private struct Story {
        /// Streams whose half the peer ended by END_STREAM.
        var endedByPeer: Set<UInt32> = []
        /// Places of connections whose application ended its half.
        var endedByApplication: Set<Int> = []
        var nextStream: UInt32 = 1
        /// Streams in which the peer may send by the rules, and those that it hasn't answered.
        var live: [UInt32] = []
        var unanswered: [UInt32] = []
        var seen = 0
    }

    private func step(_ bench: RawBench) {
        bench.end.step()
        bench.peer.step()
        bench.loop.turn(wait: .zero)
    }

    /// One thing that the peer does: by the rules as a rule, since a peer that breaks them is soon cut off.
    private func peerActs(_ bench: RawBench, _ role: HTTP2Role, _ story: inout Story, _ random: inout Random) {
        // As client we are asked by the HEADERS that came since.
        let requests = role == .client ? bench.peer.frames(.headers).map(\.stream) : []
        story.unanswered += requests.dropFirst(story.seen)
        story.seen = max(story.seen, requests.count)
        let stream = random.below(200) == 0 ? UInt32(random.below(20)) : story.live.randomElement(using: &random) ?? 0
        switch random.below(20) {
        case 0...2 where role == .server && story.nextStream < 32:
            bench.peer.send(.connect(story.nextStream, random.below(9) == 0 ? "" : "10.0.0.5:80"))
            story.live.append(story.nextStream)
            story.nextStream += 2
        case 0...6 where role == .client && !story.unanswered.isEmpty:
            let asked = story.unanswered.removeFirst()
            let status = [200, 200, 200, 200, 200, 503, 401, 302][random.below(8)]
            bench.peer.send(.answer(asked, status: status, end: status != 200))
            if status == 200 { story.live.append(asked) }
        case 7...11 where stream > 0:
            bench.peer.send(Frame(.data, stream: stream, [UInt8](repeating: 7, count: random.below(3000) + 1)))
        case 12 where stream > 0:
            story.endedByPeer.insert(stream)
            bench.peer.send(.data(stream, "last", end: true))
            story.live.removeAll { $0 == stream }
        case 13 where stream > 0 && random.below(4) == 0:
            bench.peer.send(.reset(stream, UInt32(random.below(14))))
            story.live.removeAll { $0 == stream }
        case 14 where stream > 0: bench.peer.send(.windowUpdate(stream, UInt32(1 + random.below(100_000))))
        case 15: bench.peer.send(.windowUpdate(0, UInt32(1 + random.below(100_000))))
        case 16: bench.peer.send(Frame(.ping, [UInt8](repeating: 1, count: 8)))
        case 17: bench.peer.send(.settings([(.initialWindow, UInt32(random.below(200_000)))]))
        case 18: if random.below(60) == 0 { bench.peer.send(.goAway(last: stream, UInt32(random.below(3)))) }
        default: bench.peer.isReading = random.below(4) > 0
        }
    }

    /// One thing that an application, or whoever owns a connection, does.
    private func applicationActs(_ bench: RawBench, _ role: HTTP2Role, _ story: inout Story, _ random: inout Random) throws {
        guard !bench.end.carried.isEmpty else { return }
        let place = random.below(bench.end.carried.count)
        let connection = bench.end.carried[place]
        switch random.below(10) {
        case 0...3: connection.application.sendPattern(random.below(100_000), seed: 1)
        case 4:
            story.endedByApplication.insert(place)
            connection.application.finish()
        case 5: connection.application.isReading.toggle()
        case 6: if random.below(12) == 0 { connection.application.reset() }
        case 7: if random.below(12) == 0 { connection.relay.cut(ConnectionFailure(.denied, "no longer")) }
        case 8: if role == .server { connection.begin() }
        default: if random.below(40) == 0 { bench.tunnel.leave() }
        }
    }

    private func play(_ role: HTTP2Role, _ seed: UInt64) throws {
        var random = Random(state: seed &* 0x9e37_79b9_7f4a_7c15 | 1)
        var story = Story()
        let bench = try RawBench.open(role)
        var answers = Random(state: seed | 1)
        bench.end.answer = { end, tunnel, request in
            switch answers.below(6) {
            case 0: tunnel.refuse(request.stream, status: 503)
            case 1: tunnel.reset(request.stream, HTTP2Code.refusedStream)
            case 2: try end.hold(request, in: tunnel)
            default: try end.accept(request, in: tunnel)
            }
        }
        for _ in 0..<250 where bench.end.closed == 0 {
            if random.below(2) == 0 {
                peerActs(bench, role, &story, &random)
            } else {
                try applicationActs(bench, role, &story, &random)
            }
            if role == .client, random.below(6) == 0, bench.end.carried.count < 8 { _ = try bench.end.call(bench.tunnel) }
            if random.below(3) > 0 { step(bench) }
        }
        bench.peer.isReading = true
        for connection in bench.end.carried { connection.application.isReading = true }
        for _ in 0..<20 { step(bench) }
        switch random.below(4) {
        case 0: bench.peer.close()
        case 1: bench.peer.resetTCP()
        case 2: bench.peer.closeNotify()
        default: bench.tunnel.close(random.below(2) == 0 ? nil : ConnectionFailure(.shutdown, "over"))
        }
        if bench.tunnel.state != .closed { bench.peer.endTCP() }
        try bench.run("the tunnel's end") { bench.end.closed == 1 }
        bench.settle(5)
        check(bench, role, story, seed)
    }

    private func check(_ bench: RawBench, _ role: HTTP2Role, _ story: Story, _ seed: UInt64) {
        #expect(bench.end.faults.isEmpty, "seed \(seed): \(bench.end.faults)")
        for (place, connection) in bench.end.carried.enumerated() {
            let stream = UInt32(clamping: connection.relay.stream)
            // A call that found no room never became a stream.
            guard stream > 0 else { continue }
            #expect(connection.ends == 1, "seed \(seed), stream \(stream)")
            if connection.application.end == .finished {
                #expect(story.endedByPeer.contains(stream), "seed \(seed), stream \(stream): an end was invented")
            }
            if bench.peer.frames(.data, stream: stream).contains(where: \.isEnd) {
                #expect(
                    story.endedByApplication.contains(place), "seed \(seed), stream \(stream): an end was invented for the peer")
            }
            if connection.ends == 1, connection.failure == nil {
                #expect(story.endedByPeer.contains(stream) && story.endedByApplication.contains(place), "seed \(seed)")
            }
        }
        #expect(bench.end.windows.left == bench.end.bounds.windowBudget, "seed \(seed): windows weren't given back")
    }

    @Test(arguments: 0..<40) func `I12 a server's end stands whatever comes`(_ seed: UInt64) throws { try play(.server, seed) }

    @Test(arguments: 1000..<1040) func `I12 a client's end stands whatever comes`(_ seed: UInt64) throws {
        try play(.client, seed)
    }
}
