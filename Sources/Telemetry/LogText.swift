// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel

/// Writes records as lines. Whatever a record holds, a line is one line: ends of line, controls and what a terminal would act
/// upon are escaped, quotes can't be left, and no value is longer than a bound.
enum LogText {
    /// A path, an identity and a reason fit; what a peer made longer is cut.
    static let longestValue = 2048
    static let longestMessage = 4096

    static func write(_ record: LogRecord, _ format: LogFormat, into bytes: inout [UInt8]) {
        switch (record, format) {
        case (.line(let line), .text):
            head(line.time, line.level, line.scope, line.message, into: &bytes)
            for field in line.fields { append(field, into: &bytes) }
        case (.line(let line), .json):
            let fields = line.fields.map { ($0.name.description, json($0.value)) }
            bytes += object(line.time, line.level, line.scope, line.message, fields).jsonBytes
        case (.access(let record), .text):
            head(record.time, record.level, .access, record.message, into: &bytes)
            for (name, value) in record.fields { append(name, value, into: &bytes) }
        case (.access(let record), .json):
            let fields = record.fields.map { ($0.0, json($0.1)) }
            bytes += object(record.time, record.level, .access, record.message, fields).jsonBytes
        }
        bytes.append(UInt8(ascii: "\n"))
    }

    /// Time, level, scope and sentence, parted by tabs, as a ztunnel writes them.
    private static func head(
        _ time: WallTime, _ level: LogLevel, _ scope: LogScope, _ message: String, into bytes: inout [UInt8]
    ) {
        bytes += "\(time)\t\(level.word)\t\(scope.rawValue)\t".utf8
        bytes += escaped(message)
    }

    private static func append(_ field: LogField, into bytes: inout [UInt8]) {
        append(field.name.description, field.value, into: &bytes)
    }

    private static func append(_ name: String, _ value: LogField.Value, into bytes: inout [UInt8]) {
        bytes += " \(name)=".utf8
        switch value {
        case .number(let number): bytes += String(number).utf8
        case .text(let text): bytes += Value.string(cut(text, longestValue)).jsonBytes
        }
    }

    private static func object(
        _ time: WallTime, _ level: LogLevel, _ scope: LogScope, _ message: String, _ fields: [(String, Value)]
    ) -> Value {
        let head: [(String, Value)] = [
            ("time", .string(time.description)), ("level", .string(level.word)), ("scope", .string(scope.rawValue)),
            ("message", .string(cut(message, longestMessage))),
        ]
        return .object(head + fields)
    }

    private static func json(_ value: LogField.Value) -> Value {
        switch value {
        case .number(let number): .integer(number)
        case .text(let text): .string(cut(text, longestValue))
        }
    }

    /// The sentence as JSON escapes it, without the quotes around it: it is ours, only words in it may be a peer's.
    private static func escaped(_ message: String) -> ArraySlice<UInt8> {
        Value.string(cut(message, longestMessage)).jsonBytes.dropFirst().dropLast()
    }

    /// At most so many bytes, on the border of a character.
    static func cut(_ text: String, _ limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        return String(decoding: text.utf8.prefix(limit), as: UTF8.self) + "…"
    }
}
