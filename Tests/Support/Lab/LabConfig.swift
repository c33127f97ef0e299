// SPDX-License-Identifier: Apache-2.0

/// A warrend.yaml, by dotted paths: `config["timeouts.connect"] = "2s"`. Everything that labs say otherwise than the defaults stands here.
package struct LabConfig {
    private var settings: [String: String]

    package static let path = "/etc/warren/warrend.yaml"
    package static let meshPath = "/etc/warren/mesh.yaml"
    package static let caFolder = "/etc/warren/ca"
    package static let socket = "/run/warren/warrend.sock"
    package static let metricsPort = 15020
    package static let readinessPort = 15021

    package init(node: String) {
        settings = ["node": node, "mesh.path": Self.meshPath, "log.format": "json"]
    }

    /// A setting as YAML text; nil leaves it to the default.
    package subscript(_ path: String) -> String? {
        get { settings[path] }
        set { settings[path] = newValue }
    }

    package var text: String {
        Self.lines(settings.map { ($0.key.split(separator: ".").map(String.init)[...], $0.value) }, indent: "")
    }

    private static func lines(_ rows: [(path: ArraySlice<String>, value: String)], indent: String) -> String {
        var text = ""
        for name in Set(rows.compactMap(\.path.first)).sorted() {
            let inner = rows.filter { $0.path.first == name }
            if let leaf = inner.first, leaf.path.count == 1 {
                text += "\(indent)\(name): \(leaf.value)\n"
            } else {
                text += "\(indent)\(name):\n" + lines(inner.map { ($0.path.dropFirst(), $0.value) }, indent: indent + "  ")
            }
        }
        return text
    }
}

/// The programs under test.
package enum Programs {
    /// Where `warrend` and `warren` lie, from WARREN_BIN, which Tests/run.sh sets to the release build.
    package static func path(_ program: String) throws -> String {
        guard let folder = Files.environment("WARREN_BIN") else {
            throw LabFailure(
                description:
                    "WARREN_BIN isn't set: run Tests/run.sh host, or deploy/build.sh and set it to the folder that it prints")
        }
        let path = "\(folder)/\(program)"
        guard Files.exists(path) else { throw LabFailure(description: "no program \(path): run deploy/build.sh") }
        return path
    }
}
