// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel

/// `warren apply`: makes the control plane's objects what files say, field by field (server-side apply).
enum ApplyCommand {
    static let command = Command(
        "apply", "Make objects of the control plane what files say they are.",
        detail:
            "Each object is applied by the server: fields that the file names become warren's, fields that others set and the file"
            + " doesn't name stay. A field that another manager has set otherwise is a conflict; --force-conflicts takes it over."
            + " Namespaces go first. What is wrong with one object doesn't keep the others back; the exit code is 1 if one failed.",
        options: [
            ManifestReader.option, ContextChoice.namespace,
            CommandOption("dry-run", "Only check and show what would happen: the control plane stores nothing."),
            CommandOption("force-conflicts", "Take over fields that other managers have set otherwise."),
            CommandOption("field-manager", value: "NAME", "Who applies; warren without a word."),
            CommandOption("wait", "Wait until every connected host has taken the objects."),
            CommandOption("timeout", value: "DURATION", "How long to wait for all of them; 60s without a word."),
            OutputFormat.option,
        ] + ContextChoice.options,
        examples: [
            ("warren apply -f mesh.yaml", "One file: created, configured or unchanged, object by object."),
            ("warren apply -f policies/ -n shop --dry-run", "What a folder would change in namespace shop."),
            (
                "warren apply -f mesh.yaml --wait",
                "Back when it is in effect on all hosts, or with the words of one that refuses."
            ),
            ("generate | warren apply -f -", "From standard input."),
        ], run: run)

    enum Outcome: String {
        case created
        case configured
        case unchanged
        case failed
    }

    /// What became of one object.
    private struct Report {
        let object: ManifestObject
        let label: String
        let namespace: String?
        let outcome: Outcome
        var failure: ControlFailure?
        /// How many hosts have it, if that was waited for.
        var hosts: String?
        var target: ResourceTarget?

        var value: Value {
            let causes =
                failure?.causes.map { Value.object([("field", .string($0.field)), ("message", .string($0.message))]) } ?? []
            return .object(present: [
                ("file", .string(object.file)), ("line", .integer(object.line)), ("object", .string(label)),
                ("namespace", namespace.map { .string($0) }), ("result", .string(outcome.rawValue)),
                ("message", failure.map { .string($0.message) }), ("remedy", failure.map { .string($0.remedy) }),
                ("hosts", hosts.map { .string($0) }), ("reason", failure.map { .string($0.reason) }),
                ("causes", causes.isEmpty ? nil : .array(causes)),
            ])
        }
    }

    @Sendable private static func run(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard invocation.has("file") else { return session.usage("apply needs -f", hint: "Name a file, a folder or -.") }
        guard let limit = Interval(option: invocation.value("timeout") ?? "60s") else {
            return session.usage("--timeout is no duration", hint: "Write it like 30s or 5m.")
        }
        return ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            let objects = try ManifestReader.read(invocation.all("file"))
            // What is in a namespace needs it; the order of the file stays otherwise.
            let ordered = objects.filter { $0.kind == "Namespace" } + objects.filter { $0.kind != "Namespace" }
            let isText = OutputFormat(invocation) == .table
            var reports: [Report] = []
            for object in ordered {
                let report = try apply(object, invocation, plane)
                reports.append(report)
                if isText { show(report, isDry: invocation.has("dry-run"), session) }
            }
            if invocation.has("wait"), !invocation.has("dry-run") {
                try waitForHosts(&reports, HostsWait(limit, plane, session), isText, session)
            }
            if let text = OutputFormat(invocation).text(.array(reports.map(\.value))) {
                session.console.print(text.withoutDirectionMarks)
            }
            return reports.contains { $0.failure != nil } ? .failed : .ok
        }
    }

    private static func waitForHosts(
        _ reports: inout [Report], _ wait: HostsWait, _ isText: Bool, _ session: Session
    ) throws(ControlFailure) {
        for index in reports.indices {
            guard reports[index].failure == nil, let target = reports[index].target else { continue }
            do throws(ControlFailure) {
                guard let hosts = try wait.until(target) else { continue }
                reports[index].hosts = hosts
                if isText { session.console.print("\(printable(target.label)) \(printable(hosts))\n") }
            } catch {
                if error.isUnreachable { throw error }
                reports[index].failure = error
                if isText { _ = session.failed(error, about: target.label) }
            }
        }
    }

    /// Throws only what concerns all objects: a control plane that isn't there or doesn't know us.
    private static func apply(
        _ object: ManifestObject, _ invocation: Invocation, _ plane: ControlPlane
    ) throws(ControlFailure) -> Report {
        var target: ResourceTarget?
        do throws(ControlFailure) {
            let found = try ResourceTargets.target(of: object, invocation, plane)
            target = found
            let outcome = try apply(object.value, found, invocation, plane)
            return Report(object: object, label: found.label, namespace: found.namespace, outcome: outcome, target: found)
        } catch {
            if error.isUnreachable || error.status == 401 { throw error }
            let label = target?.label ?? "\(object.kind.lowercased())/\(object.name)"
            return Report(object: object, label: label, namespace: target?.namespace, outcome: .failed, failure: explained(error))
        }
    }

    private static func explained(_ failure: ControlFailure) -> ControlFailure {
        guard failure.status == 409, failure.reason == "Conflict", failure.remedy.isEmpty else { return failure }
        var told = ControlFailure(
            failure.message, remedy: "Leave these fields out of the file, or take them over with --force-conflicts.")
        (told.status, told.reason, told.causes) = (failure.status, failure.reason, failure.causes)
        return told
    }

    private static func apply(
        _ object: Value, _ target: ResourceTarget, _ invocation: Invocation, _ plane: ControlPlane
    ) throws(ControlFailure) -> Outcome {
        let before = try existing(target, plane)
        var parameters = ["fieldManager=\(queryValue(invocation.value("field-manager") ?? "warren"))", "fieldValidation=Strict"]
        if invocation.has("force-conflicts") { parameters.append("force=true") }
        if invocation.has("dry-run") { parameters.append("dryRun=All") }
        let answer = try plane.send(
            .patch, "\(target.path)?\(parameters.joined(separator: "&"))", bare(object),
            contentType: "application/apply-patch+yaml")
        guard let before, answer.status != 201 else { return .created }
        return content(before) == content(answer.document) ? .unchanged : .configured
    }

    /// The object as it is; nil if there is none.
    private static func existing(_ target: ResourceTarget, _ plane: ControlPlane) throws(ControlFailure) -> Value? {
        do throws(ControlFailure) {
            return try plane.get(target.path)
        } catch {
            if error.isNotFound { return nil }
            throw error
        }
    }

    /// Without what a server refuses in an apply: who manages what is its own to say. A file made by `get -o yaml` has it.
    private static func bare(_ object: Value) -> Value { object.changing("metadata") { $0.without(["managedFields"]) } }

    /// What an object says, without what each write changes and what the control plane says of it meanwhile.
    private static func content(_ object: Value) -> Value {
        object.without(["status"]).changing("metadata") { $0.without(["managedFields", "resourceVersion", "generation"]) }
    }

    private static func show(_ report: Report, isDry: Bool, _ session: Session) {
        let label = printable(report.label)
        guard let failure = report.failure else {
            let colour: Colour? = report.outcome == .unchanged ? nil : .good
            let word = colour.map { session.console.paint(report.outcome.rawValue, $0) } ?? report.outcome.rawValue
            return session.console.print("\(label) \(word)\(isDry ? " (dry run)" : "")\n")
        }
        _ = session.failed(failure, about: "\(report.object.file):\(report.object.line): \(label)")
    }
}

extension Value {
    /// A mapping without some keys; anything else as it is.
    func without(_ keys: Set<String>) -> Value {
        guard let entries = mappingValue else { return self }
        return Value(.mapping(entries.filter { !keys.contains($0.key) }), at: position)
    }

    /// A mapping with one value changed, if it is there.
    func changing(_ key: String, _ change: (Value) -> Value) -> Value {
        guard let entries = mappingValue else { return self }
        return Value(
            .mapping(entries.map { $0.key == key ? Entry($0.key, at: $0.keyPosition, change($0.value)) : $0 }), at: position)
    }
}
