// SPDX-License-Identifier: Apache-2.0

package import Documents

extension DaemonConfiguration {
    /// Reads the text of a configuration file. With an error among the findings the configuration must not be used.
    /// - Parameter node: what the host is called if the file doesn't say.
    package static func read(_ bytes: [UInt8], node: String) -> (configuration: DaemonConfiguration, findings: [DocumentFinding])
    {
        do throws(DocumentFailure) {
            let documents = try YAML.read(bytes)
            guard documents.count <= 1 else {
                throw DocumentFailure(
                    "the file has \(documents.count) documents", at: documents[1].position,
                    remedy: "Keep one; mesh resources go to mesh.path.")
            }
            return read(documents.first ?? .null, node: node)
        } catch {
            let finding = DocumentFinding(
                .error, DocumentCode.unreadable, at: error.position, field: "", error.message, remedy: error.remedy)
            return (DaemonConfiguration(node: node), [finding])
        }
    }

    /// Reads the tree of a configuration file.
    package static func read(_ document: Value, node: String) -> (configuration: DaemonConfiguration, findings: [DocumentFinding])
    {
        let findings = FindingList()
        var configuration = DaemonConfiguration(node: node)
        let root = Fields(document, findings: findings)
        read(settings.map { ($0.path.split(separator: ".").map(String.init)[...], $0) }, from: root, into: &configuration)
        configuration.check(root)
        return (configuration, findings.findings)
    }

    /// Reads the settings below one mapping, section by section, and reports what isn't a setting.
    private static func read(
        _ rows: [(path: ArraySlice<String>, setting: Setting)], from fields: Fields, into configuration: inout DaemonConfiguration
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

    /// What no single setting can know.
    private func check(_ root: Fields) {
        checkPorts(root)
        if timeouts.connect > timeouts.establish {
            root.report(
                "timeouts", "timeouts.connect is longer than timeouts.establish, which bounds it",
                remedy: "Raise timeouts.establish to at least \(timeouts.connect.documentText).")
        }
        if limits.workloadConnections > limits.connections {
            root.report(
                "limits", "limits.workloadConnections is above limits.connections, so it never takes effect",
                remedy: "Lower it to at most \(limits.connections).", severity: .warning)
        }
    }

    private func checkPorts(_ root: Fields) {
        for (name, port) in [("metrics", metrics.port), ("readiness", readiness.port)] where Ports.isOwn(port) {
            root.report(name, "\(name).port is \(port), which the mesh itself needs", remedy: "Choose another port.")
        }
        if metrics.port == readiness.port {
            root.report("readiness", "readiness.port and metrics.port are both \(metrics.port)", remedy: "Choose two ports.")
        }
    }
}
