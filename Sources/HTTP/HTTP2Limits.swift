// SPDX-License-Identifier: Apache-2.0

/// How often a peer may do what is legal once and an attack a thousand times.
///
/// Each is an allowance of `burst` that refills by `perSecond`, by the seconds that the owner of the session tells `receive`. An owner
/// that tells none grants the burst for the whole life of the connection.
package struct HTTP2Limits: Sendable {
    /// One limit: how much at once, and how much of it comes back in a second.
    package struct Rate: Sendable {
        package var burst: Int
        package var perSecond: Int

        package init(burst: Int, perSecond: Int) {
            self.burst = burst
            self.perSecond = perSecond
        }
    }

    /// Streams that the peer opened and reset before it had a 2xx answer (CVE-2023-44487). A client that gives up on slow
    /// connects does this now and then; ztunnel closes after about 25 in a row. Each 2xx answer gives one back.
    package var resets = Rate(burst: 100, perSecond: 10)

    /// Streams that we reset because the peer broke a rule on them: malformed requests, and CVE-2025-8671, which makes a server
    /// reset its own streams.
    package var violations = Rate(burst: 100, perSecond: 10)

    /// PING, SETTINGS and their acknowledgements, PRIORITY, GOAWAY (CVE-2019-9512, -9513, -9515). Peers were seen to PING once in
    /// ten seconds, or once in a round trip while they measure their bandwidth.
    package var controlFrames = Rate(burst: 1000, perSecond: 100)

    /// DATA frames without a byte that end nothing (CVE-2019-9518).
    package var emptyData = Rate(burst: 100, perSecond: 10)

    /// WINDOW_UPDATE frames beyond what our DATA frames earn: each earns four, as a peer may answer each on the stream and on the
    /// connection, and some do so piecewise.
    package var windowUpdates = Rate(burst: 2000, perSecond: 200)

    /// And one more for each 2 KiB: Go's HTTP/2 server, which is etcd's, answers each of its reads of 8 KiB, and what such a read leaves of a
    /// frame, on the stream and on the connection: six for a frame of 16 KiB were seen.
    static func windowUpdatesEarned(_ length: Int) -> Int { 4 + length / 2048 }

    /// CONTINUATION frames of one header block (CVE-2024-27316). A full header list in the smallest frames needs four.
    package var continuations = 8

    /// How many frames may wait to be sent before a peer that makes us answer but doesn't read is cut off.
    package var outboundFrames = 10_000

    package init() {}
}

/// What is left of one limit. A value inside the session.
struct Allowance {
    private var left: Int
    private let rate: HTTP2Limits.Rate

    init(_ rate: HTTP2Limits.Rate) {
        self.rate = rate
        left = rate.burst
    }

    /// False when nothing is left: the peer went too far.
    mutating func spend() -> Bool {
        left -= 1
        return left >= 0
    }

    /// Good behaviour gives something back, up to the burst.
    mutating func earn(_ amount: Int) { left = min(left + amount, rate.burst) }

    /// `seconds` passed; at most an hour counts, which fills every allowance and can't overflow.
    mutating func refill(seconds: Int) { earn(min(max(seconds, 0), 3600) * rate.perSecond) }
}

/// What is left of all limits of one session.
struct HTTP2Allowances {
    var resets: Allowance
    var violations: Allowance
    var controlFrames: Allowance
    var emptyData: Allowance
    var windowUpdates: Allowance
    /// The second up to which the allowances were refilled.
    private var second = 0

    init(_ limits: HTTP2Limits) {
        resets = Allowance(limits.resets)
        violations = Allowance(limits.violations)
        controlFrames = Allowance(limits.controlFrames)
        emptyData = Allowance(limits.emptyData)
        windowUpdates = Allowance(limits.windowUpdates)
    }

    /// Refills by the time that went by since the last call. A clock that went backwards refills nothing.
    mutating func refill(at now: Int) {
        guard now > second else { return }
        let passed = now - second
        second = now
        resets.refill(seconds: passed)
        violations.refill(seconds: passed)
        controlFrames.refill(seconds: passed)
        emptyData.refill(seconds: passed)
        windowUpdates.refill(seconds: passed)
    }
}
