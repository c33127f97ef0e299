// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A lab whose hosts run `warrend`, all reading the same mesh.
package final class MeshLab {
    package let lab: Lab
    package let nodes: [LabNode]
    /// The mesh as it was last applied, or is about to be.
    package var mesh = MeshFile()
    private var workloads: [(workload: LabWorkload, namespace: String)] = []

    /// Makes the hosts; nothing runs yet. The namespace `default` is captured.
    package init(hosts count: Int = 2, configure: (inout LabConfig) -> Void = { _ in }) throws {
        lab = try Lab(hosts: count)
        nodes = try lab.hosts.map { try LabNode($0) }
        for node in nodes { configure(&node.config) }
        mesh.namespace()
    }

    /// Makes a workload on a host (from 0) that is in the mesh, with its name as service account.
    package func add(_ name: String, on host: Int, namespace: String = "default", account: String? = nil, app: String? = nil)
        throws -> LabWorkload
    {
        let workload = try lab.hosts[host].addWorkload(name)
        mesh.workload(workload, namespace: namespace, account: account, app: app)
        workloads.append((workload, namespace))
        return workload
    }

    /// Makes a workload that no mesh knows.
    package func addStranger(_ name: String, on host: Int) throws -> LabWorkload { try lab.hosts[host].addWorkload(name) }

    /// Writes the mesh and starts every daemon; returns when all local workloads are captured.
    package func start() throws {
        try write()
        for node in nodes { try node.start() }
        try waitCaptured()
    }

    /// Writes the mesh file on every host and does nothing else.
    package func write() throws {
        for node in nodes { try node.host.write(LabConfig.meshPath, mesh.text) }
    }

    /// Writes a changed mesh and waits until every daemon has taken it over.
    package func apply() throws {
        let before = try nodes.map { try $0.admin("status").int("meshRevision") }
        try write()
        for (node, revision) in zip(nodes, before) {
            try waitUntil("\(node.host.name) takes the mesh over", seconds: 1, detail: { node.log.suffix(3000).description }) {
                try node.admin("status").int("meshRevision") > revision
            }
        }
    }

    /// Polls until every workload of the mesh in a labelled namespace is captured on its host.
    package func waitCaptured() throws {
        for (workload, _) in workloads {
            let node = nodes[workload.host.number - 1]
            try waitUntil("\(workload.name) is captured", seconds: 1, detail: { node.log.suffix(3000).description }) {
                try node.captureState(workload) == "captured"
            }
        }
    }

    /// Every line of every access log, for a failing test's message.
    package var accessLog: String {
        nodes.map { "\($0.host.name):\n" + $0.accessLog.suffix(10).map(\.description).joined(separator: "\n") }.joined(
            separator: "\n")
    }
}
