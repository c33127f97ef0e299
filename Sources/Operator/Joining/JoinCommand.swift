// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Documents
internal import Kernel
internal import TLS

/// `warren join`: makes this host a member of a mesh.
enum JoinCommand {
    static let command = Command(
        "join", "Make this host a member of a mesh.",
        detail:
            "The line comes from `warren token create`. The key is made here and never leaves; the control plane is known by the root's"
            + " fingerprint in the token before the token is shown to it. Writes this host's certificate and, into the configuration, where"
            + " the control plane is and what this host is called; other settings stay as they are. Then warrend is started. What fails is"
            + " undone.",
        operands: "URL",
        options: [
            CommandOption("token", value: "TOKEN", "The token of `warren token create`."),
            CommandOption("token-file", value: "PATH", "The file that holds it, in place of --token."),
            CommandOption("node", value: "NAME", "What this host is called in the mesh: its own name without a word."),
            CommandOption("force", "Join although this host is a member already: what it has is replaced."),
            CommandOption("no-start", "Don't start warrend."),
            CommandOption("config", value: "PATH", "The daemon's configuration; /etc/warren/warrend.yaml without a word."),
            CommandOption("directory", value: "PATH", "Where key and certificate go; /var/lib/warren/node without a word."),
            OutputFormat.option, Listing.socket,
        ],
        examples: [
            ("sudo warren join https://10.0.0.1:15012 --token wj1.0123.4567.89ab", "The line that `warren token create` prints."),
            ("sudo warren join https://10.0.0.1:15012 --token-file ./token --node host-b", "Under another name."),
        ], run: run)

    @Sendable private static func run(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard invocation.operands.count == 1, let url = invocation.operands.first, let place = ControlEndpoint.place(url),
            case .network = place
        else { return session.usage("join needs the control plane's address", hint: "Write https://HOST:15012.") }
        guard invocation.has("token") != invocation.has("token-file") else {
            return session.usage("join needs --token or --token-file", hint: "`warren token create` makes one.")
        }
        do throws(ControlFailure) {
            let text = try invocation.value("token-file").map { path throws(ControlFailure) in try ContextChoice.text(path) }
            guard let token = JoinToken(text ?? invocation.value("token") ?? "") else {
                throw ControlFailure(
                    "this is no join token", remedy: "It looks like wj1.….….…: copy the whole line of `warren token create`.")
            }
            var places = session.places
            places.configuration = invocation.value("config") ?? places.configuration
            places.directory = invocation.value("directory") ?? places.directory
            let join = NodeJoin(
                place: place, token: token, node: invocation.value("node"), places: places, isForced: invocation.has("force"),
                starts: !invocation.has("no-start"), socket: AdminSocket.path(invocation), session: session)
            let result = try join.run()
            session.console.print(OutputFormat(invocation).text(result.value) ?? result.text)
            return .ok
        } catch {
            return session.failed(error)
        }
    }
}

/// What joining came to.
struct JoinResult {
    let node: String
    let address: String
    /// When the certificate ends, in Unix seconds.
    let notAfter: Int64
    /// Nil: warrend wasn't started, and this is to be run.
    let hint: String?
    /// How warrend does; empty if it wasn't started.
    let state: String

    var value: Value {
        .object(present: [
            ("node", .string(node)), ("controlPlane", .string(address)),
            ("certificateEnds", .string(WallTime(seconds: notAfter).description)),
            ("started", .bool(hint == nil)), ("state", state.isEmpty ? nil : .string(state)),
        ])
    }

    var text: String {
        let start = "\(printable(node)) is a member of the mesh of \(printable(address)).\n"
        return start + (hint.map { "warrend wasn't started. Next: \($0)\n" } ?? "warrend \(printable(state)).\n")
    }
}
