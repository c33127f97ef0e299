// SPDX-License-Identifier: Apache-2.0

/// One flag of a command.
package struct CommandOption: Sendable {
    /// Without dashes: `output`.
    let name: String
    let short: Character?
    /// What its value is called in the help, `FORMAT`; nil for a switch.
    let value: String?
    let help: String
    /// The only values that it takes; empty for any.
    let choices: [String]

    init(_ name: String, short: Character? = nil, value: String? = nil, choices: [String] = [], _ help: String) {
        self.name = name
        self.short = short
        self.value = value
        self.help = help
        self.choices = choices
    }

    /// `-o, --output FORMAT`.
    var synopsis: String {
        let names = short.map { "-\($0), --\(name)" } ?? "    --\(name)"
        return value.map { "\(names) \($0)" } ?? names
    }
}

/// One thing that `warren` does: how it is called, what its help says, and the function behind it. A value in the table of
/// commands.
package struct Command: Sendable {
    /// `ca init`.
    let name: String
    let summary: String
    /// Sentences for the help.
    let detail: String
    /// What its positional words are called: `bash|zsh`; empty if it takes none.
    let operands: String
    let options: [CommandOption]
    /// Whole command lines, each with what it does.
    let examples: [(line: String, does: String)]
    let run: @Sendable (Invocation, Session) -> ExitCode

    init(
        _ name: String, _ summary: String, detail: String = "", operands: String = "", options: [CommandOption] = [],
        examples: [(line: String, does: String)], run: @escaping @Sendable (Invocation, Session) -> ExitCode
    ) {
        self.name = name
        self.summary = summary
        self.detail = detail
        self.operands = operands
        self.options = options
        self.examples = examples
        self.run = run
    }

    var words: [String] { name.split(separator: " ").map(String.init) }

    /// Its own flags and those that every command has.
    var allOptions: [CommandOption] { options + Self.everywhere }

    static let everywhere = [CommandOption("help", short: "h", "Show this help.")]
}

/// How the program ends. Scripts rely on the numbers.
package enum ExitCode: Int32, Sendable {
    case ok = 0
    /// A finding, or the thing asked for failed.
    case failed = 1
    /// The command line is wrong.
    case usage = 2
    case unreachable = 3
}

/// A command line as it was understood.
package struct Invocation: Sendable {
    let command: Command
    fileprivate(set) var values: [String: [String]] = [:]
    fileprivate(set) var operands: [String] = []

    init(_ command: Command) { self.command = command }

    /// The last value given for an option.
    func value(_ name: String) -> String? { values[name]?.last }
    func all(_ name: String) -> [String] { values[name] ?? [] }
    func has(_ name: String) -> Bool { values[name] != nil }

    mutating func set(_ option: CommandOption, _ value: String) { values[option.name, default: []].append(value) }
    mutating func append(operand: String) { operands.append(operand) }

    /// The same with a word before the operands: for a command that is another one about one kind.
    func prefixed(_ word: String) -> Invocation {
        var copy = self
        copy.operands.insert(word, at: 0)
        return copy
    }
}
