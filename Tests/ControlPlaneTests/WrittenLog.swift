// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Telemetry

/// What a program writes into its log, for tests to read: up to 4096 lines.
final class WrittenLog {
    private final class Bytes: Sendable {
        let all = Mutex<[UInt8]>([])
    }

    private let bytes = Bytes()
    private let writer: LogWriter
    let log: Log

    init() throws {
        let bytes = bytes
        writer = try LogWriter(
            format: .text, levels: LogLevels(.info), daemon: { text in bytes.all.withLock { $0 += text } }, access: { _ in })
        try writer.start()
        log = writer.makeLog(.daemon)
    }

    /// Ends the log, and gives its lines.
    func finish() -> [String] {
        writer.stop()
        return String(decoding: bytes.all.withLock { $0 }, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
