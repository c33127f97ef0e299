// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel

/// `warren describe`: everything about objects, for people: what they say, in what condition they are, who set what.
enum DescribeCommand {
    static let command = Command(
        "describe", "Show everything about objects: what they say, their conditions, who changed them.",
        operands: ResourceTargets.operands,
        options: [
            ManifestReader.option, ContextChoice.namespace,
            CommandOption(
                "output", short: "o", value: "FORMAT", choices: ["text", "json", "yaml"],
                "How to print: text (default), json or yaml."),
        ] + ContextChoice.options,
        examples: [
            ("warren describe authorizationpolicy db -n shop", "A policy, and on how many hosts it is in force."),
            ("warren describe node host-a", "A host."),
        ], run: run)

    @Sendable private static func run(_ invocation: Invocation, _ session: Session) -> ExitCode {
        ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            let targets = try ResourceTargets.find(invocation, plane)
            guard !targets.isEmpty else { return session.usage("describe needs objects", hint: "Write KIND NAME.") }
            for (index, target) in targets.enumerated() {
                let object = try plane.get(target.path)
                if let format = OutputFormat(rawValue: invocation.value("output") ?? "text"), let text = format.text(object) {
                    session.console.print(text.withoutDirectionMarks)
                } else {
                    session.console.print((index > 0 ? "\n" : "") + text(object, now: session.now(), session.console))
                }
            }
            return .ok
        }
    }

    static func text(_ object: Value, now: WallTime, _ console: Console) -> String {
        let metadata = object["metadata"] ?? .null
        var lines: [(String, String)] = [("Name", cell(metadata, "name"))]
        if let namespace = metadata.cell("namespace") { lines.append(("Namespace", printable(namespace))) }
        lines.append(("Kind", "\(cell(object, "kind")), \(cell(object, "apiVersion"))"))
        for (title, key) in [("Labels", "labels"), ("Annotations", "annotations")] { lines += pairs(title, metadata[key]) }
        if let created = metadata.cell("creationTimestamp") {
            let age = Timestamp(created).map { " (\(HumanText.age(Double(now.seconds - $0.seconds))) ago)" } ?? ""
            lines.append(("Created", printable(created) + age))
        }
        if let deleted = metadata.cell("deletionTimestamp") { lines.append(("Being deleted", "since \(printable(deleted))")) }
        if let finalizers = metadata.listCell("finalizers", most: 20) { lines.append(("Finalizers", printable(finalizers))) }
        lines += managers(metadata)
        let head = lines.map { "\(Help.padded($0.0.isEmpty ? "" : "\($0.0):", 15))\($0.1)\n" }.joined()
        let rest = (object.mappingValue ?? []).filter { !["apiVersion", "kind", "metadata", "status"].contains($0.key) }
        let body = rest.isEmpty ? "" : "\n" + YAML.write(Value(.mapping(rest))).withoutDirectionMarks
        return head + body + status(object["status"], now, console)
    }

    private static func cell(_ value: Value, _ key: String) -> String { printable(value.cell(key) ?? "-") }

    private static func pairs(_ title: String, _ map: Value?) -> [(String, String)] {
        (map?.mappingValue ?? []).enumerated().map { index, entry in
            (index == 0 ? title : "", printable("\(entry.key)=\(entry.value.stringValue ?? "")", limit: 300))
        }
    }

    /// `warren (Apply), kubectl-edit (Update)`.
    private static func managers(_ metadata: Value) -> [(String, String)] {
        let names = (metadata["managedFields"]?.sequenceValue ?? []).compactMap { entry in
            entry["manager"]?.stringValue.map { "\($0) (\(entry["operation"]?.stringValue ?? ""))" }
        }
        return names.isEmpty ? [] : [("Managers", printable(names.joined(separator: ", ")))]
    }

    private static func status(_ status: Value?, _ now: WallTime, _ console: Console) -> String {
        guard let status, let entries = status.mappingValue, !entries.isEmpty else { return "" }
        let rest = entries.filter { $0.key != "conditions" }
        let body = rest.isEmpty ? "" : "\n" + YAML.write(["status": Value(.mapping(rest))]).withoutDirectionMarks
        guard let conditions = status["conditions"]?.sequenceValue, !conditions.isEmpty else { return body }
        var table = Table([
            .init("CONDITION"), .init("STATUS", colour: { $0 == "True" ? .good : .bad }), .init("SINCE"), .init("REASON"),
            .init("MESSAGE"),
        ])
        for condition in conditions {
            let since = condition.cell("lastTransitionTime").flatMap { Timestamp($0) }
            table.add([
                condition.cell("type"), condition.cell("status"), since.map { HumanText.age(Double(now.seconds - $0.seconds)) },
                condition.cell("reason"), condition.cell("message"),
            ])
        }
        return body + "\n" + table.text(console)
    }
}
