// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// What a timer wakes. The tag is the target's own: it tells its timers apart.
package protocol TimerTarget: AnyObject {
    func timerFired(_ tag: UInt32)
}

/// Timers by hashed buckets (Varghese and Lauck 1987, scheme 6): arming and cancelling cost the same however many there are.
///
/// A tick is 8 ms: time-outs here bound waits of seconds, and one wake serves all that fall due together. A timer never fires early.
/// Owned by one loop; the target is held until its timer fires or is cancelled.
struct TimerWheel {
    private struct Entry {
        let target: any TimerTarget
        let tag: UInt32
        let tick: UInt64
        let tenant: Tenant
    }

    private static let tickShift: UInt64 = 23
    private static let bucketCount = 2048

    private var entries = Slots<Entry>()
    private var buckets = ContiguousArray<ContiguousArray<Token>>(repeating: [], count: bucketCount)
    /// One bit per bucket that isn't empty, so that an idle loop finds its next wake quickly.
    private var occupied = ContiguousArray<UInt64>(repeating: 0, count: bucketCount / 64)
    /// All ticks up to this one were served.
    private var served: UInt64

    init(now: Instant) { served = now.nanoseconds >> Self.tickShift }

    var count: Int { entries.count }

    mutating func arm(at deadline: Instant, target: any TimerTarget, tag: UInt32, tenant: Tenant = .none) -> Token {
        // Rounded up, and never into a bucket that this round has passed.
        let tick = max(served + 1, (deadline.nanoseconds >> Self.tickShift) + 1)
        let token = entries.insert(Entry(target: target, tag: tag, tick: tick, tenant: tenant))
        let bucket = Int(tick % UInt64(Self.bucketCount))
        buckets[bucket].append(token)
        occupied[bucket / 64] |= 1 << UInt64(bucket % 64)
        return token
    }

    /// The bucket forgets the token when it comes by.
    mutating func cancel(_ token: Token) { entries.remove(token) }

    /// The timers whose time has come, in the order of their ticks within a round. Each is then taken before it is fired: one that another target
    /// cancelled meanwhile isn't there any more.
    mutating func due(now: Instant) -> ContiguousArray<Token> {
        var due: ContiguousArray<Token> = []
        let current = now.nanoseconds >> Self.tickShift
        guard current > served else { return due }
        // After a long sleep each bucket is looked at once, not once per round.
        let steps = min(current - served, UInt64(Self.bucketCount))
        for tick in (current - steps + 1)...current {
            let bucket = Int(tick % UInt64(Self.bucketCount))
            if !buckets[bucket].isEmpty { serve(bucket, upTo: current, into: &due) }
        }
        served = current
        return due
    }

    /// A timer that is due; nil if it was cancelled.
    mutating func take(_ token: Token) -> (target: any TimerTarget, tag: UInt32, tenant: Tenant)? {
        entries.remove(token).map { ($0.target, $0.tag, $0.tenant) }
    }

    mutating func giveBack() { entries.giveBack() }

    private mutating func serve(_ bucket: Int, upTo current: UInt64, into due: inout ContiguousArray<Token>) {
        var kept: ContiguousArray<Token> = []
        for token in buckets[bucket] {
            guard let entry = entries[token] else { continue }
            if entry.tick <= current { due.append(token) } else { kept.append(token) }
        }
        buckets[bucket] = kept
        if kept.isEmpty { occupied[bucket / 64] &= ~(1 << UInt64(bucket % 64)) }
    }

    /// How long until a bucket has to be looked at; nil if there is no timer. A bucket may hold only later rounds: then the wake finds nothing due.
    func nextWake(now: Instant) -> Interval? {
        guard entries.count > 0 else { return nil }
        let next = served + 1
        let distance = distanceToOccupied(from: Int(next % UInt64(Self.bucketCount)))
        return Instant(nanoseconds: (next + UInt64(distance)) << Self.tickShift).since(now)
    }

    /// How far the first bucket in use is from this one, 64 at a time: every turn of the loop asks.
    private func distanceToOccupied(from start: Int) -> Int {
        let (first, bit) = (start / 64, start % 64)
        var word = occupied[first] & (.max << UInt64(bit))
        // The first word comes again at the end of the round, with what lies before `start`.
        for step in 0...occupied.count {
            if word != 0 { return step * 64 + word.trailingZeroBitCount - bit }
            word = occupied[(first + step + 1) % occupied.count]
        }
        return Self.bucketCount
    }
}
