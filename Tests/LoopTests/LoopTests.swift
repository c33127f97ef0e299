// SPDX-License-Identifier: Apache-2.0

import Bytes
import Kernel
import Testing

@testable import Loop

/// Descriptors, ends of turn and timers on a real loop. Event counters stand for sockets: readable when signalled.
@Suite struct LoopTests {
    /// A descriptor of its own, watched, with what its events do.
    private final class Bell: EventSource {
        let counter: EventCounter
        private(set) var rings = 0
        var onRing: (Bell) -> Void = { $0.counter.clear() }

        init() throws { counter = try EventCounter() }

        func ready(_ readiness: Readiness) {
            rings += 1
            onRing(self)
        }

        func watch(on loop: Loop, for wanted: Readiness = .read) throws -> Token {
            try loop.watch(counter.descriptor.number, for: wanted, source: self)
        }
    }

    private final class TurnEnd: TurnTarget {
        private(set) var turns: [UInt64] = []
        var body: () -> Bool = { false }
        private let loop: Loop

        init(_ loop: Loop) { self.loop = loop }

        func endTurn() -> Bool {
            turns.append(loop.turns)
            return body()
        }
    }

    private final class Alarm: TimerTarget {
        private(set) var fired: [UInt32] = []
        var onFire: (UInt32) -> Void = { _ in }

        func timerFired(_ tag: UInt32) {
            fired.append(tag)
            onFire(tag)
        }
    }

    // MARK: - Descriptors

    @Test func `an event comes again until its cause is taken`() throws {
        let loop = try Loop()
        let bell = try Bell()
        bell.onRing = { if $0.rings == 3 { $0.counter.clear() } }
        _ = try bell.watch(on: loop)
        bell.counter.signal()
        for _ in 0..<6 { loop.turn(wait: .zero) }
        #expect(bell.rings == 3)
    }

    @Test func `a source that isn't watched hears nothing, and unwatching twice is harmless`() throws {
        let loop = try Loop()
        let bell = try Bell()
        let token = try bell.watch(on: loop)
        bell.counter.signal()
        loop.unwatch(token)
        loop.unwatch(token)
        loop.want(.write, token)
        loop.turn(wait: .zero)
        #expect(bell.rings == 0)
    }

    @Test func `a source unwatched by another's event of the same turn hears nothing of it`() throws {
        let loop = try Loop()
        let bells = [try Bell(), try Bell()]
        let tokens = try bells.map { try $0.watch(on: loop) }
        bells[0].onRing = { _ in loop.unwatch(tokens[1]) }
        bells[1].onRing = { _ in loop.unwatch(tokens[0]) }
        for bell in bells { bell.counter.signal() }
        loop.turn(wait: .zero)
        #expect(bells.map(\.rings).sorted() == [0, 1])
        #expect(bells[0].rings + bells[1].rings == 1)
    }

    @Test func `a stale event doesn't reach the source that took over its slot`() throws {
        let loop = try Loop()
        let (first, second, newcomer) = (try Bell(), try Bell(), try Bell())
        let tokens = [try first.watch(on: loop), try second.watch(on: loop)]
        var taken: [Token] = []
        // Whoever is told first makes way for the newcomer in the other's slot; the other's event is still to come.
        first.onRing = { _ in
            loop.unwatch(tokens[1])
            taken.append((try? newcomer.watch(on: loop)) ?? tokens[0])
        }
        second.onRing = { _ in
            loop.unwatch(tokens[0])
            taken.append((try? newcomer.watch(on: loop)) ?? tokens[0])
        }
        first.counter.signal()
        second.counter.signal()
        loop.turn(wait: .zero)
        #expect(taken.count == 1)
        #expect(tokens.contains { $0.slot == taken[0].slot && $0.generation != taken[0].generation })
        #expect(newcomer.rings == 0)
        newcomer.counter.signal()
        loop.turn(wait: .zero)
        #expect(newcomer.rings == 1)
    }

    @Test func `what is forgotten and closed is told of no more, and the next descriptor is`() throws {
        let loop = try Loop()
        let (first, second) = (try Bell(), try Bell())
        do {
            let counter = try EventCounter()
            let token = try loop.watch(counter.descriptor.number, for: .read, source: first)
            counter.signal()
            loop.forget(token)
            loop.forget(token)
            loop.turn(wait: .zero)
        }
        // It has the number of the one before.
        let counter = try EventCounter()
        _ = try loop.watch(counter.descriptor.number, for: .read, source: second)
        counter.signal()
        loop.turn(wait: .zero)
        #expect(first.rings == 0)
        #expect(second.rings == 1)
    }

    @Test func `what is wanted can change inside the callback`() throws {
        let loop = try Loop()
        let bell = try Bell()
        var token: Token?
        // An event counter is always writable, so only the first event may come.
        bell.onRing = { _ in if let token { loop.want([], token) } }
        token = try bell.watch(on: loop, for: .write)
        for _ in 0..<3 { loop.turn(wait: .zero) }
        #expect(bell.rings == 1)
        if let token { loop.want(.write, token) }
        loop.turn(wait: .zero)
        #expect(bell.rings == 2)
    }

    @Test func `a source is held while it is watched and let go afterwards`() throws {
        let loop = try Loop()
        weak var held: Bell?
        let token: Token
        do {
            let bell = try Bell()
            held = bell
            token = try bell.watch(on: loop)
        }
        #expect(held != nil)
        loop.unwatch(token)
        #expect(held == nil)
    }

    @Test func `a descriptor that can't be watched is refused and leaves nothing behind`() throws {
        let loop = try Loop()
        let bell = try Bell()
        _ = try bell.watch(on: loop)
        // The same descriptor twice is EEXIST for epoll.
        #expect(throws: Errno.exists) { try bell.watch(on: loop) }
        bell.counter.signal()
        loop.turn(wait: .zero)
        #expect(bell.rings == 1)
    }

    @Test func `loops that share a listener get each connection once`() throws {
        final class Doorman: EventSource {
            let listener: Descriptor
            private(set) var accepted: [SocketAddress] = []
            private(set) var failures: [Errno] = []

            init(_ listener: consuming Descriptor) { self.listener = listener }

            func ready(_ readiness: Readiness) {
                do throws(Errno) {
                    if let connection = try listener.accept() { accepted.append(connection.peer) }
                } catch { failures.append(error) }
            }
        }
        let listener = try Socket.listen(SocketAddress(.loopbackV4, 0), backlog: 16)
        let bound = listener.localAddress()
        let address = try #require(bound)
        let loops = [try Loop(), try Loop()]
        let doormen = [Doorman(try listener.duplicate()), Doorman(try listener.duplicate())]
        for (loop, doorman) in zip(loops, doormen) {
            _ = try loop.watch(doorman.listener.number, for: .read, exclusive: true, source: doorman)
        }
        var clients: [CInt] = []
        defer { for client in clients { Descriptor(takingOwnership: client).close() } }
        for _ in 0..<20 {
            let client = try Socket.tcp(.v4)
            _ = try client.connect(to: address)
            clients.append(client.release())
        }
        let deadline = Instant.now() + .seconds(20)
        while doormen[0].accepted.count + doormen[1].accepted.count < 20, Instant.now() < deadline {
            for loop in loops { loop.turn(wait: .milliseconds(1)) }
        }
        let all = doormen.flatMap(\.accepted)
        #expect(all.count == 20)
        #expect(Set(all).count == 20)
        #expect(doormen.flatMap(\.failures) == [])
    }

    // MARK: - Ends of turn

    @Test func `an end of turn is called once for each asking, after all events`() throws {
        let loop = try Loop()
        let bells = [try Bell(), try Bell(), try Bell()]
        var order: [String] = []
        let end = TurnEnd(loop)
        end.body = {
            order.append("end")
            return false
        }
        for bell in bells {
            _ = try bell.watch(on: loop)
            bell.onRing = {
                $0.counter.clear()
                order.append("event")
                if order.count == 1 { loop.atEndOfTurn(end) }
            }
            bell.counter.signal()
        }
        loop.turn(wait: .zero)
        loop.turn(wait: .zero)
        #expect(order == ["event", "event", "event", "end"])
    }

    @Test func `an end of turn with more to do is called each turn, and the loop doesn't sleep meanwhile`() throws {
        let loop = try Loop()
        let end = TurnEnd(loop)
        end.body = { end.turns.count < 5 }
        loop.atEndOfTurn(end)
        // Would never return if one of the turns slept.
        for _ in 0..<5 { loop.turn(wait: nil) }
        #expect(end.turns == [1, 2, 3, 4, 5])
        loop.turn(wait: .zero)
        #expect(end.turns.count == 5)
    }

    @Test func `an end of turn that asks for another is served in the same turn, one that asks for itself too`() throws {
        let loop = try Loop()
        let (first, second) = (TurnEnd(loop), TurnEnd(loop))
        first.body = {
            if first.turns.count == 1 { loop.atEndOfTurn(first) }
            loop.atEndOfTurn(second)
            return false
        }
        loop.atEndOfTurn(first)
        loop.turn(wait: .zero)
        #expect(first.turns == [1, 1])
        #expect(second.turns == [1, 1])
    }

    @Test func `work left over waits for the events of the next turn`() throws {
        let loop = try Loop()
        let bell = try Bell()
        var order: [String] = []
        let end = TurnEnd(loop)
        end.body = {
            order.append("end")
            return end.turns.count < 2
        }
        bell.onRing = {
            $0.counter.clear()
            order.append("event")
        }
        _ = try bell.watch(on: loop)
        loop.atEndOfTurn(end)
        loop.turn(wait: .zero)
        bell.counter.signal()
        loop.turn(wait: nil)
        #expect(order == ["end", "event", "end"])
    }

    // MARK: - Time

    @Test func `a sleeping loop wakes for its timer, and not before`() throws {
        let loop = try Loop()
        let alarm = Alarm()
        let began = Instant.now()
        _ = loop.arm(.milliseconds(30), alarm, tag: 9)
        while alarm.fired.isEmpty { loop.turn(wait: nil) }
        #expect(alarm.fired == [9])
        #expect(Instant.now().since(began) >= .milliseconds(30))
        #expect(loop.turns <= 3, "sleeping isn't polling")
    }

    @Test func `a timer that another one cancels in the same turn doesn't fire`() throws {
        let loop = try Loop()
        let (first, second) = (Alarm(), Alarm())
        let tokens = [loop.arm(.milliseconds(1), first, tag: 0), loop.arm(.milliseconds(1), second, tag: 0)]
        first.onFire = { _ in loop.cancel(tokens[1]) }
        second.onFire = { _ in loop.cancel(tokens[0]) }
        // Both are long due when the loop looks.
        let due = Instant.now() + .milliseconds(40)
        while Instant.now() < due {}
        for _ in 0..<5 { loop.turn(wait: .milliseconds(5)) }
        #expect(first.fired.count + second.fired.count == 1)
    }

    @Test func `a turn without anything to do ends with its wait`() throws {
        let loop = try Loop()
        let alarm = Alarm()
        let far = loop.arm(.seconds(3600), alarm, tag: 0)
        loop.turn(wait: .milliseconds(1))
        loop.turn(wait: .zero)
        #expect(loop.turns == 2)
        #expect(alarm.fired == [])
        loop.cancel(far)
    }

    @Test func `run goes on until it is stopped from within`() throws {
        let loop = try Loop()
        let alarm = Alarm()
        alarm.onFire = { tag in if tag == 3 { loop.stop() } else { _ = loop.arm(.zero, alarm, tag: tag + 1) } }
        _ = loop.arm(.zero, alarm, tag: 1)
        loop.run()
        #expect(alarm.fired == [1, 2, 3])
    }
}
