// SPDX-License-Identifier: Apache-2.0

package import Kernel

extension Interval {
    package static func minutes(_ count: UInt64) -> Interval { .seconds(count * 60) }
    package static func hours(_ count: UInt64) -> Interval { .seconds(count * 3600) }

    /// From a document's duration, which is never negative and at most a century.
    package init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = Interval(
            nanoseconds: UInt64(clamping: seconds) * 1_000_000_000 + UInt64(clamping: attoseconds) / 1_000_000_000)
    }

    /// As a configuration writes it, in the largest unit that leaves no fraction: `24h`, `90s`, `250ms`.
    package var documentText: String {
        let units: [(String, UInt64)] = [
            ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1000), ("ns", 1),
        ]
        guard let unit = units.first(where: { nanoseconds != 0 && nanoseconds % $0.1 == 0 }) else { return "0s" }
        return "\(nanoseconds / unit.1)\(unit.0)"
    }
}
