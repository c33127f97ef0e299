// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// What a part of the program logs with: a scope and the ring of the thread it runs on. Cheap to copy and to call: while the
/// level is off, neither the sentence nor the fields are made. May be used from any thread.
///
///     log.warn("the mesh file can't be read, the old state goes on", [LogField("path", path), LogField("reason", failure)])
package struct Log: Sendable {
    package let scope: LogScope
    private let ring: LogRing?
    private let levels: LogLevels

    package init(_ scope: LogScope, ring: LogRing, levels: LogLevels) {
        self.scope = scope
        self.ring = ring
        self.levels = levels
    }

    private init(silent scope: LogScope) {
        self.scope = scope
        ring = nil
        levels = LogLevels(.off)
    }

    /// A log that nobody writes: for tests and for parts that run before there is a writer.
    package static let silent = Log(silent: .daemon)

    /// The same ring, another scope.
    package func scoped(_ scope: LogScope) -> Log {
        guard let ring else { return self }
        return Log(scope, ring: ring, levels: levels)
    }

    @inline(__always)
    package func isOn(_ level: LogLevel) -> Bool { levels.isOn(level, scope) }

    package func error(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> [LogField] = []) {
        if isOn(.error) { write(.error, message(), fields()) }
    }

    package func warn(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> [LogField] = []) {
        if isOn(.warn) { write(.warn, message(), fields()) }
    }

    package func info(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> [LogField] = []) {
        if isOn(.info) { write(.info, message(), fields()) }
    }

    package func debug(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> [LogField] = []) {
        if isOn(.debug) { write(.debug, message(), fields()) }
    }

    /// Whether an access line of this level would be written: ask before the record is made.
    @inline(__always)
    package func wantsAccess(failed: Bool) -> Bool { levels.isOn(failed ? .error : .info, .access) }

    /// Writes the line of a connection that ended, whatever this log's own scope is.
    package func access(_ record: AccessLogRecord) {
        if levels.isOn(record.level, .access) { ring?.push(.access(record)) }
    }

    private func write(_ level: LogLevel, _ message: String, _ fields: [LogField]) {
        ring?.push(.line(LogLine(time: .now(), level: level, scope: scope, message: message, fields: fields)))
    }
}
