// SPDX-License-Identifier: Apache-2.0

import Bytes
import Kernel
import Loop
import Support
import Testing
import Tunnel

/// Two applications with a relay between them, on a loop that the test turns.
///
///     client ◄─TCP─► relay ◄─TCP─► server
final class RelayBench: RelayOwner {
    let loop: Loop
    let pipes: PipePool
    let client: Application
    let server: Application
    private(set) var relay: SocketRelay?
    /// How often the owner was told of the end, and with what the last time.
    private(set) var ends = 0
    private(set) var failure: ConnectionFailure?

    /// - Parameters:
    ///   - pipes: how many pipes there are for splicing.
    ///   - buffer: bytes of each socket's kernel buffers; nil: as the kernel likes.
    init(pipes limit: Int = 0, buffer: CInt? = nil, bounds: TunnelBounds = TunnelBounds()) throws {
        loop = try Loop()
        pipes = PipePool(limit: limit, loop: loop)
        let (left, right) = (try SocketPair(buffer: buffer), try SocketPair(buffer: buffer))
        client = Application(try left.takeFirst())
        server = Application(try right.takeSecond())
        let inner = try left.takeSecond()
        let outer = try right.takeFirst()
        inner.setResetOnClose(true)
        outer.setResetOnClose(true)
        let relay = SocketRelay(
            RelayContext(loop: loop, bounds: bounds, windows: WindowBudget(bytes: 0), pipes: pipes), client: inner, server: outer,
            owner: self)
        self.relay = relay
        relay.start()
    }

    func relayEnded(_ failure: ConnectionFailure?) {
        ends += 1
        self.failure = failure
    }

    /// One turn, and a step of each application.
    func turn() {
        client.step()
        server.step()
        loop.turn(wait: .milliseconds(1))
    }

    func run(_ what: String, until condition: () -> Bool) throws {
        try drive(what, detail: { "client \(client.received), server \(server.received), ends \(ends)" }, turn, until: condition)
    }

    /// So many turns in which nothing that could still happen is left to chance.
    func settle(_ turns: Int = 30) { for _ in 0..<turns { turn() } }

    /// Turns that should sleep must take the time that they may sleep: a loop that spins returns at once.
    func expectNoSpin(_ location: SourceLocation = #_sourceLocation) {
        settle()
        let began = Instant.now()
        for _ in 0..<20 { loop.turn(wait: .milliseconds(10)) }
        #expect(Instant.now().since(began) >= .milliseconds(150), "the loop spins", sourceLocation: location)
    }
}

extension Application {
    /// As if one application sent this to the other, whole and in order.
    func expect(_ count: Int, seed: Int, _ location: SourceLocation = #_sourceLocation) {
        #expect(received == count, sourceLocation: location)
        #expect(isIntact, "bytes of seed \(seed) were changed", sourceLocation: location)
    }
}
