// SPDX-License-Identifier: Apache-2.0

import Bytes
import Kernel
import Loop
import Support
import Testing

@testable import NodeProxy

/// Who gets the next connection.
@Suite struct WorkerFleetTests {
    private func fleet(_ loads: [Int], _ load: WorkerFleet.Load) throws -> (WorkerFleet, [Mailbox<WorkerMessage>]) {
        let mailboxes = try loads.map { _ in try Mailbox<WorkerMessage>() }
        let fleet = WorkerFleet(mailboxes)
        for (number, count) in loads.enumerated() { fleet.carries(count, load, worker: number) }
        return (fleet, mailboxes)
    }

    @Test(
        arguments: [
            ([0], 0, nil), ([5, 5], 0, nil), ([1, 0], 0, nil), ([2, 0], 0, 1), ([0, 2], 0, nil), ([0, 2], 1, 0),
            ([9, 7, 3], 0, 2),
            // One in eight more is no reason at thousands.
            ([1100, 1000], 0, nil), ([1200, 1000], 0, 1),
        ] as [([Int], Int, Int?)])
    func `connections go to the loop that has clearly fewer`(loads: [Int], own: Int, expected: Int?) throws {
        let (fleet, mailboxes) = try fleet(loads, .connections)
        #expect(fleet.lessBusy(than: own, .connections) === expected.map { mailboxes[$0] })
    }

    @Test(arguments: [([1, 0], 0, 1), ([1, 1], 0, nil), ([3, 2, 1], 0, 2)] as [([Int], Int, Int?)])
    func `tunnels go to the loop that has fewer at all`(loads: [Int], own: Int, expected: Int?) throws {
        let (fleet, mailboxes) = try fleet(loads, .tunnels)
        #expect(fleet.lessBusy(than: own, .tunnels) === expected.map { mailboxes[$0] })
    }

    @Test func `a passed connection is taken once, and reset if nobody takes it`() throws {
        for isTaken in [true, false] {
            let pair = try SocketPair()
            let client = Application(try pair.takeFirst())
            let server = try pair.takeSecond()
            server.setResetOnClose(true)
            var passed: PassedConnection? = PassedConnection(
                Accepted(descriptor: server, peer: SocketAddress(.loopbackV4, 1)), at: .outbound, uid: "uid")
            let taken = isTaken ? passed?.take() : nil
            let (wasTaken, isGone) = (taken != nil, !isTaken || passed?.take() == nil)
            #expect(wasTaken == isTaken && isGone)
            passed = nil
            client.step()
            #expect(client.wasReset == !isTaken)
            if let taken { #expect(taken.peer.port == 1) }
        }
    }
}
