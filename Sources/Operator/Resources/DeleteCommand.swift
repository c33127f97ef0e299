// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel

/// `warren delete`: removes objects and waits until they are gone.
enum DeleteCommand {
    static let command = Command(
        "delete", "Delete objects of the control plane.",
        detail:
            "Waits until the objects are gone: a namespace goes after everything in it, its policies last. With -l and a kind alone"
            + " everything that fits goes.",
        operands: ResourceTargets.operands,
        options: [
            ManifestReader.option, ContextChoice.namespace, ResourceTargets.selector,
            CommandOption("ignore-not-found", "What isn't there is no error."),
            CommandOption("dry-run", "Only say what would be deleted."),
            CommandOption("no-wait", "Don't wait until the objects are gone."),
            CommandOption("timeout", value: "DURATION", "How long to wait for each; 60s without a word."), OutputFormat.option,
        ] + ContextChoice.options,
        examples: [
            ("warren delete service db -n shop", "One object."), ("warren delete -f mesh.yaml", "All objects of a file."),
            ("warren delete namespace shop --timeout 5m", "A namespace with everything in it."),
        ], run: run)

    /// Between two looks whether an object is gone.
    private static let look = Interval.milliseconds(200)

    @Sendable private static func run(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard let limit = Interval(option: invocation.value("timeout") ?? "60s") else {
            return session.usage("--timeout is no duration", hint: "Write it like 30s or 5m.")
        }
        return ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            let targets = try targets(invocation, plane)
            guard !targets.isEmpty else {
                if invocation.has("selector") { session.console.complain("Nothing fits the selector.\n") }
                return invocation.has("selector")
                    ? .ok : session.usage("delete needs objects", hint: "Write KIND NAME, or name files with -f.")
            }
            return try delete(targets, limit, invocation, plane, session)
        }
    }

    /// Of a file the last object goes first: what needs others before these.
    private static func targets(_ invocation: Invocation, _ plane: ControlPlane) throws(ControlFailure) -> [ResourceTarget] {
        let named = try ResourceTargets.find(invocation, plane)
        guard named.isEmpty, let selector = invocation.value("selector"), let kind = invocation.operands.first else {
            return invocation.has("file") ? named.reversed() : named
        }
        let resource = try plane.resource(called: kind)
        let namespace = plane.namespace(invocation)
        let list = try plane.get("\(resource.path(namespace: namespace))?labelSelector=\(queryValue(selector))")
        return (list["items"]?.sequenceValue ?? []).compactMap { object in
            object["metadata"]?["name"]?.stringValue.map { ResourceTarget(resource, namespace: namespace, name: $0) }
        }
    }

    private static func delete(
        _ targets: [ResourceTarget], _ limit: Interval, _ invocation: Invocation, _ plane: ControlPlane, _ session: Session
    ) throws(ControlFailure) -> ExitCode {
        var results: [Value] = []
        var code = ExitCode.ok
        let isText = OutputFormat(invocation) == .table
        for target in targets {
            do throws(ControlFailure) {
                let word = try delete(target, limit, invocation, plane, session)
                results.append(["object": .string(target.label), "result": .string(word)])
                if isText { session.console.print("\(printable(target.label)) \(word)\n") }
            } catch {
                if error.isUnreachable { throw error }
                results.append(["object": .string(target.label), "result": "failed", "message": .string(error.message)])
                code = session.failed(error, about: target.label)
            }
        }
        if let text = OutputFormat(invocation).text(.array(results)) { session.console.print(text.withoutDirectionMarks) }
        return code
    }

    /// What became of it, in a word.
    private static func delete(
        _ target: ResourceTarget, _ limit: Interval, _ invocation: Invocation, _ plane: ControlPlane, _ session: Session
    ) throws(ControlFailure) -> String {
        let isDry = invocation.has("dry-run")
        let document: Value
        do throws(ControlFailure) {
            document = try plane.send(ControlRequest(.delete, target.path + (isDry ? "?dryRun=All" : ""))).document
        } catch {
            if error.isNotFound, invocation.has("ignore-not-found") { return "not found" }
            throw error
        }
        if isDry { return "deleted (dry run)" }
        // A `Status` says that it is gone; the object itself, that it goes when its finalizers are done.
        guard document["metadata"]?["deletionTimestamp"] != nil else { return "deleted" }
        if invocation.has("no-wait") { return "is being deleted" }
        let deadline = Instant.now() + limit
        while try isThere(target, uid: document["metadata"]?["uid"], plane) {
            guard Instant.now() < deadline, session.pause(look) else {
                throw ControlFailure(
                    "it is marked for deletion, but still there after \(limit.milliseconds / 1000) s",
                    remedy: "Look at its finalizers: warren get \(target.resource.plural) \(target.name) -o yaml.")
            }
        }
        return "deleted"
    }

    /// Another object of the same name isn't the one that goes.
    private static func isThere(_ target: ResourceTarget, uid: Value?, _ plane: ControlPlane) throws(ControlFailure) -> Bool {
        do throws(ControlFailure) {
            return try plane.get(target.path)["metadata"]?["uid"] == uid
        } catch {
            if error.isNotFound { return false }
            throw error
        }
    }
}

extension Interval {
    /// `30s`, `5m`, as options have it.
    init?(option text: String) {
        guard let duration = Duration(documentText: text) else { return nil }
        let (seconds, attoseconds) = duration.components
        guard seconds >= 0, let whole = UInt64(exactly: seconds), whole < 1 << 32 else { return nil }
        self = .milliseconds(whole * 1000 + UInt64(max(0, attoseconds) / 1_000_000_000_000_000))
    }
}
