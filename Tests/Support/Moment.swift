// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A point of the monotonic clock, for time-outs and measurements in tests.
package struct Moment: Comparable, Sendable {
    /// Seconds since some start.
    package let seconds: Double

    package static func now() -> Moment {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Moment(seconds: Double(time.tv_sec) + Double(time.tv_nsec) / 1e9)
    }

    package static func + (moment: Moment, seconds: Double) -> Moment { Moment(seconds: moment.seconds + seconds) }
    package static func - (later: Moment, earlier: Moment) -> Double { later.seconds - earlier.seconds }
    package static func < (a: Moment, b: Moment) -> Bool { a.seconds < b.seconds }
}

/// Something didn't come true in time.
package struct TimedOut: Error, CustomStringConvertible {
    package let description: String
}

/// Polls until `condition` holds. A bound of the product is `seconds`; the test fails only at ten times that, so that a busy machine
/// doesn't fail it and a broken program does. Returns how long it took.
@discardableResult
package func waitUntil(
    _ what: String, seconds: Double = 1, detail: () -> String = { "" }, _ condition: () throws -> Bool
) throws -> Double {
    let start = Moment.now()
    while true {
        if try condition() { return Moment.now() - start }
        if Moment.now() - start > seconds * 10 {
            throw TimedOut(description: "not within \(Int(seconds * 10)) s: \(what) \(detail())")
        }
        usleep(10_000)
    }
}
