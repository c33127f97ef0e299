// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel

/// Writes records as lines. Whatever a record holds, a line is one line: ends of line, controls and what a terminal would act
/// upon are escaped, quotes can't be left, and no value is longer than a bound.
///
/// Owned by the log thread. It may have to write a hundred thousand lines a second, so what is plain is copied as it is.
struct LogText {
    /// A path, an identity and a reason fit; what a peer made longer is cut.
    static let longestValue = 2048
    static let longestMessage = 4096

    private let format: LogFormat
    private(set) var bytes: [UInt8] = []
    /// The time of the last line up to its seconds: most lines have it in common with the one before.
    private var second: Int64 = .min
    private var secondText: [UInt8] = []

    init(_ format: LogFormat) { self.format = format }

    /// What was written since the last time.
    mutating func take() -> [UInt8] {
        let taken = bytes
        bytes.removeAll(keepingCapacity: taken.count <= 1 << 20)
        return taken
    }

    mutating func write(_ record: LogRecord) {
        switch record {
        case .line(let line):
            begin(line.time, line.level, line.scope, line.message)
            for field in line.fields { write("\(field.name)", field.value) }
        case .access(let record):
            begin(record.time, record.level, .access, record.message)
            record.forEachField { write($0, $1) }
        }
        if format == .json { bytes.append(UInt8(ascii: "}")) }
        bytes.append(UInt8(ascii: "\n"))
    }

    // MARK: - Parts

    /// Text: time, level, scope and sentence, parted by tabs, as a ztunnel writes them.
    private mutating func begin(_ time: WallTime, _ level: LogLevel, _ scope: LogScope, _ message: String) {
        switch format {
        case .text:
            write(time)
            bytes += "\t\(level.word)\t\(scope.rawValue)\t".utf8
            // The sentence is ours; only words in it may be a peer's.
            write(escaped: message, limit: Self.longestMessage)
        case .json:
            bytes += "{\"time\":\"".utf8
            write(time)
            bytes += "\",\"level\":\"\(level.word)\",\"scope\":\"\(scope.rawValue)\",\"message\":\"".utf8
            write(escaped: message, limit: Self.longestMessage)
            bytes.append(UInt8(ascii: "\""))
        }
    }

    /// ` name="value"` or `,"name":"value"`.
    private mutating func write(_ name: String, _ value: LogField.Value) {
        switch format {
        case .text:
            bytes.append(UInt8(ascii: " "))
            bytes += name.utf8
            bytes.append(UInt8(ascii: "="))
        case .json:
            bytes += ",\"".utf8
            bytes += name.utf8
            bytes += "\":".utf8
        }
        switch value {
        case .number(let number): bytes += String(number).utf8
        case .text(let text):
            bytes.append(UInt8(ascii: "\""))
            write(escaped: text, limit: Self.longestValue)
            bytes.append(UInt8(ascii: "\""))
        }
    }

    /// As JSON escapes it, without the quotes around it.
    private mutating func write(escaped text: String, limit: Int) {
        let isPlain = text.utf8.count <= limit && text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f && $0 != 0x22 && $0 != 0x5c }
        if isPlain { bytes += text.utf8 } else { bytes += Value.string(Self.cut(text, limit)).jsonBytes.dropFirst().dropLast() }
    }

    private mutating func write(_ time: WallTime) {
        if time.seconds != second {
            second = time.seconds
            secondText = Array(time.description.utf8.dropLast(4))
        }
        let milliseconds = time.nanoseconds / 1_000_000
        bytes += secondText
        for unit: Int64 in [100, 10, 1] { bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: milliseconds / unit % 10)) }
        bytes.append(UInt8(ascii: "Z"))
    }

    /// At most so many bytes, on the border of a character.
    static func cut(_ text: String, _ limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        return String(decoding: text.utf8.prefix(limit), as: UTF8.self) + "…"
    }
}
