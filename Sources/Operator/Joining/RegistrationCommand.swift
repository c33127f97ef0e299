// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel

/// `warren workload …`: registers workloads of this host with the control plane, through its warrend, which may do so within the host's grants.
enum RegistrationCommand {
    static let commands = [
        Command(
            "workload add", "Register a workload of this host.",
            detail:
                "The host's warrend makes the WorkloadEntry, within what the host was granted (`warren get nodegrants`). The registration"
                + " stays until it is removed, whether the workload runs or not, or the host has been away for the control plane's hosts.grace.",
            operands: "NAME",
            options: [
                Listing.namespace, CommandOption("address", value: "ADDRESS", "The workload's own address."),
                CommandOption("service-account", value: "NAME", "Whose identity it has; default without a word."),
                CommandOption("network-namespace", value: "NAME", "Its network namespace, as `ip netns` calls it."),
                CommandOption(
                    "label", short: "l", value: "KEY=VALUE", "A label, for services that select it; may come several times."),
                OutputFormat.option, Listing.socket,
            ],
            examples: [
                (
                    "sudo warren workload add web -n shop --address 10.0.0.5 --network-namespace web -l app=web",
                    "A workload with a network namespace of its own."
                )
            ], run: add),
        Command(
            "workload remove", "Remove the registration of a workload of this host.", operands: "NAME",
            options: [Listing.namespace, OutputFormat.option, Listing.socket],
            examples: [
                ("sudo warren workload remove web -n shop", "It is captured no longer, and others don't know it any more.")
            ],
            run: remove),
        Command(
            "workload list", "Show the workloads of this host.",
            options: [Listing.namespace, OutputFormat.option, Listing.socket],
            examples: [("sudo warren workload list", "Those that this host captures, or would.")], run: list),
    ]

    private static let target = "/workloads"
    /// The control plane is asked meanwhile.
    private static let timeout = Interval.seconds(30)

    /// The one operand; nil after saying so.
    private static func name(_ invocation: Invocation, _ session: Session) -> String? {
        guard invocation.operands.count == 1, let name = invocation.operands.first, !name.isEmpty else {
            _ = session.usage("\(invocation.command.name) needs one name")
            return nil
        }
        return name
    }

    @Sendable private static func add(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard let name = name(invocation, session) else { return .usage }
        guard let address = invocation.value("address") else { return session.usage("workload add needs --address") }
        guard let networkNamespace = invocation.value("network-namespace") else {
            return session.usage("workload add needs --network-namespace", hint: "`ip netns` shows the names.")
        }
        let labels = invocation.all("label").map { LabelCommand.Change($0) }
        guard labels.allSatisfy({ $0?.value != nil }) else { return session.usage("--label isn't KEY=VALUE") }
        let body = Value.object(present: [
            ("name", .string(name)), ("namespace", .string(invocation.value("namespace") ?? "default")),
            ("address", .string(address)),
            ("serviceAccount", invocation.value("service-account").map { .string($0) }),
            ("networkNamespace", .string(networkNamespace)),
            ("labels", .object(labels.compactMap { $0 }.map { ($0.key, .string($0.value ?? "")) })),
        ])
        let request = AdminRequest(.post, target, body: body, socket: AdminSocket.path(invocation), timeout: timeout)
        return tell(session.ask(request), name, "registered", invocation, session)
    }

    @Sendable private static func remove(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard let name = name(invocation, session) else { return .usage }
        let query = "namespace=\(queryValue(invocation.value("namespace") ?? "default"))&name=\(queryValue(name))"
        let request = AdminRequest(.delete, "\(target)?\(query)", socket: AdminSocket.path(invocation), timeout: timeout)
        return tell(session.ask(request), name, "removed", invocation, session)
    }

    private static func tell(
        _ answer: Result<AdminAnswer, AdminFailure>, _ name: String, _ word: String, _ invocation: Invocation, _ session: Session
    ) -> ExitCode {
        switch answer {
        case .failure(let failure): return session.failed(failure)
        case .success(let answer):
            let text = OutputFormat(invocation).text(answer.document)?.withoutDirectionMarks
            let namespace = invocation.value("namespace") ?? "default"
            session.console.print(text ?? "workload \(printable(namespace))/\(printable(name)) \(word)\n")
            return .ok
        }
    }

    @Sendable private static func list(_ invocation: Invocation, _ session: Session) -> ExitCode {
        listing.run(invocation, session)
    }

    private static let listing = Listing(
        target: target, key: "workloads", filter: { $1.isIn($0, "namespace") && $1["local"]?.boolValue == true },
        columns: { _ in
            [
                .init("NAMESPACE"), .init("NAME"), .init("ADDRESS"), .init("IDENTITY"), .init("NETNS"),
                .init("CAPTURE", colour: { $0 == "captured" ? .good : $0.hasPrefix("refused") ? .bad : nil }),
            ]
        },
        row: { _, value in
            let reason = value.cell("captureReason").map { ": \($0)" } ?? ""
            return [
                value.cell("namespace"), value.cell("name"), value.listCell("addresses"),
                value.identityCell("identity", isWide: false), value.cell("networkNamespace"),
                value.cell("captureState").map { $0 + reason },
            ]
        })
}
