// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// `warren log`: shows and sets how much the daemon logs, while it runs.
enum LogCommand {
    static let command = Command(
        "log", "Show or set how much warrend logs.",
        detail: "Without --level the levels are shown. A level set so lasts until the daemon restarts.",
        options: [
            CommandOption(
                "level", value: "LEVEL",
                "off, error, warn, info or debug for every scope, or SCOPE:LEVEL for one; several with commas."),
            CommandOption("reset", "Back to the levels of the configuration."), OutputFormat.option, Listing.socket,
        ],
        examples: [
            ("warren log", "The level of every scope."),
            ("warren log --level info,tunnel:debug", "Everything at info, tunnels at debug."),
            ("warren log --level access:off", "No more access log."),
        ], run: run)

    @Sendable private static func run(_ invocation: Invocation, _ session: Session) -> ExitCode {
        if invocation.has("level") && invocation.has("reset") {
            return session.usage("--level and --reset say different things", hint: "Give one of them.")
        }
        let socket = AdminSocket.path(invocation)
        let request: AdminRequest
        if let level = invocation.value("level") {
            request = AdminRequest(.post, "/logging?level=\(queryValue(level))", socket: socket)
        } else if invocation.has("reset") {
            request = AdminRequest(.post, "/logging?reset", socket: socket)
        } else {
            request = AdminRequest(.get, "/logging", socket: socket)
        }
        switch session.ask(request) {
        case .failure(let failure): return session.failed(failure)
        case .success(let answer):
            session.console.print(OutputFormat(invocation).text(answer.document) ?? table(answer.document, session.console))
            return .ok
        }
    }

    private static func table(_ document: Value, _ console: Console) -> String {
        var table = Table([.init("SCOPE"), .init("LEVEL")])
        for entry in document["levels"]?.mappingValue ?? [] { table.add([entry.key, entry.value.stringValue]) }
        table.sort()
        return table.text(console)
    }
}
