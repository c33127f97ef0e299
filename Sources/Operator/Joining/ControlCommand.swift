// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel
internal import TLS

/// `warren control …`: the control plane's own authority: how it stands, and changing its keys.
enum ControlCommand {
    static let commands = [
        Command(
            "control authority",
            "Show the control plane's authority: roots, intermediate, and how far a change of them has come.",
            options: [OutputFormat.option] + ContextChoice.options,
            examples: [("warren control authority", "Which roots are trusted, which signs, until when.")], run: show),
        Command(
            "control rotate", "Change the keys of the control plane's authority, step by step, without a failed handshake.",
            detail:
                "intermediate makes a fresh intermediate. A root is changed in three steps, each when all hosts have followed the one before,"
                + " which the control plane checks: introduce-root trusts a second root beside the first, use-root signs by it, drop-root"
                + " trusts the first no more. abandon-root takes back an introduction. adopt copies an authority that was given as files into the"
                + " control plane's own directory, where the other steps change it.",
            operands: steps.joined(separator: "|"),
            options: [
                CommandOption(
                    "force",
                    "Don't wait until the hosts have followed: for a root whose key is lost, at the price of connections."),
                OutputFormat.option,
            ] + ContextChoice.options,
            examples: [
                ("warren control rotate intermediate", "A fresh intermediate."),
                ("warren control rotate introduce-root", "The first of three steps to a new root."),
                ("warren control rotate adopt", "The CA that was copied to each host is the control plane's from now on."),
            ], run: rotate),
        Command(
            "control backup", "Write everything that the control plane keeps into a file.",
            detail:
                "The file appears whole or not at all, for its owner alone. Tokens aren't in it. The authority's keys are only with"
                + " --passphrase-file, sealed under its first line, and only for root on the control plane's host.",
            operands: "FILE",
            options: [
                CommandOption("passphrase-file", value: "PATH", "Put the authority's keys in it too, under this passphrase.")
            ] + ContextChoice.options,
            examples: [
                ("warren control backup mesh.backup", "The mesh, without keys."),
                (
                    "sudo warren control backup mesh.backup --passphrase-file passphrase",
                    "With the authority's keys, sealed."
                ),
            ], run: backup),
        Command(
            "control restore", "Put a backup back, on the control plane's host, while warren-control doesn't run.",
            detail:
                "Tokens end. Hosts go on by their certificates if the authority's keys are the same, and take the restored state over by"
                + " themselves. What was evicted or revoked since the backup is to be done again.",
            operands: "FILE",
            options: [
                CommandOption("passphrase-file", value: "PATH", "Put the authority's keys back too."),
                CommandOption("replace", "Although there is a store already: what it holds is lost."),
                CommandOption("config", value: "PATH", "The control plane's configuration."),
            ],
            examples: [("sudo warren control restore mesh.backup --passphrase-file passphrase", "After a disk was lost.")],
            run: restore),
        Command(
            "control migrate",
            "Move the control plane's store from its file into etcd, on its host, while warren-control doesn't run.",
            detail:
                "All objects go, tokens too, and are compared when they are there; nothing serves from etcd before, nor from the file after."
                + " Hosts and clients go on with it. What isn't said is taken from `store` of the configuration. Broken off at whatever moment it"
                + " is run again, or taken back by --cancel.",
            options: [
                CommandOption("to", value: "URL", "Where to: etcd://HOST:PORT,HOST:PORT/PREFIX, where nothing is yet."),
                CommandOption("ca", value: "PATH", "The authority of the certificates of etcd's members."),
                CommandOption("certificate", value: "PATH", "What is shown to etcd."),
                CommandOption("key", value: "PATH", "Its private key."),
                CommandOption("user", value: "NAME", "One of etcd's own users, with --password-file."),
                CommandOption("password-file", value: "PATH", "A file for its owner alone whose first line is the password."),
                CommandOption("cancel", "Have the file serve again after a move that was broken off."),
                CommandOption("config", value: "PATH", "The control plane's configuration."),
            ],
            examples: [
                (
                    "sudo warren control migrate --to etcd://10.0.0.1:2379,10.0.0.2:2379/warren --ca /etc/warren/etcd/ca.pem",
                    "Before a second control plane."
                )
            ],
            run: migrate),
        Command(
            "control accept-store",
            "Have this host's warrend take over the control plane's state although it is another or an older one.",
            detail:
                "A host refuses the state of a store with another identity, or from before what it has: a control plane that was restored or"
                + " set up anew would else empty the mesh unseen. `warren status` says whether it does.",
            options: [OutputFormat.option, Listing.socket],
            examples: [("sudo warren control accept-store", "After the control plane was restored from a backup.")],
            run: acceptStore),
    ]

    private static let steps = ["intermediate", "introduce-root", "use-root", "drop-root", "abandon-root", "adopt"]

    @Sendable private static func show(_ invocation: Invocation, _ session: Session) -> ExitCode {
        ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            print(try plane.get("/warren/v1/authority"), invocation, session)
            return .ok
        }
    }

    @Sendable private static func rotate(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard invocation.operands.count == 1, let step = invocation.operands.first, steps.contains(step) else {
            return session.usage("control rotate needs a step", hint: "It is one of \(steps.joined(separator: ", ")).")
        }
        return ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            let body: Value = ["step": .string(step), "force": .bool(invocation.has("force"))]
            print(try plane.send(.post, "/warren/v1/authority/rotate", body).document, invocation, session)
            return .ok
        }
    }

    @Sendable private static func backup(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard invocation.operands.count == 1, let file = invocation.operands.first else {
            return session.usage("control backup needs one file")
        }
        return ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            var body: Value = [:]
            if let path = invocation.value("passphrase-file") {
                body = ["passphrase": .string(try passphrase(path))]
            }
            let bytes = try plane.bytes(.post, "/warren/v1/backup", body)
            // The first line says what the rest must be: a connection that broke makes no backup.
            let end = bytes.prefix(256).firstIndex(of: 0x0a) ?? bytes.endIndex
            let words = String(decoding: bytes[..<end], as: UTF8.self).split(separator: " ")
            guard words.count == 3, words[0] == "warren-backup", SHA256.hex(Array(bytes.dropFirst(end + 1))) == words[2] else {
                throw ControlFailure("what the control plane sent is no whole backup; nothing was written", remedy: "Try again.")
            }
            do throws(Errno) { try File.replace(file, with: bytes, mode: 0o600) } catch {
                throw ControlFailure("\(file) can't be written: \(error)")
            }
            session.console.print("\(printable(file)): \(bytes.count) bytes\n")
            return .ok
        }
    }

    /// The first line of a file that its owner alone may read.
    private static func passphrase(_ path: String) throws(ControlFailure) -> String {
        do throws(PrivateFile.Fault) {
            return String(decoding: try PrivateFile.read(path, limit: 4096, takesPipe: true).prefix { $0 != 0x0a }, as: UTF8.self)
        } catch {
            throw ControlFailure(error.sentence(path))
        }
    }

    @Sendable private static func restore(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard invocation.operands.count == 1, let file = invocation.operands.first else {
            return session.usage("control restore needs one file")
        }
        var arguments = ["restore", file]
        for option in ["passphrase-file", "config"] {
            if let value = invocation.value(option) { arguments += ["--\(option)", value] }
        }
        if invocation.has("replace") { arguments.append("--replace") }
        return onItsHost(arguments, session)
    }

    @Sendable private static func migrate(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard invocation.operands.isEmpty else { return session.usage("control migrate takes options alone") }
        var arguments = ["migrate"]
        for option in ["to", "ca", "certificate", "key", "user", "password-file", "config"] {
            if let value = invocation.value(option) { arguments += ["--\(option)", value] }
        }
        if invocation.has("cancel") { arguments.append("--cancel") }
        return onItsHost(arguments, session)
    }

    /// The store is the other program's; it says itself what is wrong.
    private static func onItsHost(_ arguments: [String], _ session: Session) -> ExitCode {
        switch session.execute("warren-control", arguments) {
        case .exited(0): return .ok
        case nil:
            return session.failed(
                "warren-control can't be started", remedy: "Run this on the control plane's host, where it is installed.")
        default: return .failed
        }
    }

    @Sendable private static func acceptStore(_ invocation: Invocation, _ session: Session) -> ExitCode {
        switch session.ask(AdminRequest(.post, "/control/accept-store", socket: AdminSocket.path(invocation))) {
        case .failure(let failure): return session.failed(failure)
        case .success(let answer):
            session.console.print(
                OutputFormat(invocation).text(answer.document) ?? "warrend takes over what its control plane says now.\n")
            return .ok
        }
    }

    private static func print(_ status: Value, _ invocation: Invocation, _ session: Session) {
        if let text = OutputFormat(invocation).text(status) { return session.console.print(text.withoutDirectionMarks) }
        var table = Table([.init("CERTIFICATE"), .init("SIGNS"), .init("UNTIL"), .init("SUBJECT"), .init("SHA-256")])
        for root in status["roots"]?.sequenceValue ?? [] {
            let signs = root["signs"]?.boolValue == true ? "yes" : "no"
            table.add(["root", signs, root.cell("notAfter"), root.cell("subject"), root.cell("sha256")])
        }
        if let intermediate = status["intermediate"] {
            table.add(["intermediate", "yes", intermediate.cell("notAfter"), intermediate.cell("subject"), nil])
        }
        session.console.print(table.text(session.console))
        guard let phase = status.cell("phase") else { return }
        let next = status.cell("next").map { ": \($0)" } ?? ""
        let since = status.cell("since").map { " since \($0)" } ?? ""
        session.console.print("\n\(printable("\(phase)\(since)\(next)")).\n")
    }
}
