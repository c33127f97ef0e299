// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Documents
internal import Kernel

/// The running daemon, as far as it runs.
extension Checker {
    mutating func checkDaemon() {
        checkSocket()
        switch session.ask(AdminRequest(.get, "/status", socket: socket)) {
        case .failure(let failure):
            if failure.isUnreachable {
                fail("daemon", failure.message, remedy: failure.remedy)
            } else {
                fail("daemon", "warrend answers wrongly: \(failure.message)", remedy: failure.remedy)
            }
        case .success(let answer):
            status = answer.document
            check(answer.document)
        }
    }

    private mutating func checkSocket() {
        // What isn't there is the daemon's absence, told there.
        guard let found = try? File.status(socket, followLink: false) else { return }
        if found.kind != .socket {
            fail("socket", "\(socket) is no socket", remedy: "Remove it and restart warrend.")
        } else if found.mode & 0o007 != 0 {
            fail(
                "socket", "every user of this host may use \(socket): its mode is 0\(String(found.mode, radix: 8))",
                remedy: "chmod \(String(configuration.admin.mode, radix: 8)) \(socket), and restart warrend.")
        } else {
            ok("socket", "\(socket) has mode 0\(String(found.mode, radix: 8))")
        }
    }

    private mutating func check(_ status: Value) {
        let version = status.cell("version") ?? "-"
        if version != warrenVersion {
            warn(
                "version", "warrend is \(version), this program \(warrenVersion)",
                remedy: "Restart warrend, or use the `warren` that came with it.")
        }
        if status["ready"]?.boolValue == true {
            ok("daemon", "warrend \(version) is ready, up for \(status.ageCell("uptimeSeconds") ?? "-")")
        } else {
            let pending = status.listCell("pending", most: 20) ?? "something"
            fail("daemon", "warrend isn't ready, pending: \(pending)", remedy: "Its log says more: journalctl -u warrend.")
        }
        if let dropped = status["droppedLogLines"]?.integerValue, dropped > 0 {
            warn(
                "log", "\(dropped) log lines were dropped: they came faster than they could be written",
                remedy: "Log less (`warren log --level access:error`), or look why journald is slow.")
        }
    }

    /// What only the daemon knows.
    mutating func checkFacts() {
        guard status != nil, case .success(let answer) = session.ask(AdminRequest(.get, "/check", socket: socket)) else { return }
        for fact in answer.document["facts"]?.sequenceValue ?? [] {
            let name = fact["name"]?.stringValue ?? "daemon"
            let (message, remedy) = (fact["message"]?.stringValue ?? "", fact["remedy"]?.stringValue ?? "")
            switch fact["result"]?.stringValue {
            case "ok": ok(name, message)
            case "warning": warn(name, message, remedy: remedy)
            default: fail(name, message, remedy: remedy)
            }
        }
    }
}
