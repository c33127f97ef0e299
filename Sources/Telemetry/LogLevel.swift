// SPDX-License-Identifier: Apache-2.0

internal import Documents
import Synchronization

/// How much a line of the log matters. A scope that stands at a level writes that level and the more serious ones.
package enum LogLevel: UInt8, Sendable, CaseIterable, Comparable {
    /// Nothing at all.
    case off
    case error
    case warn
    case info
    case debug

    package init?(_ word: some StringProtocol) {
        guard let level = Self.allCases.first(where: { $0.word == word.lowercased() }) else { return nil }
        self = level
    }

    package var word: String {
        switch self {
        case .off: "off"
        case .error: "error"
        case .warn: "warn"
        case .info: "info"
        case .debug: "debug"
        }
    }

    package static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }
}

/// Which part of the program speaks. Levels are set per scope.
package enum LogScope: String, Sendable, CaseIterable {
    /// One line per connection that ended.
    case access
    case admin
    case capture
    case daemon
    case identity
    case inbound
    case mesh
    case outbound
    case policy
    case telemetry
    case tunnel

    /// Where the scope stands in `allCases`.
    var index: Int {
        switch self {
        case .access: 0
        case .admin: 1
        case .capture: 2
        case .daemon: 3
        case .identity: 4
        case .inbound: 5
        case .mesh: 6
        case .outbound: 7
        case .policy: 8
        case .telemetry: 9
        case .tunnel: 10
        }
    }
}

/// The level of every scope, read by any thread without a lock and set at run time by the admin API.
package final class LogLevels: Sendable {
    /// Four bits per scope in one word, so that a change of several scopes is seen whole.
    private let word: Atomic<UInt64>
    private let initial: UInt64

    /// Every scope at `level`, but for those in `scopes`.
    package init(_ level: LogLevel = .info, scopes: [LogScope: LogLevel] = [:]) {
        var value: UInt64 = 0
        for scope in LogScope.allCases { Self.set(scope, scopes[scope] ?? level, in: &value) }
        initial = value
        word = Atomic(value)
    }

    @inline(__always)
    package func isOn(_ level: LogLevel, _ scope: LogScope) -> Bool {
        UInt64(level.rawValue) <= word.load(ordering: .relaxed) >> UInt64(scope.index * 4) & 0xf
    }

    package subscript(scope: LogScope) -> LogLevel {
        LogLevel(rawValue: UInt8(truncatingIfNeeded: word.load(ordering: .relaxed) >> UInt64(scope.index * 4) & 0xf)) ?? .off
    }

    /// The levels as they were when the program began.
    package func reset() { word.store(initial, ordering: .relaxed) }

    /// Applies `debug`, `tunnel:debug` or `info,tunnel:debug,access:off` (`=` does as well as `:`), all of it or nothing.
    package func apply(_ text: String) throws(LogLevelFailure) {
        var value = word.load(ordering: .relaxed)
        for part in text.split(separator: ",", omittingEmptySubsequences: false) { try Self.apply(part, to: &value) }
        word.store(value, ordering: .relaxed)
    }

    private static func apply(_ part: Substring, to value: inout UInt64) throws(LogLevelFailure) {
        let words = part.split(maxSplits: 1, omittingEmptySubsequences: false) { $0 == ":" || $0 == "=" }
        guard let last = words.last, let level = LogLevel(last) else {
            throw LogLevelFailure(word: String(words.last ?? part), among: LogLevel.allCases.map(\.word), kind: "level")
        }
        guard words.count == 2, let first = words.first else {
            for scope in LogScope.allCases { set(scope, level, in: &value) }
            return
        }
        guard let scope = LogScope(rawValue: String(first)) else {
            throw LogLevelFailure(word: String(first), among: LogScope.allCases.map(\.rawValue), kind: "scope")
        }
        set(scope, level, in: &value)
    }

    private static func set(_ scope: LogScope, _ level: LogLevel, in word: inout UInt64) {
        let shift = UInt64(scope.index * 4)
        word = word & ~(0xf << shift) | UInt64(level.rawValue) << shift
    }
}

/// Why a text is no level: the word that isn't known, and what is.
package struct LogLevelFailure: Error, Sendable, CustomStringConvertible {
    package let description: String

    init(word: String, among words: [String], kind: String) {
        let near = suggestion(for: word, among: words).map { " Did you mean `\($0)`?" } ?? ""
        let shown = String(word.prefix(64))
        description = "\"\(shown)\" is no \(kind): there are \(words.joined(separator: ", ")).\(near)"
    }
}
