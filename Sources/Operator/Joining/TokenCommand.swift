// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel

/// `warren token …`: tokens by which hosts join and people, programs and ztunnels get in.
enum TokenCommand {
    static let commands = [
        Command(
            "token create", "Make a token: for a host to join, or for a person or program to get in.",
            detail:
                "Without --role and --for it is a join token, good once: the line to paste on the new host is printed. With them the token"
                + " itself is printed, alone. It is shown only now; the control plane keeps no more than its digest.",
            options: [
                CommandOption("node", value: "NAME", "The only host that it is for; one that is known may join again with it."),
                CommandOption("ttl", value: "DURATION", "How long it is good: 1h without a word, 24h with --role or --for."),
                CommandOption("role", value: "ROLE", choices: ["admin", "editor", "viewer"], "What its owner may do."),
                CommandOption(
                    "for", value: "KIND", choices: ["ztunnel"],
                    "For a ztunnel of --node that takes this control plane for istiod."),
                CommandOption("namespace", short: "n", value: "NAME", "What an editor may change; may come several times."),
                CommandOption("note", value: "TEXT", "What it is for, to be listed."),
                CommandOption("address", value: "HOST[:PORT]", "How the new host reaches the control plane."),
                OutputFormat.option,
            ] + ContextChoice.options,
            examples: [
                ("warren token create --node host-b", "A line to paste on host-b."),
                ("warren token create --role editor -n shop --ttl 720h > token", "For a pipeline that changes namespace shop."),
                ("warren token create --for ztunnel --node host-c --ttl 2160h", "For a ztunnel on host-c."),
            ], run: create),
        Command(
            "token list", "Show the tokens, without their secrets.", options: [OutputFormat.option] + ContextChoice.options,
            examples: [("warren token list", "Who may do what, and until when.")], run: list),
        Command(
            "token revoke", "Revoke tokens: they are good for nothing from now on.", operands: "ID …",
            options: [OutputFormat.option] + ContextChoice.options,
            examples: [
                ("warren token revoke 0123456789abcdef", "The ID is the token's second part, and what `warren token list` shows.")
            ],
            run: revoke),
    ]

    private static let path = "/warren/v1/tokens"

    // MARK: - Create

    @Sendable private static func create(_ invocation: Invocation, _ session: Session) -> ExitCode {
        let isForZtunnel = invocation.has("for")
        if isForZtunnel, invocation.has("role") {
            return session.usage("--for and --role say different things", hint: "Give one of them.")
        }
        if isForZtunnel, !invocation.has("node") {
            return session.usage("--for needs --node", hint: "It says whose certificates it may ask for.")
        }
        if invocation.has("role"), invocation.has("node") {
            return session.usage("--node is for hosts, not for a role", hint: "Leave it out.")
        }
        if invocation.value("role") == "editor", !invocation.has("namespace") {
            return session.usage("an editor needs namespaces", hint: "Name them with -n.")
        }
        if invocation.value("role") != "editor", invocation.has("namespace") {
            return session.usage("only an editor has namespaces", hint: "Leave -n out, or give --role editor.")
        }
        return ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            let made = try plane.send(.post, path, wish(invocation)).document
            guard let token = made["token"]?.stringValue, token.utf8.allSatisfy({ (0x21...0x7e).contains($0) }), !token.isEmpty
            else {
                throw ControlFailure(
                    "the control plane's answer holds no token", remedy: "Look at its version with `warren status`.")
            }
            let isJoin = JoinToken(token) != nil
            let line = isJoin ? "warren join \(try address(invocation, plane)) --token \(token)" : token
            let entries = (made.mappingValue ?? []) + (isJoin ? [Value.Entry("command", .string(line))] : [])
            session.console.print(OutputFormat(invocation).text(Value(.mapping(entries)))?.withoutDirectionMarks ?? "\(line)\n")
            return .ok
        }
    }

    private static func wish(_ invocation: Invocation) -> Value {
        let isBearer = invocation.has("role") || invocation.has("for")
        let namespaces = invocation.all("namespace").map { Value.string($0) }
        return .object(present: [
            ("kind", .string(isBearer ? "bearer" : "join")),
            ("role", invocation.has("for") ? "node" : invocation.value("role").map { .string($0) }),
            ("node", invocation.value("node").map { .string($0) }), ("ttl", invocation.value("ttl").map { .string($0) }),
            ("namespaces", namespaces.isEmpty ? nil : .array(namespaces)), ("note", invocation.value("note").map { .string($0) }),
        ])
    }

    /// Where the new host finds the control plane: what is said, where we found it, or this host by its name.
    private static func address(_ invocation: Invocation, _ plane: ControlPlane) throws(ControlFailure) -> String {
        if let text = invocation.value("address") {
            guard let place = ControlEndpoint.address(text) else {
                throw ControlFailure(
                    "--address is no HOST or HOST:PORT", remedy: "The token was made; revoke it if you don't need it.")
            }
            return place.url
        }
        if case .network? = ControlEndpoint.place(plane.context.server) { return plane.context.server }
        return ControlEndpoint.Place.network(host: hostName(), port: ControlEndpoint.standardPort).url
    }

    // MARK: - List and revoke

    @Sendable private static func list(_ invocation: Invocation, _ session: Session) -> ExitCode {
        ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            let tokens = try plane.get(path)["tokens"]?.sequenceValue ?? []
            if let text = OutputFormat(invocation).text(.array(tokens)) {
                session.console.print(text.withoutDirectionMarks)
                return .ok
            }
            var table = Table([
                .init("ID"), .init("FOR"), .init("EXPIRES", colour: { $0 == "expired" ? .bad : nil }), .init("USED BY"),
                .init("MADE BY"),
                .init("NOTE"),
            ])
            for token in tokens {
                table.add([
                    token.cell("id"), purpose(token), ends(token, session.now()), token.cell("usedBy"), token.cell("createdBy"),
                    token.cell("note"),
                ])
            }
            session.console.print(table.text(session.console))
            return .ok
        }
    }

    /// `join of host-b`, `editor of shop`.
    private static func purpose(_ token: Value) -> String {
        guard let role = token["role"] else { return "join" + (token.cell("node").map { " of \($0)" } ?? "") }
        let word = role.cell("name") ?? role.stringValue ?? "-"
        return word + ((role.listCell("namespaces", most: 5) ?? role.cell("node")).map { " of \($0)" } ?? "")
    }

    private static func ends(_ token: Value, _ now: WallTime) -> String? {
        guard let text = token.cell("expires"), let time = Timestamp(text) else { return token.cell("expires") }
        return time.seconds <= now.seconds ? "expired" : "in \(HumanText.age(Double(time.seconds - now.seconds)))"
    }

    @Sendable private static func revoke(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard !invocation.operands.isEmpty else {
            return session.usage("token revoke needs an ID", hint: "`warren token list` shows them.")
        }
        return ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            var results: [Value] = []
            for word in invocation.operands {
                // Who pastes the whole token means its number; the secret isn't sent.
                let parts = word.split(separator: ".", omittingEmptySubsequences: false)
                let id = parts.count > 1 ? String(parts[1]) : word
                _ = try plane.send(ControlRequest(.delete, "\(path)/\(pathSegment(id))"))
                results.append(["id": .string(id), "result": "revoked"])
                if OutputFormat(invocation) == .table { session.console.print("token \(printable(id)) revoked\n") }
            }
            if let text = OutputFormat(invocation).text(.array(results)) { session.console.print(text) }
            return .ok
        }
    }
}
