// SPDX-License-Identifier: Apache-2.0

extension Fields {
    /// A string. A number or a boolean is none: YAML 1.1 reads `y`, `no` and `1.0` as such, and the remedy says so.
    package func string(_ key: String) -> String? {
        guard let value = value(key) else { return nil }
        return string(value, key)
    }

    /// A string that has to be there and not be empty; `""` after a finding if it isn't.
    package func requiredString(_ key: String) -> String {
        guard let value = value(key) else {
            append(.error, DocumentCode.missingField, position, key, "`\(path(of: key))` is missing", remedy: "Add it.")
            return ""
        }
        let text = string(value, key) ?? ""
        if text.isEmpty, value.stringValue != nil { report(key, "\(path(of: key)) is empty", remedy: "Write a value.") }
        return text
    }

    package func bool(_ key: String) -> Bool? {
        guard let value = value(key) else { return nil }
        if let bool = value.boolValue { return bool }
        wrongType(value, key, expected: "a boolean", remedy: "Write `true` or `false`, without quotes.")
        return nil
    }

    /// An integer within the range.
    package func integer<Number: FixedWidthInteger>(_ key: String, in range: ClosedRange<Number>) -> Number? {
        guard let value = value(key) else { return nil }
        guard let integer = value.integerValue else {
            wrongType(value, key, expected: "an integer", remedy: "Write it as digits, without quotes.")
            return nil
        }
        guard let number = Number(exactly: integer), range.contains(number) else {
            report(
                key, "\(path(of: key)) is \(integer), not within \(range.lowerBound) to \(range.upperBound)",
                remedy: "Write a number within these.")
            return nil
        }
        return number
    }

    package func number(_ key: String, in range: ClosedRange<Double>) -> Double? {
        guard let value = value(key) else { return nil }
        guard let number = value.numberValue else {
            wrongType(value, key, expected: "a number", remedy: "Write it as digits, without quotes.")
            return nil
        }
        guard range.contains(number) else {
            report(
                key, "\(path(of: key)) is \(number), not within \(range.lowerBound) to \(range.upperBound)",
                remedy: "Write a number within these.")
            return nil
        }
        return number
    }

    /// A string that a type of ours can be made of; `expected` completes "… is not".
    package func parsed<Parsed: LosslessStringConvertible>(
        _ key: String, as type: Parsed.Type = Parsed.self, expected: String, remedy: String
    ) -> Parsed? {
        guard let text = string(key) else { return nil }
        if let parsed = Parsed(text) { return parsed }
        report(key, "\(path(of: key)) is \"\(text)\", which is not \(expected)", remedy: remedy)
        return nil
    }

    /// One word of an enumeration's raw values.
    package func choice<Choice: RawRepresentable & CaseIterable>(_ key: String, _ type: Choice.Type = Choice.self) -> Choice?
    where Choice.RawValue == String {
        guard let text = string(key) else { return nil }
        if let choice = Choice(rawValue: text) { return choice }
        let words = Choice.allCases.map(\.rawValue)
        report(
            key, "\(path(of: key)) is \"\(text)\", not one of \(words.joined(separator: ", "))",
            remedy: suggestion(for: text, among: words).map { "Did you mean `\($0)`?" } ?? "Write one of these.")
        return nil
    }

    /// Seconds and smaller as Kubernetes writes them: `250ms`, `5s`, `1m30s`, `24h`. Never negative.
    package func duration(_ key: String) -> Duration? {
        guard let text = string(key) else { return nil }
        if let duration = Duration(documentText: text) { return duration }
        report(key, "\(path(of: key)) is \"\(text)\", which is not a duration", remedy: "Write it like 250ms, 5s, 1m30s or 24h.")
        return nil
    }

    private func string(_ value: Value, _ key: String) -> String? {
        switch value.content {
        case .string(let text): return text
        case .bool, .integer, .number:
            wrongType(
                value, key, expected: "a string",
                remedy: "Put the value in quotes: YAML reads words like y, no, on and numbers like 1.0 as something else.")
        case .null, .sequence, .mapping:
            wrongType(value, key, expected: "a string", remedy: "Write one word or a text in quotes.")
        }
        return nil
    }
}

// MARK: - Several

extension Fields {
    /// The fields of a mapping inside this one.
    package func fields(_ key: String) -> Fields? {
        value(key).map { Fields($0, path: path(of: key), findings: findings) }
    }

    /// The elements of a sequence of mappings; empty if absent.
    package func list(_ key: String) -> [Fields] {
        elements(key).enumerated().map { index, element in
            Fields(element, path: "\(path(of: key))[\(index)]", findings: findings)
        }
    }

    /// The elements of a sequence of strings, with their places for findings; empty if absent.
    package func strings(_ key: String) -> [String] {
        elements(key).enumerated().compactMap { index, element in string(element, "\(key)[\(index)]") }
    }

    /// The elements of a sequence as they stand; empty if absent.
    package func elements(_ key: String) -> [Value] {
        guard let value = value(key) else { return [] }
        if let values = value.sequenceValue { return values }
        wrongType(value, key, expected: "a sequence", remedy: "Write it as `- element` lines, or in brackets.")
        return []
    }

    /// A mapping of strings, as labels are; empty if absent. A value that is no string is left out, with a finding.
    package func stringMap(_ key: String) -> [String: String] {
        guard let inner = fields(key) else { return [:] }
        var map: [String: String] = [:]
        for name in inner.keys {
            // A label without a value is written as one with an empty value.
            map[name] = inner.value(name) == nil ? "" : inner.string(name)
        }
        return map
    }
}

extension Duration {
    /// Digits, an optional fraction and a unit (`ns`, `us`, `ms`, `s`, `m`, `h`), several times; or `0`. At most a century.
    package init?(documentText text: String) {
        var total: Int64 = 0
        var rest = Substring(text)
        if text == "0" { rest = "" } else if text.isEmpty { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            let unit = rest.dropFirst(digits.count).prefix { $0.isASCII && $0.isLetter }
            guard let nanoseconds = Self.nanoseconds(digits, unit: String(unit)), total <= Self.century - nanoseconds
            else { return nil }
            total += nanoseconds
            rest = rest.dropFirst(digits.count + unit.count)
        }
        self = .nanoseconds(total)
    }

    private static let century: Int64 = 3_155_760_000_000_000_000

    private static let nanosecondsPerUnit: [String: Int64] = [
        "ns": 1, "us": 1000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000,
    ]

    /// One number with its unit, at most a century; parts of a nanosecond are cut off.
    private static func nanoseconds(_ digits: Substring, unit: String) -> Int64? {
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let unit = nanosecondsPerUnit[unit], let whole = Int64(parts[0]) else { return nil }
        let (product, overflow) = whole.multipliedReportingOverflow(by: unit)
        guard !overflow, product <= century else { return nil }
        guard parts.count == 2 else { return product }
        // Nine digits reach down to a nanosecond of a second; more of an hour is nobody's wish.
        guard (1...9).contains(parts[1].utf8.count), let fraction = Int64(parts[1]) else { return nil }
        let scale = parts[1].utf8.reduce(Int64(1)) { scale, _ in scale * 10 }
        // Less than 10^9 of the unit's nanoseconds in 10^9 parts: an hour times 10^9 would not fit, so divide what divides.
        let (high, low) = (unit / scale, unit % scale)
        return min(product + fraction * high + fraction * low / scale, century)
    }
}
