// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Mesh
internal import Messages

/// `warren translate`: what hosts are told of a set of resources.
enum TranslateCommand {
    static let command = Command(
        "translate", "Show what hosts will be told of resources: workloads, services and authorizations.",
        detail:
            "The names are those of Istio's workload and security APIs. Findings go to standard error; what a waypoint would have"
            + " to do is a warning here.",
        options: [
            MeshInput.option,
            CommandOption(
                "output", short: "o", value: "FORMAT", choices: ["json", "yaml"], "How to print: json (default) or yaml."),
        ] + MeshArguments.options,
        examples: [
            ("warren translate -f mesh.yaml", "As JSON."),
            ("warren translate -f mesh.yaml --cluster east -o yaml", "For a cluster of another name, as YAML."),
        ], run: run)

    @Sendable private static func run(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard invocation.has("file") else { return session.usage("translate needs -f", hint: "Name a file or a folder.") }
        if let problem = MeshArguments.problem(invocation) { return session.usage(problem) }
        do throws(MeshInput.Failure) {
            let files = try MeshInput.read(invocation.all("file"))
            let options = MeshArguments.options(invocation)
            let (resources, findings) = loadResources(files: files, options: options, purpose: .translate)
            for finding in findings { session.console.complain("\(printable(finding.description))\n") }
            guard !findings.contains(where: { $0.severity == .error }) else {
                return session.failed("nothing is translated while there are errors")
            }
            let document = translateDocument(translate(resources, options: options))
            session.console.print(invocation.value("output") == "yaml" ? YAML.write(document) : document.prettyJSON)
            return .ok
        } catch {
            return session.failed(error.message, remedy: error.remedy)
        }
    }
}
