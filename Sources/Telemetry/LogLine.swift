// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// A named value beside the sentence of a line: `workload="web"`.
package struct LogField: Sendable {
    package enum Value: Sendable {
        case text(String)
        case number(Int64)
    }

    package let name: StaticString
    package let value: Value

    /// Text may come from a peer: it is quoted and escaped when it is written.
    package init(_ name: StaticString, _ text: String) {
        self.name = name
        value = .text(text)
    }

    package init(_ name: StaticString, _ describable: some CustomStringConvertible) {
        self.init(name, describable.description)
    }

    package init(_ name: StaticString, _ number: some FixedWidthInteger) {
        self.name = name
        value = .number(Int64(clamping: number))
    }
}

/// One line of the daemon's own log: a sentence and named values.
package struct LogLine: Sendable {
    package let time: WallTime
    package let level: LogLevel
    package let scope: LogScope
    package let message: String
    package let fields: [LogField]

    package init(time: WallTime, level: LogLevel, scope: LogScope, message: String, fields: [LogField] = []) {
        self.time = time
        self.level = level
        self.scope = scope
        self.message = message
        self.fields = fields
    }
}

/// What goes through the ring to the thread that writes. Indirect, so that a slot of the ring is one word.
enum LogRecord: Sendable {
    indirect case line(LogLine)
    indirect case access(AccessLogRecord)

    var time: WallTime {
        switch self {
        case .line(let line): line.time
        case .access(let record): record.time
        }
    }
}

/// How lines are written: for people, or one JSON object per line for programs.
package enum LogFormat: String, Sendable, CaseIterable {
    case text
    case json
}
