// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel

/// `warren namespace …`: what is done most with namespaces, in one word each.
enum NamespaceCommand {
    static let commands = [
        Command(
            "namespace list", "Show the namespaces and which of them are enrolled.",
            options: [OutputFormat.option] + ContextChoice.options,
            examples: [("warren namespace list", "All namespaces.")], run: list),
        Command(
            "namespace create", "Make a namespace.", operands: "NAME …",
            options: [CommandOption("enrol", "Enrol it at once: its workloads are captured."), OutputFormat.option]
                + ContextChoice.options,
            examples: [("warren namespace create shop --enrol", "A namespace whose workloads are captured.")], run: create),
        Command(
            "namespace delete", "Delete a namespace with everything in it, its policies last.", operands: "NAME …",
            options: DeleteCommand.command.options.filter { !["file", "namespace", "selector"].contains($0.name) },
            examples: [("warren namespace delete shop", "Everything in shop, then shop.")],
            run: { invocation, session in
                guard !invocation.operands.isEmpty else { return session.usage("namespace delete needs a name") }
                return DeleteCommand.command.run(invocation.prefixed("namespaces"), session)
            }),
        Command(
            "namespace enrol", "Enrol a namespace: its workloads are captured, their connections encrypted and judged.",
            operands: "NAME …", options: [OutputFormat.option] + ContextChoice.options,
            examples: [("warren namespace enrol shop", "Sets the label \(mode)=ambient.")],
            run: { setMode("ambient", $0, $1) }),
        Command(
            "namespace release", "Release a namespace: its workloads are captured no longer. Open connections go on.",
            operands: "NAME …", options: [OutputFormat.option] + ContextChoice.options,
            examples: [("warren namespace release shop", "Removes the label \(mode).")], run: { setMode(nil, $0, $1) }),
    ]

    private static let mode = "istio.io/dataplane-mode"

    @Sendable private static func list(_ invocation: Invocation, _ session: Session) -> ExitCode {
        ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            let namespaces =
                try plane.get(try plane.resource(called: "namespaces").path(namespace: nil))["items"]?.sequenceValue ?? []
            if let text = OutputFormat(invocation).text(.array(namespaces)) {
                session.console.print(text.withoutDirectionMarks)
                return .ok
            }
            var table = Table([
                .init("NAME"), .init("MODE", colour: { $0 == "ambient" ? .good : nil }), .init("STATUS"), .init("AGE"),
            ])
            for namespace in namespaces {
                let metadata = namespace["metadata"] ?? .null
                let age = metadata.cell("creationTimestamp").flatMap { Timestamp($0) }
                table.add([
                    metadata.cell("name"), metadata["labels"]?.cell(mode),
                    metadata["deletionTimestamp"] == nil ? namespace["status"]?.cell("phase") ?? "Active" : "Terminating",
                    age.map { HumanText.age(Double(session.now().seconds - $0.seconds)) },
                ])
            }
            table.sort()
            session.console.print(table.text(session.console))
            return .ok
        }
    }

    @Sendable private static func create(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard !invocation.operands.isEmpty else { return session.usage("namespace create needs a name") }
        return ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            let resource = try plane.resource(called: "namespaces")
            let labels: Value? = invocation.has("enrol") ? [mode: "ambient"] : nil
            return try each(invocation, session) { name throws(ControlFailure) in
                let object: Value = [
                    "apiVersion": .string(resource.apiVersion), "kind": .string(resource.kind),
                    "metadata": .object(present: [("name", .string(name)), ("labels", labels)]),
                ]
                _ = try plane.send(.post, "\(resource.path(namespace: nil))?fieldManager=warren", object)
                return "created"
            }
        }
    }

    private static func setMode(_ value: String?, _ invocation: Invocation, _ session: Session) -> ExitCode {
        guard !invocation.operands.isEmpty else { return session.usage("\(invocation.command.name) needs a name") }
        return ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            let resource = try plane.resource(called: "namespaces")
            return try each(invocation, session) { name throws(ControlFailure) in
                let hasChanged = try LabelCommand.apply(
                    [.init(mode, value)], to: ResourceTarget(resource, namespace: nil, name: name), field: "labels",
                    thing: "label",
                    overwrites: true, plane)
                return hasChanged ? value == nil ? "released" : "enrolled" : "unchanged"
            }
        }
    }

    /// Does something with each name of the line and says what became of it.
    private static func each(
        _ invocation: Invocation, _ session: Session, _ body: (String) throws(ControlFailure) -> String
    ) throws(ControlFailure) -> ExitCode {
        var results: [Value] = []
        for name in invocation.operands {
            let word = try body(name)
            results.append(["object": .string("namespace/\(name)"), "result": .string(word)])
            if OutputFormat(invocation) == .table { session.console.print("namespace/\(printable(name)) \(word)\n") }
        }
        if let text = OutputFormat(invocation).text(.array(results)) { session.console.print(text.withoutDirectionMarks) }
        return .ok
    }
}
