// SPDX-License-Identifier: Apache-2.0

import Kernel
import Support

/// Counts what the release programs do per piece of work, and holds it against Tests/Budgets/budgets.json. Not timed: counts are the same on a
/// slow machine. Needs root and WARREN_BIN; Tests/run.sh runs it.
///
///     Budgets [--xunit FILE]     FILE: the results, for Tests/report.py
///     Budgets --rows             measures, and prints rows for budgets.json
@main
enum Budgets {
    static func main() throws {
        let folder = try Files.makeTemporaryFolder()
        let isKept = Result { try run(CommandLine.arguments.dropFirst(), folder: folder) }
        Files.remove(folder)
        exitProgram(try isKept.get() ? 0 : 1)
    }

    private static func run(_ arguments: ArraySlice<String>, folder: String) throws -> Bool {
        let compiler = try compilerVersion()
        let source = #filePath.split(separator: "/").dropLast().map { "/\($0)" }.joined()
        let book = try Book(json: Files.text("\(source)/budgets.json"), compiler: compiler)
        var run = BudgetRun(book: book)
        run.add("sizes of hot types", Sizes.measure(), seconds: 0)
        let stage = try Stage(folder: folder)
        for scenario in Scenario.all { run.measure(scenario, on: stage) }
        run.addMissing()
        if arguments.contains("--rows") { run.printRows(compiler: compiler) }
        if let at = arguments.firstIndex(of: "--xunit"), arguments.indices.contains(at + 1) {
            try Files.write(run.xunit, to: arguments[at + 1])
        }
        return run.isKept
    }

    /// `6.3` of the Swift that is at hand, which built the programs.
    private static func compilerVersion() throws -> String {
        let outcome = try RunningCommand.run(["swift", "--version"])
        guard let version = outcome.out.firstMatch(of: /Swift version (\d+\.\d+)/)?.output.1 else {
            throw LabFailure(description: "swift --version: \(outcome)")
        }
        return String(version)
    }
}
