// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Documents

/// `warren check`: whether everything on this host is as the mesh needs it, with the remedy where it isn't.
enum CheckCommand {
    static let command = Command(
        "check", "Check this host: configuration, authority, kernel, ports, namespaces, and the daemon.",
        detail:
            "Works with and without a running warrend; as root it sees more. Of a host that joined a mesh its certificate and its"
            + " control plane are checked in place of mesh files and authority. Exit code 1 if a check failed, 3 if the only thing"
            + " wrong is that warrend doesn't answer. Only TCP is captured: UDP, ICMP and the rest pass as they are, unless"
            + " capture.nonTCP is drop.",
        options: [
            CommandOption(
                "config", value: "PATH", "The daemon's configuration; \(DaemonConfiguration.standardPath) without a word."),
            OutputFormat.option, Listing.socket,
        ],
        examples: [
            ("sudo warren check", "Everything, numbered; what failed with its remedy."),
            ("warren check --config ./warrend.yaml -o json", "For another configuration, for a program."),
        ], run: { run($0, $1, HostProbe()) })

    @Sendable static func run(_ invocation: Invocation, _ session: Session, _ host: HostProbe) -> ExitCode {
        var checker = Checker(
            configurationPath: invocation.value("config") ?? DaemonConfiguration.standardPath,
            socket: AdminSocket.named(invocation), session: session, host: host)
        checker.run()
        let results = checker.results
        let document = Value.array(results.enumerated().map { $1.document(number: $0 + 1) })
        session.console.print(OutputFormat(invocation).text(document) ?? CheckReport.text(results, session.console))
        let failed = results.filter { $0.outcome == .failed }
        if failed.isEmpty { return .ok }
        return failed.allSatisfy { $0.name == "daemon" } && checker.status == nil ? .unreachable : .failed
    }
}
