// SPDX-License-Identifier: Apache-2.0

import Kernel
import Support

/// The results of a run, as they are told and kept.
struct BudgetRun {
    private struct Result {
        let metric: String
        let value: Double?
        let verdict: Book.Verdict
        let seconds: Double
    }

    let book: Book
    private var results: [Result] = []
    private var failures: [(name: String, why: String)] = []

    init(book: Book) { self.book = book }

    var isKept: Bool {
        failures.isEmpty && results.allSatisfy { if case .broken = $0.verdict { false } else { true } }
    }

    /// Measures, and once more if a budget is broken: something else on the machine may have changed how work came in. The better counts.
    mutating func measure(_ scenario: Scenario, on stage: Stage) {
        let began = Moment.now()
        do {
            var measures = try scenario.run(stage)
            if measures.contains(where: isBroken) {
                measures = zip(measures, try scenario.run(stage)).map { first, second in
                    Measure(metric: first.metric, value: first.value.map { min($0, second.value ?? $0) })
                }
            }
            add(scenario.name, measures, seconds: Moment.now() - began)
        } catch {
            tell("\(scenario.name)\n  failed: \(error)")
            failures.append((scenario.name, "\(error)"))
        }
    }

    private func isBroken(_ measure: Measure) -> Bool {
        if case .broken = book.judge(measure), book.budgets[measure.metric] != nil { true } else { false }
    }

    mutating func add(_ name: String, _ measures: [Measure], seconds: Double) {
        tell(name)
        for measure in measures {
            let verdict = book.judge(measure)
            results.append(
                Result(metric: measure.metric, value: measure.value, verdict: verdict, seconds: seconds / Double(measures.count)))
            tell("  \(measure.metric): \(measure.value.map(Book.text) ?? "?")\(Self.remark(verdict))")
        }
    }

    /// A budget that nothing measures any more holds nothing.
    mutating func addMissing() {
        let measured = Set(results.map(\.metric))
        guard failures.isEmpty else { return }
        for metric in book.budgets.keys.sorted() where !measured.contains(metric) {
            failures.append((metric, "nothing measures \(metric): take its row out of budgets.json"))
            tell("\(metric)\n  failed: nothing measures it: take its row out of budgets.json")
        }
    }

    /// At once, also into a pipe: a run takes most of a minute.
    private func tell(_ line: String) { StandardStream.output.write(line + "\n") }

    private static func remark(_ verdict: Book.Verdict) -> String {
        switch verdict {
        case .kept(let budget): " of \(Book.text(budget.limit))"
        case .loose(let budget): " of \(Book.text(budget.limit)): well below, lower the limit"
        case .broken(let why): "  FAILED: \(why)"
        case .notMeasured(let why): "  skipped: \(why)"
        }
    }

    func printRows(compiler: String) {
        for result in results {
            guard let value = result.value else { continue }
            let reason = book.budgets[result.metric]?.reason ?? ""
            tell(
                "  {\"metric\": \"\(result.metric)\", \"limit\": \(Book.text(value)), \"compiler\": \"\(compiler)\", \"reason\": \"\(reason)\"},"
            )
        }
    }

    /// A result file as test runners write it.
    var xunit: String {
        var cases = results.map { result in
            let inside =
                switch result.verdict {
                case .kept, .loose: ""
                case .broken(let why): "<failure message=\"\(Self.escaped(why))\"/>"
                case .notMeasured: "<skipped/>"
                }
            return "<testcase classname=\"Budgets\" name=\"\(result.metric)\" time=\"\(result.seconds)\">\(inside)</testcase>"
        }
        cases += failures.map {
            "<testcase classname=\"Budgets\" name=\"\(Self.escaped($0.name))\" time=\"0\"><failure message=\"\(Self.escaped($0.why))\"/></testcase>"
        }
        return "<testsuites><testsuite name=\"Budgets\">\n\(cases.joined(separator: "\n"))\n</testsuite></testsuites>\n"
    }

    private static func escaped(_ text: String) -> String {
        let entities: [Character: String] = ["&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;"]
        return text.reduce(into: "") { result, character in
            let isControl = character.asciiValue.map { $0 < 32 && $0 != 10 && $0 != 9 } ?? false
            result += isControl ? "?" : entities[character] ?? String(character)
        }
    }
}
