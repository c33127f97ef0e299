// SPDX-License-Identifier: Apache-2.0

import Kernel
import Testing

@testable import Loop

/// The wheel by itself, with a time that the tests set.
@Suite struct TimerWheelTests {
    /// Fires what is due and remembers it, as the loop does.
    private final class Clockwork: TimerTarget {
        var wheel: TimerWheel
        var now: Instant
        private(set) var fired: [UInt32] = []
        var onFire: (UInt32) -> Void = { _ in }

        init(start: Interval = .seconds(1000)) {
            now = Instant(nanoseconds: start.nanoseconds)
            wheel = TimerWheel(now: now)
        }

        @discardableResult
        func arm(_ delay: Interval, _ tag: UInt32) -> Token { wheel.arm(at: now + delay, target: self, tag: tag) }

        func timerFired(_ tag: UInt32) {
            fired.append(tag)
            onFire(tag)
        }

        func pass(_ time: Interval) {
            now = now + time
            for token in wheel.due(now: now) { if let due = wheel.take(token) { due.target.timerFired(due.tag) } }
        }
    }

    @Test(arguments: [
        Interval.zero, .milliseconds(1), .milliseconds(8), .milliseconds(100), .seconds(16), .seconds(17), .seconds(3600),
    ])
    func `a timer never fires early, and within two ticks of its time`(_ delay: Interval) {
        for offset in 0..<20 {
            let clock = Clockwork(start: Interval(nanoseconds: 1_000_000_000_000 + UInt64(offset) * 777_777))
            clock.arm(delay, 1)
            let deadline = clock.now + delay
            if delay.nanoseconds > 0 {
                clock.pass(Interval(nanoseconds: delay.nanoseconds - 1))
                #expect(clock.fired == [], "\(offset)")
            }
            while clock.fired.isEmpty, clock.now < deadline + .milliseconds(20) { clock.pass(.milliseconds(1)) }
            #expect(clock.fired == [1])
            #expect(clock.now > deadline)
            #expect(clock.now.since(deadline) <= .milliseconds(17))
        }
    }

    @Test func `timers fire in the order of their times, whatever the order of arming`() {
        let clock = Clockwork()
        let delays = (1...100).map { UInt64($0) * 100 }
        for delay in delays.shuffled() { clock.arm(.milliseconds(delay), UInt32(delay)) }
        while clock.wheel.count > 0 { clock.pass(.milliseconds(50)) }
        #expect(clock.fired == delays.map { UInt32($0) })
    }

    @Test func `one wake after a pause serves all that fell due, in their order`() {
        let clock = Clockwork()
        for delay in [9_000, 1_000, 5_000, 30] { clock.arm(.milliseconds(UInt64(delay)), UInt32(delay)) }
        clock.pass(.seconds(10))
        #expect(clock.fired == [30, 1_000, 5_000, 9_000])
    }

    @Test func `a cancelled timer doesn't fire, and cancelling it again does nothing`() {
        let clock = Clockwork()
        let first = clock.arm(.milliseconds(50), 1)
        clock.arm(.milliseconds(50), 2)
        clock.wheel.cancel(first)
        clock.wheel.cancel(first)
        clock.pass(.seconds(1))
        #expect(clock.fired == [2])
        clock.wheel.cancel(first)
        #expect(clock.wheel.count == 0)
    }

    @Test func `a timer that another one cancels while both are due doesn't fire`() {
        let clock = Clockwork()
        let tokens = [1, 2].map { clock.arm(.milliseconds(50), $0) }
        clock.onFire = { tag in clock.wheel.cancel(tokens[tag == 1 ? 1 : 0]) }
        clock.pass(.seconds(1))
        #expect(clock.fired.count == 1)
        #expect(clock.wheel.count == 0)
    }

    @Test func `a token whose timer fired cancels none that came after it`() {
        let clock = Clockwork()
        let first = clock.arm(.milliseconds(50), 1)
        clock.pass(.milliseconds(100))
        clock.arm(.milliseconds(50), 2)
        clock.wheel.cancel(first)
        clock.pass(.milliseconds(100))
        #expect(clock.fired == [1, 2])
    }

    @Test func `a far timer waits for its round while near ones of the same bucket fire`() {
        let clock = Clockwork()
        // A round has 2048 ticks of 8.4 ms: 17.2 s.
        let round = Interval(nanoseconds: 2048 << 23)
        for number in 0..<4 {
            clock.arm(Interval(nanoseconds: round.nanoseconds * UInt64(number) + 50_000_000), UInt32(number))
        }
        for number in 0..<4 {
            #expect(clock.fired.count == number)
            clock.pass(.milliseconds(100))
            #expect(clock.fired.count == number + 1)
            clock.pass(Interval(nanoseconds: round.nanoseconds - 100_000_000))
        }
        #expect(clock.fired == [0, 1, 2, 3])
    }

    @Test func `far timers all fire after one sleep of many rounds`() {
        let clock = Clockwork()
        for number in 0..<500 { clock.arm(.seconds(UInt64(number)), UInt32(number)) }
        clock.pass(.seconds(600))
        #expect(Set(clock.fired) == Set(0..<500))
        #expect(clock.wheel.count == 0)
    }

    @Test func `a timer that arms itself again fires once per interval and not twice in one wake`() {
        let clock = Clockwork()
        clock.onFire = { _ in clock.arm(.zero, 7) }
        clock.arm(.zero, 7)
        for count in 1...20 {
            clock.pass(.milliseconds(20))
            #expect(clock.fired.count == count)
        }
    }

    @Test func `the wheel holds a target until its timer fires or is cancelled`() {
        final class Target: TimerTarget { func timerFired(_ tag: UInt32) {} }
        var wheel = TimerWheel(now: Instant(nanoseconds: 0))
        weak var fires: Target?
        weak var cancelled: Target?
        do {
            let (first, second) = (Target(), Target())
            (fires, cancelled) = (first, second)
            _ = wheel.arm(at: Instant(nanoseconds: 1), target: first, tag: 0)
            wheel.cancel(wheel.arm(at: Instant(nanoseconds: 1), target: second, tag: 0))
        }
        #expect(fires != nil)
        #expect(cancelled == nil)
        for token in wheel.due(now: Instant(nanoseconds: 1_000_000_000)) { _ = wheel.take(token) }
        #expect(fires == nil)
    }

    @Test func `an empty wheel needs no wake`() {
        let clock = Clockwork()
        #expect(clock.wheel.nextWake(now: clock.now) == nil)
        clock.wheel.cancel(clock.arm(.seconds(1), 1))
        #expect(clock.wheel.nextWake(now: clock.now) == nil)
    }

    @Test(arguments: [UInt64(0), 1, 8, 9, 500, 530, 540, 1_000, 8_000, 17_000, 20_000, 100_000])
    func `following the wheel's wakes, a timer fires in time and after few of them`(_ milliseconds: UInt64) {
        let clock = Clockwork()
        clock.arm(.milliseconds(milliseconds), 1)
        let deadline = clock.now + .milliseconds(milliseconds)
        var wakes = 0
        while clock.fired.isEmpty, wakes < 1000 {
            guard let wait = clock.wheel.nextWake(now: clock.now) else { break }
            clock.pass(wait)
            wakes += 1
        }
        #expect(clock.fired == [1])
        #expect(clock.now.since(deadline) <= .milliseconds(17))
        // One look per round that it still has to wait.
        #expect(wakes <= 2 + Int(milliseconds) / 17_000)
    }

    @Test(arguments: [UInt64(1), 2, 3, 4]) func `the next wake is the nearest bucket in use, over random timers`(_ seed: UInt64) {
        var random = Random(seed: seed)
        for _ in 0..<300 {
            let clock = Clockwork(start: Interval(nanoseconds: random.next() % (1 << 45)))
            let delays = (0..<Int.random(in: 1...4, using: &random)).map { _ in UInt64.random(in: 0..<17_000, using: &random) }
            for (index, delay) in delays.enumerated() { clock.arm(.milliseconds(delay), UInt32(index)) }
            let nearest = clock.now + .milliseconds(delays.min() ?? 0)
            let wake = clock.now + (clock.wheel.nextWake(now: clock.now) ?? .zero)
            #expect(wake > nearest)
            #expect(wake.since(nearest) <= .milliseconds(9))
        }
    }

    @Test(arguments: [UInt64(1), 2]) func `a wheel agrees with a sorted list over random arming, cancelling and waiting`(
        _ seed: UInt64
    ) {
        var random = Random(seed: seed)
        let clock = Clockwork()
        var model: [UInt32: (Token, Instant)] = [:]
        clock.onFire = { tag in
            let deadline = model.removeValue(forKey: tag)?.1
            #expect(deadline.map { $0 < clock.now } == true, "fired early, twice or after it was cancelled")
        }
        for step in 0..<3_000 {
            switch random.next() % 4 {
            case 0, 1:
                let delay = Interval.milliseconds(UInt64.random(in: 0..<40_000, using: &random))
                model[UInt32(step)] = (clock.arm(delay, UInt32(step)), clock.now + delay)
            case 2:
                if let (tag, (token, _)) = model.randomElement(using: &random) {
                    clock.wheel.cancel(token)
                    model[tag] = nil
                }
            default: clock.pass(.milliseconds(UInt64.random(in: 0..<200, using: &random)))
            }
            let late = model.values.contains { clock.now.since($0.1) > .milliseconds(220) }
            #expect(!late, "a timer was forgotten")
        }
        #expect(clock.wheel.count == model.count)
    }
}
