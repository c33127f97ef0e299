// SPDX-License-Identifier: Apache-2.0

package import Telemetry

/// The daemon's log and the access log. The reason of each default stands in the table below.
package struct LogSettings: Sendable {
    /// Which connections get a line.
    package enum Access: String, Sendable, CaseIterable {
        case all
        /// Those that failed or were refused.
        case failures
        case off

        package var level: LogLevel {
            switch self {
            case .all: .info
            case .failures: .error
            case .off: .off
            }
        }
    }

    package var level = "info"
    package var format = LogFormat.text
    package var access = Access.all

    static let settings: [Setting] = [
        .text(
            "log.level", \.log.level, "level, or `level,scope:level`",
            "How much is logged: off, error, warn, info, debug; for all scopes or for one (`info,tunnel:debug`). Changed"
                + " at run time by"
                + " `warren log --level`.",
            because:
                "Every line at info is something that an operator may have to know; debug tells each step of each connection.",
            problem: levelProblem),
        .choice(
            "log.format", \.log.format, "`text` for people, `json` for one object per line.",
            because: "journalctl is read by people first."),
        .choice(
            "log.access", \.log.access,
            "Which connections get a line when they end, on standard output: `all`, `failures`, `off`.",
            because:
                "Who talked to whom is what one asks after an incident; it costs one line per connection on a thread of"
                + " its own."),
    ]

    @Sendable static func levelProblem(_ text: String) -> (message: String, remedy: String)? {
        do throws(LogLevelFailure) {
            try LogLevels().apply(text)
            return nil
        } catch {
            return ("is no log level", error.description)
        }
    }

    /// The levels as configured. `access` decides over its scope unless `level` names that.
    package var levels: LogLevels {
        let levels = LogLevels(.info)
        // Checked when it was read; what a caller made by hand and is wrong stays at info.
        try? levels.apply(level)
        if !level.contains("access") { try? levels.apply("access:\(access.level.word)") }
        return LogLevels(.info, scopes: Dictionary(uniqueKeysWithValues: LogScope.allCases.map { ($0, levels[$0]) }))
    }
}
