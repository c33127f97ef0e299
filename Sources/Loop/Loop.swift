// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// What a loop tells about a descriptor.
package protocol EventSource: AnyObject {
    /// On the loop's thread. Level-triggered: what isn't taken is told again.
    func ready(_ readiness: Readiness)
}

/// Work that is gathered over a turn and done once at its end: one send for all that the turn's events produced.
package protocol TurnTarget: AnyObject {
    /// True if more is left, to be done in the next turn after others had theirs.
    func endTurn() -> Bool
}

/// One thread's event loop: descriptors, timers, messages and the scratch memory for bytes that pass.
///
/// Everything that it watches lives and dies on its thread; other threads reach it by a `Mailbox` alone. It never takes a lock and never waits but in
/// epoll. It ends when `stop` was called on its own thread.
package final class Loop {
    /// 64 KiB is what one receive and one send move best (docs/decisions: more cost 10 to 25 % with BBR and won nothing with cubic).
    package static let chunk = 64 * 1024

    /// How many events a turn sees. Those of a tenant that has used its share stand in the kernel's list before those of others: so as many are
    /// looked at as a flooded workload may well have ready at once. 48 KiB; an event that is put off costs a fifth of a microsecond.
    static let events = 4096

    /// What this turn's receive from a tunnel gives, until it is decrypted.
    package let ciphertext = Scratch(count: chunk)
    /// Decrypted bytes, until they are parsed.
    package let plaintext = Scratch(count: chunk)
    /// Frames on their way to be encrypted.
    package let stage = Scratch(count: chunk)

    /// When the turn began. Reading the clock once per turn is exact enough for time-outs and statistics.
    package private(set) var now: Instant
    /// How many turns there were: the watchdog looks whether it grows.
    package private(set) var turns: UInt64 = 0

    private struct Watch {
        let source: any EventSource
        let number: CInt
        var wanted: Readiness
        let tenant: Tenant
    }

    private struct TurnEnd {
        let target: any TurnTarget
        let tenant: Tenant
    }

    private let epoll: Epoll
    private var watches = Slots<Watch>()
    private var timers: TimerWheel
    private var turnEnds: ContiguousArray<TurnEnd> = []
    /// Of this turn's ends, those that have more left, and those that had no share left. Empty between turns; kept for their memory.
    private var unfinished: ContiguousArray<TurnEnd> = []
    private var putOff: ContiguousArray<TurnEnd> = []
    /// Whom the loop works for at this moment.
    private var tenant = Tenant.none
    private var lastPlace: UInt8 = 0
    /// Which of the last turn's events was the first that was put off.
    private var firstPutOff = 0
    private var eventShares = TurnShares()
    private var endShares = TurnShares()
    private var strain: Strain
    private var pace: BeginningPace
    private var running = false

    /// - Parameter pace: how many connections a tenant may always begin in a second, however strained the loop is.
    package init(pace: Int = 1000) throws(Errno) {
        epoll = try Epoll(capacity: Self.events)
        now = Instant.now()
        strain = Strain(now: now)
        self.pace = BeginningPace(perSecond: pace, now: now)
        timers = TimerWheel(now: now)
    }

    // MARK: - Descriptors

    /// Begins to tell the source about a descriptor, which the caller owns and must `unwatch` or `forget` before closing.
    /// - Parameters:
    ///   - exclusive: of several loops that watch the same listener one is woken.
    ///   - owner: whom it is watched for, if not for whom the loop works now.
    package func watch(
        _ number: CInt, for wanted: Readiness, exclusive: Bool = false, source: any EventSource, owner: Tenant? = nil
    ) throws(Errno) -> Token {
        let token = watches.insert(Watch(source: source, number: number, wanted: wanted, tenant: owner ?? tenant))
        do throws(Errno) {
            try epoll.add(number, wanted, word: token.word, exclusive: exclusive)
        } catch {
            watches.remove(token)
            throw error
        }
        return token
    }

    /// Changes what is wanted; a system call only if it differs.
    @inline(__always)
    package func want(_ wanted: Readiness, _ token: Token) {
        guard let watch = watches[token], watch.wanted != wanted else { return }
        watches.update(token) { $0.wanted = wanted }
        do throws(Errno) {
            try epoll.change(watch.number, wanted, word: token.word)
        } catch {
            bug("epoll refuses to change descriptor \(watch.number): \(error)")
        }
    }

    /// Ends the telling. Events of this turn that are still to come for the token find nothing.
    package func unwatch(_ token: Token) {
        guard let watch = watches.remove(token) else { return }
        do throws(Errno) {
            try epoll.remove(watch.number)
        } catch {
            bug("epoll doesn't know descriptor \(watch.number): \(error)")
        }
    }

    /// Ends the telling about a descriptor that the caller closes right away, by which the kernel forgets it too. Only for descriptors that nobody
    /// else has a copy of.
    package func forget(_ token: Token) { watches.remove(token) }

    // MARK: - Time

    package func arm(_ delay: Interval, _ target: any TimerTarget, tag: UInt32) -> Token {
        timers.arm(at: Instant.now() + delay, target: target, tag: tag, tenant: tenant)
    }

    package func cancel(_ timer: Token) { timers.cancel(timer) }

    // MARK: - Tenants

    /// A new tenant, with a share of each busy turn.
    package func makeTenant() -> Tenant {
        lastPlace = lastPlace % UInt8(TurnShares.places) + 1
        return Tenant(place: lastPlace)
    }

    /// The rest of what is being served now is done for this tenant.
    package func work(for tenant: Tenant) { self.tenant = tenant }

    // MARK: - Beginnings

    /// How long whoever may not begin waits before it asks again, at the most: a timer's tick.
    package static let paceRest = Interval.milliseconds(1)

    /// Whether the tenant may begin a connection of this kind now (`BeginningPace`).
    package func mayBegin(_ tenant: Tenant, _ kind: Beginning) -> Bool { pace.mayBegin(tenant, kind, now: now) }

    /// The tenant began a connection.
    package func began(_ tenant: Tenant, _ kind: Beginning) { pace.began(tenant, kind, now: now) }

    /// Something that asked to begin was turned away, for an eighth of what a beginning costs.
    package func turnedAway(_ tenant: Tenant, _ kind: Beginning) { pace.began(tenant, kind, parts: 1, now: now) }

    // MARK: - Turns

    /// Has `endTurn` called when this turn's events are served. The caller keeps a flag so that it asks once per turn.
    @inline(__always)
    package func atEndOfTurn(_ target: any TurnTarget) { turnEnds.append(TurnEnd(target: target, tenant: tenant)) }

    /// Runs until `stop`.
    package func run() {
        running = true
        while running { turn(wait: nil) }
    }

    package func stop() { running = false }

    /// Gives back memory that a burst of connections took. Now and then, on the loop's thread.
    package func giveBack() {
        watches.giveBack()
        timers.giveBack()
    }

    /// One turn: waits for events at most `wait` (nil: until something happens), serves them, then timers, then ends of turn.
    package func turn(wait: Interval?) {
        let count: Int
        var start: Instant?
        do throws(Errno) {
            count = try epoll.wait(milliseconds: timeout(wait, &start))
        } catch {
            bug("epoll can't wait: \(error)")
        }
        now = Instant.now()
        turns &+= 1
        if let isStrained = strain.turned(sleptSince: start, now: now) { pace.judge(isStrained: isStrained, now: now) }
        serveEvents(count)
        for timer in timers.due(now: now) {
            guard let due = timers.take(timer) else { continue }
            tenant = due.tenant
            due.target.timerFired(due.tag)
        }
        tenant = .none
        serveEndsOfTurn()
        tenant = .none
    }

    /// A tenant that has used its share is told again in the next turn, after the others.
    private func serveEvents(_ count: Int) {
        let isCrowded = count >= TurnShares.crowd
        var before = now
        // The kernel tells in the same order again: who was put off first is first now, or he would be put off for ever.
        let start = firstPutOff < count ? firstPutOff : 0
        firstPutOff = 0
        for step in 0..<count {
            let index = start + step < count ? start + step : start + step - count
            let (word, readiness) = epoll.event(index)
            guard let watch = watches[Token(word: word)] else { continue }
            tenant = watch.tenant
            pace.served(tenant, now: now)
            guard isCrowded else {
                watch.source.ready(readiness)
                continue
            }
            guard eventShares.hasLeft(watch.tenant, turn: turns) else {
                if firstPutOff == 0 { firstPutOff = index }
                continue
            }
            watch.source.ready(readiness)
            let after = Instant.now()
            // Who was found out to be behind it meanwhile pays for it.
            eventShares.charge(tenant, after.since(before), turn: turns)
            before = after
        }
        tenant = .none
    }

    /// Those who have more left, or no share left, go to the next turn, which then doesn't sleep.
    private func serveEndsOfTurn() {
        var index = 0
        var before: Instant?
        // Ends of turn may ask for further ones: a tunnel that freed room wakes a relay, which writes into another tunnel.
        while index < turnEnds.count {
            let end = turnEnds[index]
            index += 1
            guard endShares.hasLeft(end.tenant, turn: turns) else {
                putOff.append(end)
                continue
            }
            if before == nil, turnEnds.count >= TurnShares.crowd { before = Instant.now() }
            tenant = end.tenant
            if end.target.endTurn() { unfinished.append(end) }
            guard let began = before else { continue }
            let after = Instant.now()
            endShares.charge(end.tenant, after.since(began), turn: turns)
            before = after
        }
        // Who was put off comes before those who had their turn.
        turnEnds.removeAll(keepingCapacity: true)
        turnEnds.append(contentsOf: putOff)
        turnEnds.append(contentsOf: unfinished)
        putOff.removeAll(keepingCapacity: true)
        unfinished.removeAll(keepingCapacity: true)
    }

    /// - Parameter start: when the wait begins, if there is to be one.
    private func timeout(_ wait: Interval?, _ start: inout Instant?) -> CInt {
        if !turnEnds.isEmpty { return 0 }
        let time = Instant.now()
        start = time
        var limit = wait
        if let next = timers.nextWake(now: time), limit.map({ next < $0 }) ?? true { limit = next }
        guard let limit else { return -1 }
        // Rounded up: waking a little early would only spin until the tick is due.
        return CInt(clamping: (limit.nanoseconds + 999_999) / 1_000_000)
    }
}
