// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel

/// `warren edit`: an object in the user's editor, and back.
enum EditCommand {
    static let command = Command(
        "edit", "Change an object in an editor.",
        detail:
            "The editor is VISUAL, EDITOR or vi. What the control plane refuses, or others changed meanwhile, stays in a file whose"
            + " name is told.",
        operands: ResourceTargets.operands,
        options: [
            ContextChoice.namespace,
            CommandOption(
                "output", short: "o", value: "FORMAT", choices: ["yaml", "json"], "What to edit it as: yaml (default) or json."),
        ] + ContextChoice.options,
        examples: [
            ("warren edit authorizationpolicy db -n shop", "A policy as YAML."),
            ("warren edit service/db -o json", "A service as JSON."),
        ], run: run)

    @Sendable private static func run(_ invocation: Invocation, _ session: Session) -> ExitCode {
        ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            let targets = try ResourceTargets.find(invocation, plane)
            guard targets.count == 1, let target = targets.first else {
                return session.usage("edit needs one object", hint: "Write KIND NAME.")
            }
            let object = try plane.get(target.path).changing("metadata") { $0.without(["managedFields"]) }
            let isJSON = invocation.value("output") == "json"
            return try edit(object, target, isJSON: isJSON, plane, session)
        }
    }

    private static func edit(
        _ object: Value, _ target: ResourceTarget, isJSON: Bool, _ plane: ControlPlane, _ session: Session
    ) throws(ControlFailure) -> ExitCode {
        let folder = session.environment("TMPDIR").flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "/tmp"
        let mark = randomBytes(6).map { String($0, radix: 16) }.joined()
        let path = "\(folder)/warren-edit-\(mark).\(isJSON ? "json" : "yaml")"
        let text =
            isJSON
            ? object.prettyJSON
            : "# Save and leave the editor to apply; leave without a change to give up.\n" + YAML.write(object)
        do throws(Errno) {
            try File.replace(path, with: Array(text.utf8), mode: 0o600)
        } catch {
            throw ControlFailure("\(path) can't be written: \(error)", remedy: "Name another folder in TMPDIR.")
        }
        do throws(ControlFailure) {
            let code = try edited(path, before: object, target, plane, session)
            try? File.remove(path)
            return code
        } catch {
            session.console.complain("What you wrote is kept in \(path).\n")
            throw error
        }
    }

    private static func edited(
        _ path: String, before: Value, _ target: ResourceTarget, _ plane: ControlPlane, _ session: Session
    ) throws(ControlFailure) -> ExitCode {
        let words = (session.environment("VISUAL") ?? session.environment("EDITOR") ?? "").split(separator: " ").map(String.init)
        let editor = words.first ?? "vi"
        guard let end = session.execute(editor, words.dropFirst() + [path]) else {
            throw ControlFailure("the editor `\(editor)` can't be started", remedy: "Name another in EDITOR.")
        }
        guard end == .exited(0) else {
            throw ControlFailure("the editor `\(editor)` failed", remedy: "Nothing was changed.")
        }
        let objects = try ManifestReader.read([path])
        guard objects.count == 1, let object = objects.first?.value else {
            throw ControlFailure("there are \(objects.count) objects in the file", remedy: "Keep the one.")
        }
        guard object != before else {
            session.console.print("\(printable(target.label)) unchanged\n")
            return .ok
        }
        do throws(ControlFailure) {
            _ = try plane.send(.put, "\(target.path)?fieldManager=warren-edit&fieldValidation=Strict", object)
        } catch {
            guard error.status == 409 else { throw error }
            var told = ControlFailure(
                error.message, remedy: "Somebody changed it meanwhile: run `warren edit` again and take over what you kept.")
            (told.status, told.reason, told.causes) = (error.status, error.reason, error.causes)
            throw told
        }
        session.console.print("\(printable(target.label)) configured\n")
        return .ok
    }
}
