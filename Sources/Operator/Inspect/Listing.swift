// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel

/// A command that asks the daemon for a list and shows it: what differs between `workloads`, `tunnels` and the others.
struct Listing: Sendable {
    /// `/workloads`.
    let target: String
    /// What of it is asked for, as a query: the daemon then needn't tell the rest. An older one tells all.
    var query: @Sendable (Invocation) -> [(name: String, value: String)] = { _ in [] }
    /// The list's key in the answer.
    let key: String
    /// Whether an element is wanted.
    let filter: @Sendable (Invocation, Value) -> Bool
    let columns: @Sendable (Invocation) -> [Table.Column]
    let row: @Sendable (Invocation, Value) -> [String?]
    /// A line below the table; empty for none.
    var note = ""

    static let watch = CommandOption("watch", short: "w", "Show it again and again.")
    static let interval = CommandOption("interval", value: "SECONDS", "How often with --watch; 2 without a word.")
    static let socket = CommandOption(
        "socket", value: "PATH", "The daemon's admin socket; \(AdminSocket.standard) without a word.")
    static let namespace = CommandOption("namespace", short: "n", value: "NAME", "Only this namespace's.")
    static let wide = CommandOption("wide", "Show more columns, and identities in full.")
    /// What every listing takes.
    static let options = [OutputFormat.option, namespace, wide, watch, interval, socket]

    func run(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard let interval = Self.interval(invocation) else {
            return session.usage("--interval is no number of seconds from 0.1 to 3600")
        }
        var isFirst = true
        while true {
            let isWatching = invocation.has("watch")
            let answer = session.ask(AdminRequest(.get, asked(invocation), socket: AdminSocket.path(invocation)))
            if isWatching { session.console.clear(isFirst: isFirst) }
            let code = show(answer, invocation, session)
            // What fails at the first look fails for good; later the daemon may come back.
            guard isWatching, code == .ok || !isFirst, session.pause(interval) else { return code }
            isFirst = false
        }
    }

    private func asked(_ invocation: Invocation) -> String {
        let words = query(invocation).map { "\($0.name)=\(queryValue($0.value))" }
        return words.isEmpty ? target : "\(target)?\(words.joined(separator: "&"))"
    }

    private func show(_ answer: Result<AdminAnswer, AdminFailure>, _ invocation: Invocation, _ session: Session) -> ExitCode {
        switch answer {
        case .failure(let failure): return session.failed(failure)
        case .success(let answer):
            let all = answer.document[key]?.sequenceValue ?? []
            let wanted = all.filter { filter(invocation, $0) }
            if let text = OutputFormat(invocation).text(.array(wanted)) {
                session.console.print(text)
            } else {
                print(
                    wanted, of: answer.document["total"]?.integerValue ?? Int64(all.count), all.count, invocation, session.console
                )
            }
            return .ok
        }
    }

    private func print(_ rows: [Value], of total: Int64, _ told: Int, _ invocation: Invocation, _ console: Console) {
        var table = Table(columns(invocation))
        for value in rows { table.add(row(invocation, value)) }
        table.sort()
        console.print(table.text(console))
        if Int64(told) < total { console.print("\(told) of \(total) are told.\n") }
        if !note.isEmpty { console.print("\n\(note)\n") }
    }

    /// Nil if it is given and wrong.
    static func interval(_ invocation: Invocation) -> Interval? {
        guard let text = invocation.value("interval") else { return .seconds(2) }
        guard let seconds = Double(text), (0.1...3600).contains(seconds) else { return nil }
        return .milliseconds(UInt64(seconds * 1000))
    }
}

/// Where the daemon listens.
enum AdminSocket {
    static let standard = "/run/warren/warrend.sock"

    /// The option before the environment before the default.
    static func path(_ invocation: Invocation) -> String { named(invocation) ?? standard }

    /// Nil if neither option nor environment names one.
    static func named(_ invocation: Invocation) -> String? {
        invocation.value("socket") ?? environmentVariable("WARREN_SOCKET")
    }
}

// MARK: - Cells

extension Value {
    /// A text or number of a field as a cell; nil if absent.
    func cell(_ key: String) -> String? {
        guard let value = self[key] else { return nil }
        return value.stringValue ?? value.integerValue.map { String($0) }
    }

    func bytesCell(_ key: String) -> String? { self[key]?.integerValue.map { HumanText.bytes($0) } }
    func ageCell(_ key: String) -> String? { self[key]?.numberValue.map { HumanText.age($0) } }

    /// A list of texts in one cell: the first few, and how many more.
    func listCell(_ key: String, most: Int = 3) -> String? {
        guard let texts = self[key]?.sequenceValue?.compactMap(\.stringValue), !texts.isEmpty else { return nil }
        let more = texts.count > most ? ",+\(texts.count - most)" : ""
        return texts.prefix(most).joined(separator: ",") + more
    }

    /// `shop/web` for `spiffe://cluster.local/ns/shop/sa/web`, or the whole.
    func identityCell(_ key: String, isWide: Bool) -> String? {
        guard let identity = self[key]?.stringValue else { return nil }
        let parts = identity.split(separator: "/", omittingEmptySubsequences: false)
        guard !isWide, identity.hasPrefix("spiffe://"), parts.count == 7 else { return identity }
        return "\(parts[4])/\(parts[6])"
    }

    /// Whether a field that begins with a namespace (`shop/web`) or is one is of the wanted one; true if none is wanted.
    func isIn(_ invocation: Invocation, _ key: String) -> Bool {
        guard let wanted = invocation.value("namespace") else { return true }
        return self[key]?.stringValue?.split(separator: "/").first.map(String.init) == wanted
    }
}
