// SPDX-License-Identifier: Apache-2.0

internal import Daemon

/// `warren reference`: pages of the documentation that are made of tables in the program, so that they can't say something else.
enum ReferenceCommand {
    static let command = Command(
        "reference", "Print a page of the reference in Markdown: the configuration or this program.",
        operands: "configuration|control|cli",
        examples: [
            ("warren reference configuration", "Every setting of warrend with its default and why."),
            ("warren reference control", "The same of warren-control."),
            ("warren reference cli", "Every command with its options and examples."),
        ], run: run)

    @Sendable private static func run(_ invocation: Invocation, _ session: Session) -> ExitCode {
        switch invocation.operands {
        case ["configuration"]: session.console.print(ConfigurationReference.markdown)
        case ["control"]: session.console.print(ConfigurationReference.control)
        case ["cli"]: session.console.print(markdown(Warren.commands))
        default: return session.usage("reference needs the name of a page", hint: "It is configuration, control or cli.")
        }
        return .ok
    }

    /// docs/cli.md.
    static func markdown(_ commands: [Command]) -> String {
        introduction + commands.map(section).joined()
    }

    private static let introduction = """
        # The command line: warren

        `warren` talks to the warrend of this host over its admin socket (`\(AdminSocket.standard)`, or what `--socket` or the
        environment variable `WARREN_SOCKET` names). `validate`, `translate`, `ca init` and most of `check` need no daemon.

        Commands about objects, tokens and hosts ask a control plane: that of this host over `\(ControlEndpoint.localSocket)`, as root, or
        the one that a context names (`warren context`). Which context: `--context`, then `WARREN_CONTEXT`, then the one in use; `--server`
        names an address instead. Contexts are kept in `~/.config/warren/config.yaml`, or where `WARREN_CONFIG` says.

        | exit code | means |
        |---|---|
        | 0 | fine |
        | 1 | a finding, or what was asked for failed |
        | 2 | the command line is wrong |
        | 3 | no warrend, or no control plane, answered |

        Tables are for people and may change; `-o json` and `-o yaml` are for programs. Colours are for terminals alone, and never
        with `NO_COLOR`. This page is made of the program's own table of commands: `warren reference cli` prints it.

        """

    private static func section(_ command: Command) -> String {
        let options = command.allOptions.map { option in
            "| `\(option.synopsis.drop { $0 == " " })` | \(option.help.replacing("|", with: "\\|")) |\n"
        }.joined()
        let examples = command.examples.map { "# \($0.does)\n\($0.line)\n" }.joined(separator: "\n")
        let detail = command.detail.isEmpty ? "" : "\(command.detail)\n\n"
        return """

            ## warren \(command.name)

            \(command.summary)

            \(detail)`\(Help.usage(command))`

            | option | |
            |---|---|
            \(options)
            ```sh
            \(examples)```

            """
    }
}
