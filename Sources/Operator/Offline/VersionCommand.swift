// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Documents

/// `warren version`: of this program, and of the daemon if it answers.
enum VersionCommand {
    static let command = Command(
        "version", "Show the version of this program and of the running warrend.",
        options: [OutputFormat.option, Listing.socket],
        examples: [("warren version", "Both versions; `not reachable` where no daemon answers.")], run: run)

    @Sendable private static func run(_ invocation: Invocation, _ session: Session) -> ExitCode {
        var daemon: String?
        if case .success(let answer) = session.ask(AdminRequest(.get, "/status", socket: AdminSocket.path(invocation))) {
            daemon = answer.document.cell("version")
        }
        let document = Value.object([("client", .string(warrenVersion)), ("daemon", daemon.map { .string($0) } ?? .null)])
        let text = "warren   \(warrenVersion)\nwarrend  \(printable(daemon ?? "not reachable"))\n"
        session.console.print(OutputFormat(invocation).text(document) ?? text)
        return .ok
    }
}
