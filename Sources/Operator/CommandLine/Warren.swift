// SPDX-License-Identifier: Apache-2.0

/// The program `warren`: finds the command, runs it, says how it ended. Everything that a command does to the outside goes
/// through its session, so that tests run commands without a terminal and without a daemon.
package enum Warren {
    /// All commands, in the order of the help.
    package static var commands: [Command] {
        [
            CheckCommand.command, StatusCommand.command, WorkloadsCommand.command, ServicesCommand.command,
            PoliciesCommand.command,
            CertificatesCommand.command, ConnectionsCommand.command, TunnelsCommand.command, LogCommand.command,
            ValidateCommand.command, TranslateCommand.command, AuthorityCommand.command, AuthorityCommand.intermediate,
        ] + controlPlane + [VersionCommand.command, CompletionCommand.command, ReferenceCommand.command]
    }

    /// Those that ask a control plane.
    private static var controlPlane: [Command] {
        [ApplyCommand.command, GetCommand.command, DescribeCommand.command, EditCommand.command, DeleteCommand.command]
            + LabelCommand.commands + NamespaceCommand.commands + [APIResourcesCommand.command] + NodesCommand.commands
            + TokenCommand.commands + [JoinCommand.command, LeaveCommand.command] + RegistrationCommand.commands
            + ControlCommand.commands + ContextCommand.commands + [KubeconfigCommand.command]
    }

    /// - Parameter words: the command line without the program's name.
    package static func run(_ words: [String], _ session: Session) -> ExitCode {
        var parser = CommandLineParser(words, commands: commands)
        do throws(UsageFailure) {
            guard let invocation = try parser.parse() else {
                session.console.print(Help.overview(commands))
                return words.isEmpty ? .usage : .ok
            }
            if invocation.has("help") {
                session.console.print(Help.page(invocation.command))
                return .ok
            }
            return invocation.command.run(invocation, session)
        } catch {
            return session.usage(error.message, hint: error.hint)
        }
    }
}
