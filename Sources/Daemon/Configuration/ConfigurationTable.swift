// SPDX-License-Identifier: Apache-2.0

package import Documents

/// A configuration file as a table of settings. A value, read once at start.
package protocol ConfigurationTable: Sendable {
    /// Where its documents say what else belongs elsewhere: for the message about a file with several.
    static var otherDocuments: String { get }
    /// Every setting, in the order of the reference.
    static var settings: [SettingOf<Self>] { get }
    /// The defaults of a host without a name of its own, for the reference.
    static var standard: Self { get }
    /// What no single setting can know.
    func check(_ root: Fields)
}

extension ConfigurationTable {
    /// Reads the text of a configuration file. With an error among the findings the configuration must not be used.
    /// - Parameter defaults: what isn't said stays so.
    package static func read(_ bytes: [UInt8], defaults: Self) -> (configuration: Self, findings: [DocumentFinding]) {
        do throws(DocumentFailure) {
            let documents = try YAML.read(bytes)
            guard documents.count <= 1 else {
                throw DocumentFailure(
                    "the file has \(documents.count) documents", at: documents[1].position, remedy: "Keep one; \(otherDocuments)."
                )
            }
            return read(documents.first ?? .null, defaults: defaults)
        } catch {
            let finding = DocumentFinding(
                .error, DocumentCode.unreadable, at: error.position, field: "", error.message, remedy: error.remedy)
            return (defaults, [finding])
        }
    }

    /// Reads the tree of a configuration file.
    package static func read(_ document: Value, defaults: Self) -> (configuration: Self, findings: [DocumentFinding]) {
        let findings = FindingList()
        var configuration = defaults
        let root = Fields(document, findings: findings)
        read(settings.map { ($0.path.split(separator: ".").map(String.init)[...], $0) }, from: root, into: &configuration)
        configuration.check(root)
        return (configuration, findings.findings)
    }

    /// Reads the settings below one mapping, section by section, and reports what isn't a setting.
    private static func read(
        _ rows: [(path: ArraySlice<String>, setting: SettingOf<Self>)], from fields: Fields, into configuration: inout Self
    ) {
        var sections: [String] = []
        for (path, setting) in rows {
            guard let name = path.first else { continue }
            if path.count == 1 {
                setting.read(name, fields, &configuration)
            } else if !sections.contains(name) {
                sections.append(name)
            }
        }
        for section in sections {
            guard let inner = fields.fields(section) else { continue }
            read(
                rows.filter { $0.path.first == section }.map { ($0.path.dropFirst(), $0.setting) }, from: inner,
                into: &configuration)
        }
        fields.finish()
    }

    /// The whole configuration as a document, in the shape of the file.
    package var document: Value {
        let rows = Self.settings.map { ($0.path.split(separator: ".").map(String.init)[...], $0.value(self)) }
        return Self.tree(rows)
    }

    /// Nests values by their paths, in the order in which a name first comes.
    private static func tree(_ rows: [(path: ArraySlice<String>, value: Value)]) -> Value {
        var names: [String] = []
        for row in rows { if let name = row.path.first, !names.contains(name) { names.append(name) } }
        return .object(
            names.map { name in
                let inner = rows.filter { $0.path.first == name }
                if let leaf = inner.first, leaf.path.count == 1 { return (name, leaf.value) }
                return (name, tree(inner.map { ($0.path.dropFirst(), $0.value) }))
            })
    }
}
