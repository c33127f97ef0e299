// SPDX-License-Identifier: Apache-2.0

/// Numbers as people read them.
enum HumanText {
    /// `950 B`, `1.2 MiB`: one digit behind the point below ten.
    static func bytes(_ count: Int64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        var (value, unit) = (Double(max(0, count)), 0)
        // 1023.95 would be written 1024.0.
        while value >= (unit == 0 ? 1024 : 1023.95), unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return unit == 0 ? "\(count) B" : "\(tenths(value)) \(units[unit])"
    }

    /// `12s`, `3m12s`, `2h05m`, `4d03h`: the two largest units.
    static func age(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0, seconds < 1e12 else { return "-" }
        let whole = Int64(seconds)
        let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60)
        if days > 0 { return "\(days)d\(two(hours))h" }
        if hours > 0 { return "\(hours)h\(two(minutes))m" }
        if minutes > 0 { return "\(minutes)m\(two(whole % 60))s" }
        return "\(whole)s"
    }

    /// `1 finding`, `2 findings`.
    static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

    private static func tenths(_ value: Double) -> String {
        let tenths = Int64((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    private static func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : String(number) }
}
