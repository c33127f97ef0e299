// SPDX-License-Identifier: Apache-2.0

import Kernel
import Support
import Testing

@testable import Tunnel

/// What applications leave unread is bounded, and it is the one who doesn't read that is cut.
@Suite struct HeldBytesTests {
    private static let bounds: TunnelBounds = {
        var bounds = TunnelBounds()
        bounds.heldBudget = 200_000
        return bounds
    }()

    @Test func `a stream that brings more than may be held is reset, and all of it is given back`() throws {
        let bench = try TunnelBench.open(bounds: Self.bounds, buffer: 4096)
        let (near, far) = try bench.connect()
        far.application.isReading = false
        near.application.sendPattern(1_000_000, seed: 1)
        try bench.run("the end") { far.ends == 1 && near.ends == 1 }
        #expect(far.failure?.kind == .limit)
        try bench.run("the reset") { near.application.end != nil || near.application.sendFailure != nil }
        #expect(near.application.end != .finished)
        #expect(bench.server.windows.held == 0 && bench.serverTunnel.holder.count == 0)
        // The tunnel goes on, and so does who reads.
        let (sender, reader) = try bench.connect()
        reader.application.expectedSeed = 2
        sender.application.sendPattern(1_000_000, seed: 2)
        try bench.run("the bytes") { reader.application.received == 1_000_000 }
        #expect(reader.application.isIntact && bench.server.windows.held == 0)
    }

    @Test func `one holder has half, so that others have room when he has none`() {
        let budget = WindowBudget(bytes: 0, held: 100)
        var refusals = 0
        budget.onRefusal = { refusals += 1 }
        let (greedy, modest) = (HeldBytes(), HeldBytes())
        #expect(budget.hold(50, for: greedy))
        #expect(!budget.hold(1, for: greedy))
        #expect(budget.hold(40, for: modest))
        #expect(refusals == 1)
        budget.release(50, of: greedy)
        #expect(budget.hold(10, for: greedy) && budget.held == 50)
        budget.release(10, of: greedy)
        budget.release(40, of: modest)
        #expect(budget.held == 0 && greedy.count == 0 && modest.count == 0)
    }
}
