// SPDX-License-Identifier: Apache-2.0

/// A time as the API writes it (RFC 3339): `2026-01-31T08:05:09Z`, with or without a fraction. Only UTC is written there.
struct Timestamp: Hashable {
    /// Since 1970.
    let seconds: Int64

    /// Nil for a text that is none.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard (20...35).contains(bytes.count), bytes.last == UInt8(ascii: "Z") else { return nil }
        for (index, mark) in [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")] as [(Int, Unicode.Scalar)] {
            guard bytes[index] == UInt8(ascii: mark) else { return nil }
        }
        func number(_ range: Range<Int>, in allowed: ClosedRange<Int>) -> Int? {
            let digits = bytes[range]
            guard digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            let value = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
            return allowed.contains(value) ? value : nil
        }
        guard let year = number(0..<4, in: 1970...9999), let month = number(5..<7, in: 1...12),
            let day = number(8..<10, in: 1...31),
            let hour = number(11..<13, in: 0...23), let minute = number(14..<16, in: 0...59),
            let second = number(17..<19, in: 0...60)
        else { return nil }
        let fraction = bytes[19..<bytes.count - 1]
        guard
            fraction.isEmpty
                || fraction.first == UInt8(ascii: ".") && fraction.dropFirst().allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        let days = Self.days(year, month, day)
        seconds = Int64(days * 86_400 + hour * 3600 + minute * 60 + second)
    }

    /// Days since 1970 of a Gregorian date: years that begin in March, eras of 400 of them.
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month > 2 ? year : year - 1
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
