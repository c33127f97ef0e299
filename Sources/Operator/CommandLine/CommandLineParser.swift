// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// Why a command line isn't understood: one sentence, a hint, and whose help to read.
package struct UsageFailure: Error, Sendable {
    let message: String
    let hint: String

    init(_ message: String, hint: String = "") {
        self.message = message
        self.hint = hint
    }
}

/// Turns words into an invocation. Pure.
///
/// Flags may stand before and after operands, as `--name value`, `--name=value`, `-n value` or `-nvalue`; switches may be joined
/// (`-hw`); after `--` everything is an operand.
struct CommandLineParser {
    private let commands: [Command]
    private var words: ArraySlice<String>

    init(_ words: [String], commands: [Command]) {
        self.words = words[...]
        self.commands = commands
    }

    /// The invocation; nil if nothing but help was asked for.
    mutating func parse() throws(UsageFailure) -> Invocation? {
        guard let first = words.first, !["help", "-h", "--help"].contains(first) || words.count > 1 else { return nil }
        let wantsHelp = first == "help"
        if wantsHelp { words.removeFirst() }
        var invocation = Invocation(try takeCommand())
        if wantsHelp { words = ["--help"] }
        while let word = words.popFirst() {
            if word == "--" {
                for operand in words { invocation.append(operand: operand) }
                break
            } else if word.hasPrefix("--") {
                try takeLong(word.dropFirst(2), &invocation)
            } else if word.hasPrefix("-"), word != "-" {
                try takeShort(word.dropFirst(), &invocation)
            } else {
                invocation.append(operand: word)
            }
        }
        if !invocation.has("help") { try checkOperands(invocation) }
        return invocation
    }

    /// The command with the most words that the line begins with.
    private mutating func takeCommand() throws(UsageFailure) -> Command {
        let found = commands.filter { words.starts(with: $0.words) }.max { $0.words.count < $1.words.count }
        if let found {
            words = words.dropFirst(found.words.count)
            return found
        }
        let first = words.first ?? ""
        if first.hasPrefix("-") {
            throw UsageFailure("\(first) stands before the command", hint: "Options follow the command's name.")
        }
        let below = commands.filter { $0.words.first == first && $0.words.count > 1 }
        if !below.isEmpty {
            let names = below.map { "`warren \($0.name)`" }.joined(separator: ", ")
            throw UsageFailure("`\(first)` needs a second word", hint: "There is \(names).")
        }
        let near = suggestion(for: first, among: commands.compactMap(\.words.first))
        throw UsageFailure("there is no command `\(shown(first))`", hint: near.map { "Did you mean `warren \($0)`?" } ?? "")
    }

    private mutating func takeLong(_ text: Substring, _ invocation: inout Invocation) throws(UsageFailure) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts.first ?? "")
        guard let option = invocation.command.allOptions.first(where: { $0.name == name }) else {
            let near = suggestion(for: name, among: invocation.command.allOptions.map(\.name))
            throw UsageFailure("there is no option --\(shown(name))", hint: near.map { "Did you mean --\($0)?" } ?? "")
        }
        if parts.count == 2 {
            guard option.value != nil else { throw UsageFailure("--\(name) takes no value") }
            try keep(option, String(parts[1]), &invocation)
        } else {
            try keep(option, try takeValue(of: option, called: "--\(name)"), &invocation)
        }
    }

    private mutating func takeShort(_ text: Substring, _ invocation: inout Invocation) throws(UsageFailure) {
        var rest = text
        while let letter = rest.popFirst() {
            guard let option = invocation.command.allOptions.first(where: { $0.short == letter }) else {
                throw UsageFailure("there is no option -\(shown(String(letter)))")
            }
            if option.value != nil, !rest.isEmpty {
                try keep(option, String(rest.first == "=" ? rest.dropFirst() : rest), &invocation)
                return
            }
            try keep(option, try takeValue(of: option, called: "-\(letter)"), &invocation)
        }
    }

    private mutating func takeValue(of option: CommandOption, called name: String) throws(UsageFailure) -> String {
        guard let placeholder = option.value else { return "" }
        guard let value = words.popFirst() else { throw UsageFailure("\(name) needs a value: \(placeholder)") }
        return value
    }

    private func keep(_ option: CommandOption, _ value: String, _ invocation: inout Invocation) throws(UsageFailure) {
        if !option.choices.isEmpty, !option.choices.contains(value) {
            let near = suggestion(for: value, among: option.choices).map { "Did you mean `\($0)`?" } ?? ""
            throw UsageFailure(
                "--\(option.name) is `\(shown(value))`, not one of \(option.choices.joined(separator: ", "))", hint: near)
        }
        invocation.set(option, value)
    }

    private func checkOperands(_ invocation: Invocation) throws(UsageFailure) {
        guard let first = invocation.operands.first else { return }
        if invocation.command.operands.isEmpty {
            throw UsageFailure("`warren \(invocation.command.name)` takes no operand, but there is `\(shown(first))`")
        }
    }

    /// What the user typed, for a sentence.
    private func shown(_ text: String) -> String { printable(text, limit: 80) }
}
