// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// `warren status`: the daemon in one look.
enum StatusCommand {
    static let command = Command(
        "status", "Show what this host's warrend is and how it does.", options: [OutputFormat.option, Listing.socket],
        examples: [
            ("warren status", "Readiness, version, the mesh state in use, how many of everything."),
            ("warren status -o json", "The same for a program."),
        ], run: run)

    @Sendable private static func run(_ invocation: Invocation, _ session: Session) -> ExitCode {
        switch session.ask(AdminRequest(.get, "/status", socket: AdminSocket.path(invocation))) {
        case .failure(let failure): return session.failed(failure)
        case .success(let answer):
            let text = OutputFormat(invocation).text(answer.document) ?? Self.text(answer.document, session.console)
            session.console.print(text)
            return answer.document["ready"]?.boolValue == true ? .ok : .failed
        }
    }

    private static func text(_ status: Value, _ console: Console) -> String {
        let isReady = status["ready"]?.boolValue == true
        let pending = printable(status.listCell("pending", most: 20) ?? "nothing")
        func cell(_ key: String, _ absent: String = "-") -> String { printable(status.cell(key) ?? absent) }
        let isJoined = status["control"]?.mappingValue != nil
        let state = isReady ? console.paint("ready", .good) : console.paint("not ready, pending: \(pending)", .bad)
        var rows: [(String, String)] = [
            (
                "warrend",
                "\(cell("version")) on \(cell("node")), process \(cell("process"))"
            ),
            ("state", state), ("up for", status.ageCell("uptimeSeconds") ?? "-"),
            ("mesh", "\(isJoined ? "from the control plane" : cell("meshPath")), revision \(cell("meshRevision"))"),
            ("trust domain", cell("trustDomain")),
            ("workloads", "\(cell("workloads", "0")), of which \(cell("captured", "0")) are captured here"),
            ("services", cell("services", "0")), ("policies", cell("policies", "0")),
            (
                "connections",
                "\(cell("connections", "0")) open, in \(cell("tunnels", "0")) tunnels and beside them"
            ),
        ]
        if status["draining"]?.boolValue == true {
            rows.append(("upgraded", console.paint("another warrend serves; this one finishes its connections", .doubtful)))
        }
        for generation in status["generations"]?.sequenceValue ?? [] {
            let (process, version) = (printable(generation.cell("process") ?? "-"), printable(generation.cell("version") ?? "-"))
            let (open, since) = (generation.cell("connections") ?? "0", printable(generation.cell("since") ?? "-"))
            rows.append(("finishing", "process \(process), \(version), since \(since): \(printable(open)) connections open"))
        }
        if isJoined, let control = status["control"] { rows += Self.rows(control, console) }
        if let refused = status.cell("meshRefused") {
            rows.append(
                (
                    isJoined ? "refused" : "mesh files",
                    console.paint("not in use: \(printable(refused))", .bad)
                ))
        }
        if let dropped = status["droppedLogLines"]?.integerValue, dropped > 0 {
            rows.append(("log", console.paint("\(dropped) lines were dropped", .doubtful)))
        }
        return rows.map { "\(Help.padded($0.0, 13))\($0.1)\n" }.joined()
    }

    /// How it stands to its control plane.
    private static func rows(_ control: Value, _ console: Console) -> [(String, String)] {
        let state = control.cell("state") ?? ""
        let isIstiod = control.cell("kind") == "istiod"
        let address = printable(control.cell("address") ?? control.listCell("addresses", most: 4) ?? "-")
        var rows: [(String, String)] = []
        switch state {
        case "synchronised":
            rows.append(
                (
                    "control",
                    console.paint("synchronised", .good)
                        + " with \(isIstiod ? "istiod at " : "")\(address) since \(printable(control.cell("since") ?? "-"))"
                ))
        case "connected": rows.append(("control", console.paint("connected", .doubtful) + " to \(address), not all is here yet"))
        default:
            rows.append(("control", console.paint("not connected", .bad) + ", the mesh as it was goes on: \(address)"))
            if let failure = control.cell("failure") { rows.append(("last failure", printable(failure))) }
        }
        if isIstiod { rows += istiodRows(control, console) }
        if let store = control.cell("store") { rows.append(("store", printable(store))) }
        for rejected in (control["rejected"]?.sequenceValue ?? []).prefix(5) {
            let words = "\(printable(rejected.cell("name") ?? "")): \(printable(rejected.cell("reason") ?? ""))"
            rows.append(("rejected", console.paint(words, .bad)))
        }
        for key in ["renewalFailure", "reportFailure"] {
            if let failure = control.cell(key) { rows.append(("control", console.paint(printable(failure), .bad))) }
        }
        return rows
    }

    /// Who this host is to istiod, what istiod doesn't do, and what is wrong with either.
    private static func istiodRows(_ control: Value, _ console: Console) -> [(String, String)] {
        let account = control.cell("identity").map { $0.isEmpty ? "that the token doesn't name" : printable($0) } ?? "-"
        let end = control.cell("tokenEnds").map { ", its token ends \(printable($0))" } ?? ""
        var rows = [
            ("account", account + end),
            ("istiod", "is told nothing of this host: no registrations, no state of captures, nothing in `warren nodes`"),
        ]
        if let failure = control.cell("tokenFailure") { rows.append(("token", console.paint(printable(failure), .bad))) }
        for misfit in (control["misfits"]?.sequenceValue ?? []).prefix(5) {
            let words = "\(printable(misfit.cell("name") ?? "")): \(printable(misfit.cell("reason") ?? ""))"
            rows.append(("workload", console.paint(words, .bad)))
        }
        return rows
    }
}
