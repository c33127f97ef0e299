// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A point of the monotonic clock, in nanoseconds since boot without sleep. Time-outs are counted in it (I11).
@usableFromInline
package struct Instant: Comparable, Hashable, Sendable {
    @usableFromInline package let nanoseconds: UInt64

    @inlinable package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    package static func now() -> Instant {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
    }

    @inlinable package static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

    @inlinable package static func + (a: Instant, b: Interval) -> Instant {
        let (sum, overflow) = a.nanoseconds.addingReportingOverflow(b.nanoseconds)
        return Instant(nanoseconds: overflow ? .max : sum)
    }

    /// How long after `earlier`; zero if it isn't later.
    @inlinable package func since(_ earlier: Instant) -> Interval {
        Interval(nanoseconds: nanoseconds > earlier.nanoseconds ? nanoseconds - earlier.nanoseconds : 0)
    }
}

/// A length of time, never negative.
@usableFromInline
package struct Interval: Comparable, Hashable, Sendable {
    @usableFromInline package let nanoseconds: UInt64

    @inlinable package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }
    @inlinable package static func seconds(_ count: UInt64) -> Interval { Interval(nanoseconds: count &* 1_000_000_000) }
    @inlinable package static func microseconds(_ count: UInt64) -> Interval { Interval(nanoseconds: count &* 1_000) }
    @inlinable package static func milliseconds(_ count: UInt64) -> Interval { Interval(nanoseconds: count &* 1_000_000) }

    @inlinable package var milliseconds: UInt64 { nanoseconds / 1_000_000 }
    @inlinable package var seconds: Double { Double(nanoseconds) / 1e9 }
    @inlinable package static func < (a: Interval, b: Interval) -> Bool { a.nanoseconds < b.nanoseconds }
    package static let zero = Interval(nanoseconds: 0)
}

/// Wall time, which people set and which jumps: for certificates and log lines only.
package struct WallTime: Comparable, Hashable, Sendable {
    /// Seconds since 1970, UTC.
    package let seconds: Int64
    package let nanoseconds: Int64

    package init(seconds: Int64, nanoseconds: Int64 = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    package static func now() -> WallTime {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(seconds: Int64(time.tv_sec), nanoseconds: Int64(time.tv_nsec))
    }

    package static func < (a: WallTime, b: WallTime) -> Bool { (a.seconds, a.nanoseconds) < (b.seconds, b.nanoseconds) }
}

extension WallTime: CustomStringConvertible {
    /// RFC 3339 in UTC with milliseconds: `2026-01-31T08:05:09.120Z`.
    package var description: String {
        let (year, month, day) = Self.civil(fromDays: Int((seconds - Int64(Self.secondOfDay(seconds))) / 86_400))
        let second = Self.secondOfDay(seconds)
        return "\(pad(year, 4))-\(pad(month, 2))-\(pad(day, 2))T\(pad(second / 3600, 2)):\(pad(second / 60 % 60, 2)):"
            + "\(pad(second % 60, 2)).\(pad(Int(nanoseconds / 1_000_000), 3))Z"
    }

    private static func secondOfDay(_ seconds: Int64) -> Int { Int(((seconds % 86_400) + 86_400) % 86_400) }

    /// Days since 1970 to a proleptic Gregorian date: eras of 400 years, years that begin in March.
    private static func civil(fromDays days: Int) -> (Int, Int, Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}

private func pad(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
