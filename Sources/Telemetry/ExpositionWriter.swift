// SPDX-License-Identifier: Apache-2.0

/// Writes OpenMetrics 1.0 text: families with their metadata, samples, and the end mark without which a reader takes it for cut
/// off.
package struct ExpositionWriter {
    private var bytes: [UInt8] = []

    package init() {}

    package mutating func begin(_ name: String, _ kind: MetricKind, help: String, unit: String?) {
        bytes += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n".utf8
        if let unit { bytes += "# UNIT \(name) \(unit)\n".utf8 }
    }

    package mutating func sample(_ name: String, _ labels: String, _ value: String) {
        bytes += name.utf8
        if !labels.isEmpty { bytes += "{\(labels)}".utf8 }
        bytes += " \(value)\n".utf8
    }

    package consuming func finish() -> [UInt8] {
        bytes += "# EOF\n".utf8
        return bytes
    }

    /// `name="value",…` with backslash, quote and end of line escaped, as OpenMetrics asks. Other controls become spaces: no
    /// reader needs them and a terminal would act upon them.
    package static func labels(_ pairs: some Sequence<(String, String)>) -> String {
        var text = ""
        for (name, value) in pairs {
            text += text.isEmpty ? "" : ","
            text += "\(name)=\"\(escaped(value))\""
        }
        return text
    }

    static func escaped(_ value: String) -> String {
        if value.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f && $0 != 0x22 && $0 != 0x5c }) { return value }
        var text = String.UnicodeScalarView()
        for scalar in value.unicodeScalars {
            switch scalar.value {
            case 0x5c: text += "\\\\".unicodeScalars
            case 0x22: text += "\\\"".unicodeScalars
            case 0x0a: text += "\\n".unicodeScalars
            case 0..<0x20, 0x7f...0x9f, 0x2028, 0x2029: text.append(" ")
            default: text.append(scalar)
            }
        }
        return String(text)
    }

    /// Whole numbers without a fraction, others as Swift writes them, which OpenMetrics reads.
    package static func number(_ value: Double) -> String {
        if let whole = Int64(exactly: value) { return String(whole) }
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value.description
    }
}

// MARK: - Families

extension ExpositionWriter {
    /// A family of the daemon itself.
    mutating func write(_ family: ControlFamily, _ series: [[String]: Double]) {
        begin(family.name, family.kind, help: family.help, unit: family.unit)
        let name = family.name + (family.kind == .counter ? "_total" : "")
        if series.isEmpty && family.isAlwaysTold { sample(name, "", "0") }
        for (values, value) in series.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            sample(name, Self.labels(zip(family.labels, values)), Self.number(value))
        }
    }

    /// A family of the loops, from the sum of their cells. All its series are told, those at zero too, so that a rate has a
    /// beginning.
    mutating func write(_ family: MetricFamily, _ cells: [Int64]) {
        begin(family.name, family.kind, help: family.help, unit: family.unit)
        let stride = family.kind == .histogram ? LatencyBuckets.cells : 1
        var place = MetricLayout.standard.first[family.rawValue]
        for labels in Self.combinations(family.labels[...]) {
            switch family.kind {
            case .counter: sample(family.name + "_total", labels, String(cells[place]))
            case .gauge: sample(family.name, labels, String(cells[place]))
            case .histogram: writeHistogram(family.name, labels, cells[place..<place + stride])
            }
            place += stride
        }
    }

    private mutating func writeHistogram(_ name: String, _ labels: String, _ cells: ArraySlice<Int64>) {
        let prefix = labels.isEmpty ? "" : labels + ","
        var total: Int64 = 0
        for (count, bound) in zip(cells, LatencyBuckets.bounds.map(\.text) + ["+Inf"]) {
            total += count
            sample(name + "_bucket", "\(prefix)le=\"\(bound)\"", String(total))
        }
        sample(name + "_sum", labels, Self.number(Double(cells.last ?? 0) / 1e9))
        sample(name + "_count", labels, String(total))
    }

    /// Every combination of the labels' values, the last label varying fastest.
    private static func combinations(_ labels: ArraySlice<(name: String, values: [String])>) -> [String] {
        guard let first = labels.first else { return [""] }
        let rest = combinations(labels.dropFirst())
        return first.values.flatMap { value in
            rest.map { Self.labels([(first.name, value)]) + ($0.isEmpty ? "" : "," + $0) }
        }
    }

    mutating func writeDecisions(_ decisions: [PolicyCount: UInt64]) {
        begin("warren_policy_decisions", .counter, help: "Connections that a policy decided, by policy.", unit: nil)
        let rows = decisions.map { (Self.labels([("decision", $0.key.decision.word), ("policy", $0.key.policy)]), $0.value) }
        for (labels, count) in rows.sorted(by: { $0.0 < $1.0 }) { sample("warren_policy_decisions_total", labels, String(count)) }
    }
}
