// SPDX-License-Identifier: Apache-2.0

import Kernel
import Testing

@testable import Loop

/// A busy turn's time is shared out: a tenant that floods makes the others wait for its share and no longer.
@Suite struct TurnSharesTests {
    /// A descriptor that always has an event, and what serving it costs.
    private final class Bell: EventSource {
        let counter: EventCounter
        var rings = 0
        let cost: Interval

        init(cost: Interval = .zero) throws {
            counter = try EventCounter()
            self.cost = cost
            counter.signal()
        }

        func ready(_ readiness: Readiness) {
            rings += 1
            TurnSharesTests.spin(cost)
        }
    }

    private final class TurnEnd: TurnTarget {
        var turns = 0

        func endTurn() -> Bool {
            turns += 1
            TurnSharesTests.spin(.milliseconds(1))
            return true
        }
    }

    private static func spin(_ time: Interval) {
        let until = Instant.now() + time
        while Instant.now() < until {}
    }

    @Test func `a tenant has its share of a crowded turn, the others theirs`() throws {
        let loop = try Loop()
        let (flood, quiet) = (loop.makeTenant(), loop.makeTenant())
        let floods = try (0..<50).map { _ in try Bell(cost: .milliseconds(1)) }
        let bell = try Bell()
        for one in floods { _ = try loop.watch(one.counter.descriptor.number, for: .read, source: one, owner: flood) }
        _ = try loop.watch(bell.counter.descriptor.number, for: .read, source: bell, owner: quiet)
        for _ in 0..<20 { loop.turn(wait: .zero) }
        #expect(bell.rings == 20)
        let rings = floods.map(\.rings).reduce(0, +)
        // Each is longer than a share: one in a turn, or a few if the clock jumps between.
        #expect(20...60 ~= rings, "\(rings)")
        // And in turn: the kernel tells those again first that waited.
        #expect(floods.map(\.rings).max() ?? 0 <= 3, "\(floods.map(\.rings))")
    }

    @Test func `what is begun for a tenant is the tenant's`() throws {
        final class Starter: EventSource, TimerTarget {
            let counter: EventCounter
            let loop: Loop
            let children: [Bell]

            init(_ loop: Loop, _ children: [Bell]) throws {
                counter = try EventCounter()
                counter.signal()
                self.loop = loop
                self.children = children
            }

            func ready(_ readiness: Readiness) {
                counter.clear()
                _ = loop.arm(.milliseconds(1), self, tag: 0)
            }

            func timerFired(_ tag: UInt32) {
                for child in children { _ = try? loop.watch(child.counter.descriptor.number, for: .read, source: child) }
            }
        }
        let loop = try Loop()
        let children = try (0..<50).map { _ in try Bell(cost: .milliseconds(1)) }
        let starter = try Starter(loop, children)
        _ = try loop.watch(starter.counter.descriptor.number, for: .read, source: starter, owner: loop.makeTenant())
        var before = 0
        for _ in 0..<100 where before == 0 {
            loop.turn(wait: .milliseconds(5))
            before = children.map(\.rings).reduce(0, +)
        }
        #expect(1...3 ~= before, "\(before)")
    }

    @Test func `ends of turn have a share of their own and none is forgotten`() throws {
        final class Queue: EventSource {
            let counter: EventCounter
            let loop: Loop
            let ends = (0..<12).map { _ in TurnEnd() }

            init(_ loop: Loop) throws {
                counter = try EventCounter()
                counter.signal()
                self.loop = loop
            }

            func ready(_ readiness: Readiness) {
                counter.clear()
                for end in ends { loop.atEndOfTurn(end) }
            }
        }
        let loop = try Loop()
        let queue = try Queue(loop)
        _ = try loop.watch(queue.counter.descriptor.number, for: .read, source: queue, owner: loop.makeTenant())
        loop.turn(wait: .zero)
        #expect(1...3 ~= queue.ends.map(\.turns).reduce(0, +))
        for _ in 0..<30 { loop.turn(wait: .zero) }
        #expect(queue.ends.allSatisfy { $0.turns >= 2 }, "\(queue.ends.map(\.turns))")
    }

    @Test func `without a tenant nobody is put off`() throws {
        let loop = try Loop()
        let bells = try (0..<20).map { _ in try Bell(cost: .milliseconds(1)) }
        for bell in bells { _ = try loop.watch(bell.counter.descriptor.number, for: .read, source: bell) }
        loop.turn(wait: .zero)
        #expect(bells.allSatisfy { $0.rings == 1 })
    }
}
