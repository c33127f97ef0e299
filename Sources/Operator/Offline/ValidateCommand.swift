// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Mesh

/// `warren validate`: every finding in files of resources, without a daemon.
enum ValidateCommand {
    static let command = Command(
        "validate", "Check files of mesh resources: every finding with file, line, field and remedy.",
        detail: "Reads what warrend would read from mesh.path. Exit code 1 if there is an error, 0 if there are only warnings.",
        options: [MeshInput.option, OutputFormat.option] + MeshArguments.options,
        examples: [
            ("warren validate -f mesh.yaml", "One file."),
            ("warren validate -f /etc/warren/mesh", "A folder, as warrend reads it."),
            ("warren validate -f mesh.yaml -o json", "The findings for a program."),
        ], run: run)

    @Sendable private static func run(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard invocation.has("file") else { return session.usage("validate needs -f", hint: "Name a file or a folder.") }
        if let problem = MeshArguments.problem(invocation) { return session.usage(problem) }
        do throws(MeshInput.Failure) {
            let files = try MeshInput.read(invocation.all("file"))
            let (resources, findings) = loadResources(files: files, options: MeshArguments.options(invocation))
            let text = OutputFormat(invocation).text(.array(findings.map(\.value)))
            session.console.print(text ?? Self.text(findings, files: files.count, resources: resources.count, session.console))
            return findings.contains { $0.severity == .error } ? .failed : .ok
        } catch {
            return session.failed(error.message, remedy: error.remedy)
        }
    }

    private static func text(_ findings: [Finding], files: Int, resources: Int, _ console: Console) -> String {
        let lines = findings.map { Self.lines($0, console) }.joined()
        let errors = findings.count { $0.severity == .error }
        let warnings = findings.count { $0.severity == .warning }
        let verdict =
            errors > 0 ? console.paint(HumanText.count(errors, "error"), .bad) : console.paint("no error", .good)
        let rest = warnings > 0 ? ", \(HumanText.count(warnings, "warning"))" : ""
        return lines + "\(HumanText.count(files, "file")), \(HumanText.count(resources, "resource")): \(verdict)\(rest)\n"
    }

    /// `mesh.yaml:17:5: error WR0002 Service shop/db spec.selektor: unknown field`, and below it what to do.
    private static func lines(_ finding: Finding, _ console: Console) -> String {
        let severity =
            switch finding.severity {
            case .error: console.paint("error", .bad)
            case .warning: console.paint("warning", .doubtful)
            case .info: "info"
            }
        let subject = [finding.resource, finding.field].filter { !$0.isEmpty }.joined(separator: " ")
        let place = "\(finding.file):\(finding.line):\(finding.column)"
        let head = "\(printable(place)): \(severity) \(finding.code)\(subject.isEmpty ? "" : " \(printable(subject))")"
        let remedy = finding.remedy.isEmpty ? "" : "  → \(printable(finding.remedy))\n"
        return "\(head): \(printable(finding.message))\n\(remedy)"
    }
}
