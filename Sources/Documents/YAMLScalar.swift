// SPDX-License-Identifier: Apache-2.0

/// What a scalar is by its text, as Kubernetes' readers see it: YAML 1.1 without numbers of base 60 and without dates, both of which are
/// strings there. So `y`, `no`, `1.0`, `0x10` and `010` without quotes are no strings.
enum YAMLScalar {
    private static let trueWords: Set = ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"]
    private static let falseWords: Set = ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"]
    private static let nullWords: Set = ["", "~", "null", "Null", "NULL"]

    /// The content of a scalar; nil if its tag asks for what the text isn't, or for something that has no place in a document.
    static func content(_ text: String, tag: String?, isPlain: Bool) -> Value.Content? {
        switch tag {
        case nil: return isPlain ? plain(text) : .string(text)
        case "!", "tag:yaml.org,2002:str": return .string(text)
        case "tag:yaml.org,2002:null": if nullWords.contains(text) { return .null }
        case "tag:yaml.org,2002:bool": if let bool = bool(text) { return .bool(bool) }
        case "tag:yaml.org,2002:int": if let integer = integer(text) { return .integer(integer) }
        case "tag:yaml.org,2002:float":
            if let integer = integer(text) { return .number(Double(integer)) }
            return float(text).map { .number($0) }
        default: break
        }
        return nil
    }

    static func plain(_ text: String) -> Value.Content {
        if nullWords.contains(text) { return .null }
        if let bool = bool(text) { return .bool(bool) }
        if let integer = integer(text) { return .integer(integer) }
        if let float = float(text) { return .number(float) }
        return .string(text)
    }

    private static func bool(_ text: String) -> Bool? {
        trueWords.contains(text) ? true : falseWords.contains(text) ? false : nil
    }

    /// Decimal, `0x`, `0o`, `0b`, or octal by a leading zero; `_` between digits counts for nothing.
    private static func integer(_ text: String) -> Int64? {
        guard let first = text.utf8.first, isDigit(first) || first == UInt8(ascii: "-") || first == UInt8(ascii: "+")
        else { return nil }
        var digits = Substring(text.filter { $0 != "_" })
        let sign = digits.first == "-" ? "-" : ""
        if digits.first == "-" || digits.first == "+" { digits = digits.dropFirst() }
        guard let leading = digits.utf8.first, isDigit(leading) else { return nil }
        let prefix = digits.prefix(2).lowercased()
        let bases = ["0x": 16, "0o": 8, "0b": 2]
        if let radix = bases[prefix] {
            let rest = digits.dropFirst(2)
            guard let lead = rest.utf8.first, lead != UInt8(ascii: "-"), lead != UInt8(ascii: "+") else { return nil }
            return Int64(sign + rest, radix: radix)
        }
        return Int64(sign + digits, radix: digits.utf8.count > 1 && leading == UInt8(ascii: "0") ? 8 : 10)
    }

    private static func float(_ text: String) -> Double? {
        switch text {
        case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF": return .infinity
        case "-.inf", "-.Inf", "-.INF": return -.infinity
        case ".nan", ".NaN", ".NAN": return .nan
        default: return isFloat(text) ? Double(text) ?? Double("0" + text) : nil
        }
    }

    /// `[-+]? ( . digits | digits ( . digits? )? ) ( [eE] [-+]? digits )?`
    private static func isFloat(_ text: String) -> Bool {
        var rest = text.utf8[...]
        func takeDigits() -> Int {
            let digits = rest.prefix(while: isDigit).count
            rest = rest.dropFirst(digits)
            return digits
        }
        func take(_ bytes: UInt8...) -> Bool {
            guard let first = rest.first, bytes.contains(first) else { return false }
            rest = rest.dropFirst()
            return true
        }
        _ = take(UInt8(ascii: "-"), UInt8(ascii: "+"))
        let whole = takeDigits()
        let fraction = take(UInt8(ascii: ".")) ? takeDigits() : 0
        guard whole > 0 || fraction > 0 else { return false }
        if take(UInt8(ascii: "e"), UInt8(ascii: "E")) {
            _ = take(UInt8(ascii: "-"), UInt8(ascii: "+"))
            guard takeDigits() > 0 else { return false }
        }
        return rest.isEmpty
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
