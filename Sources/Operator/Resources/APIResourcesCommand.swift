// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// `warren api-resources`: which kinds the control plane keeps.
enum APIResourcesCommand {
    static let command = Command(
        "api-resources", "Show the kinds of objects that the control plane keeps.",
        options: [OutputFormat.option] + ContextChoice.options,
        examples: [("warren api-resources", "Each kind with its short names and whether it is in namespaces.")], run: run)

    @Sendable private static func run(_ invocation: Invocation, _ session: Session) -> ExitCode {
        ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            let resources = try plane.resources()
            let values = resources.map { resource in
                Value.object([
                    ("name", .string(resource.plural)), ("singular", .string(resource.singular)),
                    ("shortNames", .array(resource.shortNames.map { .string($0) })), ("apiVersion", .string(resource.apiVersion)),
                    ("kind", .string(resource.kind)), ("namespaced", .bool(resource.isNamespaced)),
                    ("verbs", .array(resource.verbs.map { .string($0) })),
                ])
            }
            if let text = OutputFormat(invocation).text(.array(values)) {
                session.console.print(text.withoutDirectionMarks)
                return .ok
            }
            var table = Table([.init("NAME"), .init("SHORT"), .init("APIVERSION"), .init("NAMESPACED"), .init("KIND")])
            for resource in resources {
                table.add([
                    resource.plural, resource.shortNames.joined(separator: ","), resource.apiVersion,
                    String(resource.isNamespaced),
                    resource.kind,
                ])
            }
            session.console.print(table.text(session.console))
            return .ok
        }
    }
}
