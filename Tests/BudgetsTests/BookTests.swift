// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Budgets

/// Budgets that can't be broken would hold nothing.
@Suite struct BookTests {
    private static let json = """
        [{"metric": "request.allocations", "limit": 2, "compiler": "6.3", "reason": "two texts"},
         {"metric": "request.allocations", "limit": 1, "compiler": "6.10", "reason": "one text"},
         {"metric": "chunk.allocations", "limit": 0, "compiler": "6.3", "reason": "bytes pass"}]
        """

    private static func verdict(_ metric: String, _ value: Double?, compiler: String = "6.3") throws -> String {
        switch try Book(json: json, compiler: compiler).judge(Measure(metric: metric, value: value)) {
        case .kept(let budget): "kept \(budget.reason)"
        case .loose(let budget): "loose \(budget.reason)"
        case .broken(let why): "broken \(why)"
        case .notMeasured: "not measured"
        }
    }

    @Test(arguments: [
        ("request.allocations", 2.0, "kept two texts"), ("request.allocations", 2.2, "kept two texts"),
        ("request.allocations", 2.3, "broken 2.30, the limit is 2: two texts"), ("request.allocations", 1.0, "loose two texts"),
        ("chunk.allocations", 0.01, "kept bytes pass"), ("chunk.allocations", 0.1, "broken 0.10, the limit is 0: bytes pass"),
        ("request.allocations", nil, "not measured"),
    ])
    func `a measure is held against its limit with a little slack`(metric: String, value: Double?, verdict: String) throws {
        #expect(try Self.verdict(metric, value) == verdict)
    }

    @Test func `what has no budget is broken`() throws {
        #expect(try Self.verdict("idle.bytes", 1).hasPrefix("broken no budget for idle.bytes"))
        #expect(throws: (any Error).self) { try Book(json: "[{\"metric\": \"a\", \"limit\": 1}]", compiler: "6.3") }
    }

    @Test(arguments: [
        ("6.3", "broken"), ("6.9", "broken"), ("6.10", "kept one"), ("7.0", "kept one"), ("6.2", "broken no budget"),
    ])
    func `the newest compiler's line counts that isn't newer than ours`(compiler: String, verdict: String) throws {
        #expect(
            try Self.verdict("request.allocations", compiler == "6.10" || compiler == "7.0" ? 1.0 : 3.0, compiler: compiler)
                .hasPrefix(verdict))
    }

    @Test func `a run keeps failures, tells what nothing measures, and escapes what it writes`() throws {
        var run = BudgetRun(book: try Book(json: Self.json, compiler: "6.3"))
        run.add("requests", [Measure(metric: "request.allocations", value: 9)], seconds: 1)
        run.addMissing()
        #expect(!run.isKept)
        #expect(run.xunit.contains("<testcase classname=\"Budgets\" name=\"request.allocations\""))
        #expect(run.xunit.contains("9, the limit is 2: two texts") && run.xunit.contains("nothing measures chunk.allocations"))
    }
}
