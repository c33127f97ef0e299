// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// What one check came to.
struct CheckResult: Equatable {
    enum Outcome: String {
        case ok
        case warning
        case failed
        /// It couldn't be looked at, and why.
        case skipped
    }

    /// Stable, for scripts: `authority.key`.
    let name: String
    let outcome: Outcome
    /// One sentence.
    let message: String
    /// What to do; empty if nothing.
    let remedy: String

    init(_ name: String, _ outcome: Outcome, _ message: String, remedy: String = "") {
        self.name = name
        self.outcome = outcome
        self.message = message
        self.remedy = remedy
    }

    func document(number: Int) -> Value {
        .object([
            ("number", .integer(number)), ("name", .string(name)), ("result", .string(outcome.rawValue)),
            ("message", .string(message)), ("remedy", .string(remedy)),
        ])
    }
}

/// Prints results for people: numbered, the failed ones with their remedy below.
enum CheckReport {
    static func text(_ results: [CheckResult], _ console: Console) -> String {
        let width = results.map(\.name.count).max() ?? 0
        let lines = results.enumerated().map { index, result in
            let number = Help.padded("\(index + 1)", 2)
            let name = Help.padded(result.name, width)
            // A sentence may have several lines: a set of findings of the daemon's.
            let message = result.message.split(separator: "\n").map { printable(String($0)) }
                .joined(separator: "\n" + String(repeating: " ", count: width + 8))
            let remedy = result.remedy.isEmpty || result.outcome == .ok ? "" : "      → \(printable(result.remedy))\n"
            return "\(number) \(mark(result.outcome, console)) \(name)  \(message)\n\(remedy)"
        }
        return lines.joined() + "\n" + summary(results, console) + "\n"
    }

    private static func summary(_ results: [CheckResult], _ console: Console) -> String {
        let failed = results.count { $0.outcome == .failed }
        let warnings = results.count { $0.outcome == .warning }
        let skipped = results.count { $0.outcome == .skipped }
        let verdict =
            failed > 0
            ? console.paint("\(failed) of \(HumanText.count(results.count, "check")) failed", .bad)
            : console.paint("\(HumanText.count(results.count, "check")), none failed", .good)
        let rest = [(warnings, "warning"), (skipped, "skipped")].filter { $0.0 > 0 }.map { count, word in
            word == "skipped" ? "\(count) skipped" : HumanText.count(count, word)
        }
        return ([verdict] + rest).joined(separator: ", ")
    }

    private static func mark(_ outcome: CheckResult.Outcome, _ console: Console) -> String {
        switch outcome {
        case .ok: console.paint("✓", .good)
        case .warning: console.paint("!", .doubtful)
        case .failed: console.paint("✗", .bad)
        case .skipped: "-"
        }
    }
}
