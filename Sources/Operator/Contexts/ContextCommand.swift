// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import TLS

/// `warren context …`: names for control planes and the ways to them.
enum ContextCommand {
    static let commands = [
        Command(
            "context list", "Show the contexts and which of them is in use.",
            detail: "Without a context commands use the control plane of this host, as root. Secrets aren't shown.",
            options: [OutputFormat.option], examples: [("warren context list", "All contexts; the current one has a star.")],
            run: list),
        Command(
            "context use", "Choose the context of the commands that follow.", operands: "NAME",
            examples: [("warren context use prod", "From now on commands go to prod.")], run: use),
        Command(
            "context set", "Make or change a context.",
            detail: "The configuration is ~/.config/warren/config.yaml, or what WARREN_CONFIG names; it is for its owner alone.",
            operands: "NAME",
            options: [
                ContextChoice.server, ContextChoice.authority,
                CommandOption("fingerprint", value: "SHA256", "The root's SHA-256, in place of its file."),
                ContextChoice.tokenFile,
                CommandOption("client-certificate", value: "PATH", "A file with the certificate that says who asks, in PEM."),
                CommandOption("client-key", value: "PATH", "The file with its key, in PEM."),
                CommandOption("namespace", short: "n", value: "NAME", "The namespace of commands that name none."),
                CommandOption("use", "Choose it at once."),
            ],
            examples: [
                (
                    "warren context set prod --server https://10.0.0.1:15012 --ca-file root.pem --token-file token --use",
                    "A new one."
                ),
                ("warren context set prod -n shop", "Change one thing of it."),
            ], run: set),
        Command(
            "context delete", "Remove a context.", operands: "NAME",
            examples: [("warren context delete prod", "Only here: its token stays good until it is revoked.")], run: delete),
    ]

    private static func file(_ session: Session) throws(ControlFailure) -> ContextFile {
        guard let file = ContextFile(session.environment) else {
            throw ControlFailure(
                "there is no home folder to keep contexts in", remedy: "Set HOME, or WARREN_CONFIG to a file's path.")
        }
        return file
    }

    /// Runs a body with the configuration and writes it back if it changed.
    private static func change(
        _ session: Session, _ body: (inout ContextList) throws(ControlFailure) -> ExitCode
    ) -> ExitCode {
        do throws(ControlFailure) {
            let file = try file(session)
            let before = try file.read()
            var list = before
            let code = try body(&list)
            if list != before { try file.write(list) }
            return code
        } catch {
            return session.failed(error)
        }
    }

    @Sendable private static func list(_ invocation: Invocation, _ session: Session) -> ExitCode {
        change(session) { list throws(ControlFailure) in
            let values = list.contexts.map { context in
                Value.object([
                    ("name", .string(context.name)), ("current", .bool(context.name == list.current)),
                    ("server", .string(context.server)),
                    ("namespace", .string(context.namespace)), ("credential", .string(credential(context))),
                ])
            }
            if let text = OutputFormat(invocation).text(.array(values)) {
                session.console.print(text.withoutDirectionMarks)
                return .ok
            }
            var table = Table([.init(" "), .init("NAME"), .init("SERVER"), .init("NAMESPACE"), .init("CREDENTIAL")])
            for value in values {
                table.add([
                    value["current"]?.boolValue == true ? "*" : " ", value.cell("name"), value.cell("server"),
                    value.cell("namespace"),
                    value.cell("credential"),
                ])
            }
            session.console.print(table.text(session.console))
            return .ok
        }
    }

    private static func credential(_ context: Context) -> String {
        if !context.token.isEmpty { return "token" }
        if !context.certificateFile.isEmpty { return "certificate" }
        return context.server.hasPrefix("unix:") ? "user" : "none"
    }

    /// The one operand; nil after saying so.
    private static func name(_ invocation: Invocation, _ session: Session) -> String? {
        guard invocation.operands.count == 1, let name = invocation.operands.first, !name.isEmpty, name.utf8.count <= 253 else {
            _ = session.usage("\(invocation.command.name) needs one name")
            return nil
        }
        return name
    }

    @Sendable private static func use(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard let name = name(invocation, session) else { return .usage }
        return change(session) { list throws(ControlFailure) in
            guard list.context(name) != nil else { throw missing(name) }
            list.current = name
            session.console.print("Commands use \(printable(name)) now.\n")
            return .ok
        }
    }

    @Sendable private static func delete(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard let name = name(invocation, session) else { return .usage }
        return change(session) { list throws(ControlFailure) in
            guard list.context(name) != nil else { throw missing(name) }
            list.contexts.removeAll { $0.name == name }
            if list.current == name { list.current = "" }
            session.console.print("Removed \(printable(name)).\n")
            return .ok
        }
    }

    private static func missing(_ name: String) -> ControlFailure {
        ControlFailure("there is no context `\(name)`", remedy: "`warren context list` shows those that there are.")
    }

    @Sendable private static func set(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard let name = name(invocation, session) else { return .usage }
        return change(session) { list throws(ControlFailure) in
            var context = list.context(name) ?? Context(name: name)
            try apply(invocation, to: &context)
            guard ControlEndpoint.place(context.server) != nil else {
                throw ControlFailure(
                    context.server.isEmpty ? "a context needs a server" : "`\(context.server)` is no address of a control plane",
                    remedy: "Give it with --server: https://HOST:15012 or unix:///PATH.")
            }
            if let index = list.contexts.firstIndex(where: { $0.name == name }) {
                list.contexts[index] = context
            } else {
                list.contexts.append(context)
            }
            if invocation.has("use") || list.contexts.count == 1 { list.current = name }
            session.console.print(
                "\(printable(name)) is \(printable(context.server))\(list.current == name ? ", in use" : "").\n")
            return .ok
        }
    }

    private static func apply(_ invocation: Invocation, to context: inout Context) throws(ControlFailure) {
        if let server = invocation.value("server") {
            // What let us into the old one must not be shown to the new one.
            if server != context.server { context.token = "" }
            context.server = server
        }
        if let path = invocation.value("ca-file") {
            let pem = try ContextChoice.read(path)
            guard let roots = try? Certificate.roots(pem: pem), !roots.isEmpty else {
                throw ControlFailure("\(path) holds no certificate", remedy: "Name a file with roots in PEM.")
            }
            context.authority = String(decoding: roots.pem, as: UTF8.self)
        }
        if let digits = invocation.value("fingerprint") {
            let digits = digits.replacing(":", with: "").lowercased()
            guard JoinToken.isFingerprint(digits) else {
                throw ControlFailure("--fingerprint is no SHA-256", remedy: "It has 64 hexadecimal digits.")
            }
            context.fingerprint = digits
        }
        if let path = invocation.value("token-file") { context.token = try ContextChoice.text(path) }
        for (option, place) in [
            ("client-certificate", \Context.certificateFile), ("client-key", \.keyFile), ("namespace", \.namespace),
        ] {
            if let text = invocation.value(option) { context[keyPath: place] = text }
        }
        guard context.certificateFile.isEmpty == context.keyFile.isEmpty else {
            throw ControlFailure(
                "a client's certificate needs its key", remedy: "Give both --client-certificate and --client-key.")
        }
    }
}
