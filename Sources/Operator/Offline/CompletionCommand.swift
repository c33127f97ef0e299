// SPDX-License-Identifier: Apache-2.0

/// `warren completion`: scripts for shells, made of the table of commands.
enum CompletionCommand {
    static let command = Command(
        "completion", "Print the completion script of a shell.", operands: "bash|zsh|fish",
        examples: [
            ("source <(warren completion bash)", "Completion in this bash."),
            ("warren completion zsh > \"${fpath[1]}/_warren\"", "Completion in every new zsh."),
            ("warren completion fish | source", "Completion in this fish."),
        ], run: run)

    @Sendable private static func run(_ invocation: Invocation, _ session: Session) -> ExitCode {
        switch invocation.operands {
        case ["bash"]: session.console.print(bash(Warren.commands))
        case ["zsh"]: session.console.print(zsh(Warren.commands))
        case ["fish"]: session.console.print(FishCompletion.script(Warren.commands))
        default: return session.usage("completion needs the name of a shell", hint: "It is bash, zsh or fish.")
        }
        return .ok
    }

    /// Completes the first word, then values of options that have fixed ones, paths, and the command's options.
    static func bash(_ commands: [Command]) -> String {
        """
        # bash completion for warren; load it with: source <(warren completion bash)
        _warren() {
            local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" line="${COMP_WORDS[*]:1}" words=""
            case "$before" in
        \(fixedValues(commands))\
            \(pathOptions(commands))) COMPREPLY=($(compgen -f -- "$word")); return ;;
            esac
            if [ "$COMP_CWORD" -eq 1 ]; then
                words="\(firstWords(commands))"
            else
                case "$line" in
        \(commandCases(commands))\
                esac
            fi
            COMPREPLY=($(compgen -W "$words" -- "$word"))
        }
        complete -F _warren warren

        """
    }

    static func zsh(_ commands: [Command]) -> String {
        "#compdef warren\n# zsh takes the completion of bash.\nautoload -U +X bashcompinit && bashcompinit\n" + bash(commands)
    }

    private static func firstWords(_ commands: [Command]) -> String {
        commands.compactMap(\.words.first).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
            .joined(separator: " ")
    }

    /// One line per option with fixed values: those of every command that has it.
    private static func fixedValues(_ commands: [Command]) -> String {
        var values: [(names: String, choices: [String])] = []
        for option in commands.flatMap(\.options) where !option.choices.isEmpty {
            if let index = values.firstIndex(where: { $0.names == names(option) }) {
                values[index].choices += option.choices.filter { !values[index].choices.contains($0) }
            } else {
                values.append((names(option), option.choices))
            }
        }
        return values.map { names, choices in
            "    \(names)) words=\"\(choices.joined(separator: " "))\"; COMPREPLY=($(compgen -W \"$words\" -- \"$word\")); return ;;\n"
        }.joined()
    }

    private static func pathOptions(_ commands: [Command]) -> String {
        let options = commands.flatMap(\.options).filter { $0.value == "PATH" }
        return options.reduce(into: [String]()) { if !$0.contains(names($1)) { $0.append(names($1)) } }.joined(separator: "|")
    }

    private static func names(_ option: CommandOption) -> String { (option.short.map { "-\($0)|" } ?? "") + "--\(option.name)" }

    /// Longer names first, so that `ca init` isn't taken for `ca`. The second words of a first one stand together.
    private static func commandCases(_ commands: [Command]) -> String {
        let own = commands.sorted { $0.words.count > $1.words.count }.map { command in
            let second = command.words.count == 1 ? secondWords(command.words[0], commands) : []
            let words = second + fixedOperands(command) + command.allOptions.map { "--\($0.name)" }
            return line(command.name, words)
        }
        let parents = commands.compactMap(\.words.first).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
            .filter { parent in !commands.contains { $0.name == parent } }.map { line($0, secondWords($0, commands)) }
        return (own + parents).joined()
    }

    private static func line(_ name: String, _ words: [String]) -> String {
        "            \"\(name) \"*) words=\"\(words.joined(separator: " "))\" ;;\n"
    }

    private static func secondWords(_ first: String, _ commands: [Command]) -> [String] {
        commands.filter { $0.words.count > 1 && $0.words[0] == first }.map { $0.words.dropFirst().joined(separator: " ") }
    }

    /// `bash|zsh`, but not what stands for something, which is written in capitals.
    private static func fixedOperands(_ command: Command) -> [String] {
        command.operands.split(separator: "|").map(String.init).filter { word in
            word.utf8.allSatisfy { (0x61...0x7a).contains($0) }
        }
    }
}
