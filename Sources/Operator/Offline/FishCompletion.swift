// SPDX-License-Identifier: Apache-2.0

/// The completion script of fish, made of the table of commands. Pure.
enum FishCompletion {
    static func script(_ commands: [Command]) -> String {
        """
        # fish completion for warren; load it with: warren completion fish | source
        # Succeeds if the words typed so far begin with these ones: a command of several words is its own.
        function __warren_in
            set -l words (commandline -opc)
            test (count $words) -gt (count $argv)
            or return 1
            set -l last (math 1 + (count $argv))
            test "$words[2..$last]" = "$argv"
        end
        complete -c warren -f

        """ + commands.map(lines).joined()
    }

    /// The command's name where it is due, then its operands and options once it stands there.
    private static func lines(_ command: Command) -> String {
        let words = command.words
        let summary = quoted(command.summary)
        var lines: [String] = []
        if let first = words.first {
            lines.append(
                "-n '__fish_is_nth_token 1' -a \(first)" + (words.count == 1 ? " -d \(summary)" : ""))
        }
        if words.count > 1 {
            let before = words.dropLast().joined(separator: " ")
            lines.append(
                "-n '__warren_in \(before); and __fish_is_nth_token \(words.count)' -a \(words[words.count - 1]) -d \(summary)")
        }
        let condition = "-n '__warren_in \(command.name)'"
        let operands = command.operands.split(separator: "|").filter { $0.allSatisfy { $0.isLowercase || $0 == "-" } }
        if !operands.isEmpty { lines.append("\(condition) -a \(quoted(operands.joined(separator: " ")))") }
        for option in command.allOptions { lines.append("\(condition) \(flags(option)) -d \(quoted(option.help))") }
        return lines.map { "complete -c warren \($0)\n" }.joined()
    }

    /// How an option is written, and what may stand behind it.
    private static func flags(_ option: CommandOption) -> String {
        let names = (option.short.map { "-s \($0) " } ?? "") + "-l \(option.name)"
        guard let value = option.value else { return names }
        if !option.choices.isEmpty { return "\(names) -x -a \(quoted(option.choices.joined(separator: " ")))" }
        // A path is completed as one, anything else not at all.
        return "\(names) \(value == "PATH" ? "-r -F" : "-x")"
    }

    private static func quoted(_ text: String) -> String {
        "'\(text.replacing("\\", with: "\\\\").replacing("'", with: "\\'"))'"
    }
}
