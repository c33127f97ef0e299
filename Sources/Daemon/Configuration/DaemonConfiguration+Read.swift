// SPDX-License-Identifier: Apache-2.0

package import Documents

extension DaemonConfiguration {
    /// - Parameter node: what the host is called if the file doesn't say.
    package static func read(_ bytes: [UInt8], node: String) -> (configuration: DaemonConfiguration, findings: [DocumentFinding])
    {
        read(bytes, defaults: DaemonConfiguration(node: node))
    }

    /// - Parameter node: what the host is called if the file doesn't say.
    package static func read(_ document: Value, node: String) -> (configuration: DaemonConfiguration, findings: [DocumentFinding])
    {
        read(document, defaults: DaemonConfiguration(node: node))
    }

    /// What no single setting can know.
    package func check(_ root: Fields) {
        checkPorts(root)
        control.istiod.check(control.addresses, root)
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
