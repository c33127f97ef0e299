// SPDX-License-Identifier: Apache-2.0

/// What `--help` prints, made of the table of commands. Pure.
enum Help {
    /// The list of commands.
    static func overview(_ commands: [Command]) -> String {
        let width = commands.map(\.name.count).max() ?? 0
        let rows = commands.map { "  \(padded($0.name, width))  \($0.summary)\n" }.joined()
        return """
            warren: look into the mesh of this host, check it, and change the whole mesh by its control plane.

            Usage: warren COMMAND [OPTION …]

            \(rows)
            `warren COMMAND --help` shows a command's options and examples.
            Exit codes: 0 fine, 1 a finding or a failure, 2 wrong usage, 3 warrend not reachable, or the control plane.

            """
    }

    /// One command.
    static func page(_ command: Command) -> String {
        let options = command.allOptions
        let width = options.map(\.synopsis.count).max() ?? 0
        let rows = options.map { "  \(padded($0.synopsis, width))  \(wrapped($0.help, indent: width + 4))\n" }.joined()
        let examples = command.examples.map { "  \($0.line)\n      \($0.does)\n" }.joined()
        let detail = command.detail.isEmpty ? "" : "\n\(wrapped(command.detail, indent: 0))\n"
        return """
            \(command.summary)

            Usage: \(usage(command))
            \(detail)
            Options:
            \(rows)
            Examples:
            \(examples)
            """
    }

    static func usage(_ command: Command) -> String {
        "warren \(command.name) [OPTION …]" + (command.operands.isEmpty ? "" : " \(command.operands)")
    }

    static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// Breaks at spaces so that lines fit 100 columns; all but the first are indented.
    static func wrapped(_ text: String, indent: Int) -> String {
        var lines: [String] = [""]
        for word in text.split(separator: " ") {
            let last = lines[lines.count - 1]
            if !last.isEmpty, indent + last.count + 1 + word.count > 100 {
                lines.append(String(word))
            } else {
                lines[lines.count - 1] = last.isEmpty ? String(word) : "\(last) \(word)"
            }
        }
        return lines.joined(separator: "\n" + String(repeating: " ", count: indent))
    }
}
