// SPDX-License-Identifier: Apache-2.0

/// A moment, to the second, as metadata tell it: RFC 3339 in UTC. The caller has the clock.
package struct Timestamp: Hashable, Sendable, Comparable {
    /// Since 1970.
    package let seconds: Int64

    package init(seconds: Int64) { self.seconds = seconds }

    package static func < (a: Timestamp, b: Timestamp) -> Bool { a.seconds < b.seconds }

    /// `2026-11-27T01:32:04Z`, or with a fraction or an offset; years 0 to 9999.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard (20...40).contains(bytes.count), bytes[4] == 0x2d, bytes[7] == 0x2d, bytes[10] == 0x54, bytes[13] == 0x3a,
            bytes[16] == 0x3a,
            let year = Self.number(bytes[0..<4]), let month = Self.number(bytes[5..<7]), let day = Self.number(bytes[8..<10]),
            let hour = Self.number(bytes[11..<13]), let minute = Self.number(bytes[14..<16]),
            let second = Self.number(bytes[17..<19]),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second <= 60,
            let offset = Self.offset(bytes[19...])
        else { return nil }
        self.init(seconds: Self.days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset)
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
        guard digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return digits.reduce(Int64(0)) { $0 * 10 + Int64($1 - 0x30) }
    }

    /// What follows the seconds: a fraction, which is cut off, and `Z` or `+01:00`.
    private static func offset(_ tail: ArraySlice<UInt8>) -> Int64? {
        var rest = tail
        if rest.first == 0x2e {
            rest = rest.dropFirst()
            let digits = rest.prefix { (0x30...0x39).contains($0) }
            guard !digits.isEmpty else { return nil }
            rest = rest.dropFirst(digits.count)
        }
        if rest.elementsEqual([0x5a]) { return 0 }
        let parts = Array(rest)
        guard parts.count == 6, parts[0] == 0x2b || parts[0] == 0x2d, parts[3] == 0x3a, let hours = number(parts[1..<3]),
            let minutes = number(parts[4..<6]), hours < 24, minutes < 60
        else { return nil }
        return (parts[0] == 0x2b ? 1 : -1) * (hours * 3600 + minutes * 60)
    }

    /// Days from 1970 to a date of the Gregorian calendar (H. Hinnant, "chrono-compatible low-level date algorithms").
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let y = month <= 2 ? year - 1 : year
        let era = (y >= 0 ? y : y - 399) / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719468
    }
}

extension Timestamp: CustomStringConvertible {
    package var description: String {
        let days = (seconds >= 0 ? seconds : seconds - 86399) / 86400
        let rest = seconds - days * 86400
        let z = days + 719468
        let era = (z >= 0 ? z : z - 146096) / 146097
        let dayOfEra = z - era * 146097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let part = (5 * dayOfYear + 2) / 153
        let month = part < 10 ? part + 3 : part - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let date = "\(Self.padded(year, 4))-\(Self.padded(month, 2))-\(Self.padded(dayOfYear - (153 * part + 2) / 5 + 1, 2))"
        return "\(date)T\(Self.padded(rest / 3600, 2)):\(Self.padded(rest / 60 % 60, 2)):\(Self.padded(rest % 60, 2))Z"
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }

    /// The time since then as kubectl shows it: `45s`, `12m`, `5h12m`, `3d4h`, `2y`. (k8s.io/apimachinery, duration.HumanDuration.)
    package func age(at now: Timestamp) -> String {
        let seconds = now.seconds - self.seconds
        if seconds < -1 { return "<invalid>" }
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400)
        func pair(_ large: Int64, _ sign: String, _ small: Int64, _ other: String) -> String {
            small == 0 ? "\(large)\(sign)" : "\(large)\(sign)\(small)\(other)"
        }
        if seconds < 120 { return "\(max(0, seconds))s" }
        if minutes < 10 { return pair(minutes, "m", seconds % 60, "s") }
        if minutes < 180 { return "\(minutes)m" }
        if hours < 8 { return pair(hours, "h", minutes % 60, "m") }
        if hours < 48 { return "\(hours)h" }
        if days < 8 { return pair(days, "d", hours % 24, "h") }
        if days < 730 { return "\(days)d" }
        if days < 8 * 365 { return pair(days / 365, "y", days % 365, "d") }
        return "\(days / 365)y"
    }
}
