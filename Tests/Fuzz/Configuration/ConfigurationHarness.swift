// SPDX-License-Identifier: Apache-2.0

import Daemon
import Documents
import Kernel

/// The daemon's configuration file. What was read without an error is a document that reads the same, and every finding says where.
enum ConfigurationHarness {
    static func fuzz(_ bytes: [UInt8]) {
        let (configuration, findings) = DaemonConfiguration.read(bytes, node: "host")
        for finding in findings {
            invariant(!finding.message.isEmpty && !finding.code.isEmpty, "a finding that says nothing")
            invariant((0...bytes.count + 1).contains(finding.position.line), "a finding at line \(finding.position.line)")
        }
        guard !findings.contains(where: { $0.severity == .error }) else { return }
        let document = configuration.document
        let (again, more) = DaemonConfiguration.read(document, node: "other")
        invariant(!more.contains { $0.severity == .error }, "a configuration that we wrote is refused: \(more)")
        invariant(again.document == document, "a configuration reads otherwise than it was written: \(document.json)")
        let (third, last) = DaemonConfiguration.read(Array(YAML.write(document).utf8), node: "other")
        invariant(last.allSatisfy { $0.severity != .error }, "a configuration file that we wrote is refused: \(last)")
        invariant(third.document == document, "a configuration file reads otherwise than it was written: \(document.json)")
        invariant((1...4).contains(configuration.loopCount(processors: 4)) || configuration.loops > 4, "no loops")
    }
}
