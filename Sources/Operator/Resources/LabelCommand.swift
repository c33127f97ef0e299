// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// `warren label` and `warren annotate`: set and remove labels or annotations of objects.
enum LabelCommand {
    static let commands = [
        command("label", field: "labels", thing: "label", "web tier=front -n shop"),
        command("annotate", field: "annotations", thing: "annotation", "web team=shop -n shop"),
    ]

    private static func command(_ name: String, field: String, thing: String, _ example: String) -> Command {
        Command(
            name, "Set and remove \(thing)s of objects.",
            detail: "KEY=VALUE sets, KEY- removes. What has another value already is only changed with --overwrite.",
            operands: "KIND NAME … KEY=VALUE … KEY- …",
            options: [
                ManifestReader.option, ContextChoice.namespace, CommandOption("overwrite", "Change what has another value."),
                CommandOption("dry-run", "Only check: the control plane stores nothing."), OutputFormat.option,
            ] + ContextChoice.options,
            examples: [
                ("warren \(name) workloadentry \(example)", "Set one."),
                ("warren \(name) service/db team=storage --overwrite", "Change one that has another value."),
                ("warren \(name) namespace shop istio.io/rev-", "Remove one."),
            ],
            run: { run($0, $1, field: field, thing: thing) })
    }

    /// What is to be set; nil removes.
    struct Change {
        let key: String
        let value: String?

        /// Nil for a word that is none.
        init?(_ word: String) {
            if let sign = word.firstIndex(of: "="), sign != word.startIndex {
                (key, value) = (String(word[..<sign]), String(word[word.index(after: sign)...]))
            } else if word.hasSuffix("-"), word.count > 1, !word.contains("=") {
                (key, value) = (String(word.dropLast()), nil)
            } else {
                return nil
            }
        }

        init(_ key: String, _ value: String?) { (self.key, self.value) = (key, value) }
    }

    private static func run(_ invocation: Invocation, _ session: Session, field: String, thing: String) -> ExitCode {
        let words = invocation.operands
        // The first that can be a change ends the names.
        let count = words.firstIndex { $0.contains("=") || $0.hasSuffix("-") } ?? words.count
        let changes = words[count...].compactMap { Change($0) }
        guard !changes.isEmpty, changes.count == words.count - count else {
            return session.usage(
                "`\(invocation.command.name)` needs KEY=VALUE or KEY-", hint: "They stand behind the names of objects.")
        }
        return ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            var targets = try ResourceTargets.named(Array(words[..<count]), invocation, plane)
            if invocation.has("file") {
                for object in try ManifestReader.read(invocation.all("file")) {
                    targets.append(try ResourceTargets.target(of: object, invocation, plane))
                }
            }
            guard !targets.isEmpty else {
                return session.usage("\(invocation.command.name) needs objects", hint: "Write KIND NAME.")
            }
            var results: [Value] = []
            for target in targets {
                let hasChanged = try apply(
                    changes, to: target, field: field, thing: thing, overwrites: invocation.has("overwrite"),
                    isDry: invocation.has("dry-run"), plane)
                let word = hasChanged ? "\(thing)s set" : "unchanged"
                results.append(["object": .string(target.label), "result": .string(word)])
                if OutputFormat(invocation) == .table { session.console.print("\(printable(target.label)) \(word)\n") }
            }
            if let text = OutputFormat(invocation).text(.array(results)) { session.console.print(text.withoutDirectionMarks) }
            return .ok
        }
    }

    /// Sets and removes by a merge patch; false if everything is so already. A patch that must not overwrite is bound to the version that was
    /// looked at.
    static func apply(
        _ changes: [Change], to target: ResourceTarget, field: String, thing: String, overwrites: Bool, isDry: Bool = false,
        _ plane: ControlPlane
    ) throws(ControlFailure) -> Bool {
        let object = try plane.get(target.path)
        let present = object["metadata"]?[field]
        let needed = changes.filter { change in present?[change.key]?.stringValue != change.value }
        if !overwrites, let taken = needed.first(where: { $0.value != nil && present?[$0.key] != nil }) {
            throw ControlFailure(
                "\(target.label) has the \(thing) \(taken.key)=\(present?[taken.key]?.stringValue ?? "") already",
                remedy: "Change it with --overwrite.")
        }
        guard !needed.isEmpty else { return false }
        let map = Value(.mapping(needed.map { Value.Entry($0.key, $0.value.map { .string($0) } ?? .null) }))
        let metadata = Value.object(present: [
            (field, map), ("resourceVersion", overwrites ? nil : object["metadata"]?["resourceVersion"]),
        ])
        _ = try plane.send(
            .patch, "\(target.path)?fieldManager=warren-\(thing == "label" ? "label" : "annotate")\(isDry ? "&dryRun=All" : "")",
            ["metadata": metadata],
            contentType: "application/merge-patch+json")
        return true
    }
}
