// SPDX-License-Identifier: Apache-2.0

package import Documents
internal import Kernel

/// One line of a configuration: where it stands, what it may be, what it is without a word, and why. The reader of the file,
/// the reference in docs/configuration.md and the configuration dump are all made of the same table.
package struct SettingOf<Configuration: ConfigurationTable>: Sendable {
    /// `timeouts.connect`.
    package let path: String
    /// What may be written: `duration, 100ms to 10m`.
    package let form: String
    /// What it does.
    package let meaning: String
    /// Why the default is what it is.
    package let reason: String
    /// Reads the field from the mapping that holds it; an absent field changes nothing.
    let read: @Sendable (_ key: String, _ fields: Fields, _ configuration: inout Configuration) -> Void
    /// The setting in a configuration, as it is written.
    package let value: @Sendable (Configuration) -> Value

    /// The default as it is written.
    package var defaultText: String {
        let value = value(Configuration.standard)
        return value.isNull ? "none" : value.stringValue ?? value.json
    }
}

/// A setting of `warrend`.
package typealias Setting = SettingOf<DaemonConfiguration>

// MARK: - The forms that settings have

extension SettingOf {
    package typealias Place<Field> = any WritableKeyPath<Configuration, Field> & Sendable

    static func duration(
        _ path: String, _ place: Place<Interval>, _ range: ClosedRange<Interval>, _ meaning: String, because reason: String
    ) -> SettingOf {
        SettingOf(path: path, form: form(range), meaning: meaning, reason: reason) { key, fields, configuration in
            if let time = interval(key, fields, range) { configuration[keyPath: place] = time }
        } value: { configuration in
            .string(configuration[keyPath: place].documentText)
        }
    }

    /// A duration, or the word `none`.
    static func optionalDuration(
        _ path: String, _ place: Place<Interval?>, _ range: ClosedRange<Interval>, _ meaning: String, because reason: String
    ) -> SettingOf {
        SettingOf(path: path, form: form(range) + ", or none", meaning: meaning, reason: reason) { key, fields, configuration in
            if fields.value(key)?.stringValue == "none" {
                configuration[keyPath: place] = nil
            } else if let time = interval(key, fields, range) {
                configuration[keyPath: place] = time
            }
        } value: { configuration in
            .string(configuration[keyPath: place]?.documentText ?? "none")
        }
    }

    static func size(
        _ path: String, _ place: Place<ByteSize>, _ range: ClosedRange<ByteSize>, _ meaning: String, because reason: String
    ) -> SettingOf {
        let form = "size, \(range.lowerBound) to \(range.upperBound)"
        return SettingOf(path: path, form: form, meaning: meaning, reason: reason) { key, fields, configuration in
            guard let size = fields.size(key) else { return }
            guard range.contains(size) else {
                return fields.report(
                    key, "\(fields.path(of: key)) is \(size), not within \(range.lowerBound) to \(range.upperBound)",
                    remedy: "Write a size within these.")
            }
            configuration[keyPath: place] = size
        } value: { configuration in
            .string(configuration[keyPath: place].description)
        }
    }

    static func integer<Number: FixedWidthInteger & Sendable>(
        _ path: String, _ place: Place<Number>, _ range: ClosedRange<Number>, _ meaning: String, because reason: String
    ) -> SettingOf {
        let form = "integer, \(range.lowerBound) to \(range.upperBound)"
        return SettingOf(path: path, form: form, meaning: meaning, reason: reason) { key, fields, configuration in
            if let number = fields.integer(key, in: range) { configuration[keyPath: place] = number }
        } value: { configuration in
            .integer(configuration[keyPath: place])
        }
    }

    static func bool(_ path: String, _ place: Place<Bool>, _ meaning: String, because reason: String) -> SettingOf {
        SettingOf(path: path, form: "true or false", meaning: meaning, reason: reason) { key, fields, configuration in
            if let bool = fields.bool(key) { configuration[keyPath: place] = bool }
        } value: { configuration in
            .bool(configuration[keyPath: place])
        }
    }

    static func choice<Choice: RawRepresentable & CaseIterable & Sendable>(
        _ path: String, _ place: Place<Choice>, _ meaning: String, because reason: String
    ) -> SettingOf where Choice.RawValue == String {
        let form = "one of " + Choice.allCases.map(\.rawValue).joined(separator: ", ")
        return SettingOf(path: path, form: form, meaning: meaning, reason: reason) { key, fields, configuration in
            if let choice = fields.choice(key, Choice.self) { configuration[keyPath: place] = choice }
        } value: { configuration in
            .string(configuration[keyPath: place].rawValue)
        }
    }

    /// A text with a rule of its own; `problem` says what is wrong with a value, in words that complete "… is "x", which ".
    static func text(
        _ path: String, _ place: Place<String>, _ form: String, _ meaning: String, because reason: String,
        problem: @escaping @Sendable (String) -> (message: String, remedy: String)?
    ) -> SettingOf {
        SettingOf(path: path, form: form, meaning: meaning, reason: reason) { key, fields, configuration in
            guard let text = fields.string(key) else { return }
            if let (message, remedy) = problem(text) {
                return fields.report(key, "\(fields.path(of: key)) is \"\(text)\", which \(message)", remedy: remedy)
            }
            configuration[keyPath: place] = text
        } value: { configuration in
            .string(configuration[keyPath: place])
        }
    }

    /// An absolute path.
    static func path(_ path: String, _ place: Place<String>, _ meaning: String, because reason: String) -> SettingOf {
        text(path, place, "absolute path", meaning, because: reason, problem: Self.pathProblem)
    }

    static func pathProblem(_ text: String) -> (message: String, remedy: String)? {
        guard text.hasPrefix("/") else { return ("is no absolute path", "Begin it with a slash.") }
        guard text.utf8.count <= 4096, !text.utf8.contains(0) else { return ("the system can't open", "Shorten it.") }
        return nil
    }

    private static func form(_ range: ClosedRange<Interval>) -> String {
        "duration, \(range.lowerBound.documentText) to \(range.upperBound.documentText)"
    }

    private static func interval(_ key: String, _ fields: Fields, _ range: ClosedRange<Interval>) -> Interval? {
        guard let time = fields.duration(key).map({ Interval($0) }) else { return nil }
        if range.contains(time) { return time }
        let bounds = "\(range.lowerBound.documentText) to \(range.upperBound.documentText)"
        fields.report(
            key, "\(fields.path(of: key)) is \(time.documentText), not within \(bounds)", remedy: "Write a duration within these."
        )
        return nil
    }
}
