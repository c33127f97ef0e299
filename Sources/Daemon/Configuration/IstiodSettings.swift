// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Documents

/// istiod as the control plane at `control.addresses`. The reason of each default stands in the table below.
package struct IstiodSettings: Sendable {
    /// A workload that istiod knows and that lives on this host.
    package struct Workload: Hashable, Sendable {
        package let namespace: String
        package let name: String
        /// A name under /run/netns.
        package let networkNamespace: String

        package init(namespace: String, name: String, networkNamespace: String) {
            self.namespace = namespace
            self.name = name
            self.networkNamespace = networkNamespace
        }
    }

    package var token = ""
    package var roots = "/var/run/secrets/istio/root-cert.pem"
    package var serverName = ""
    package var workloads: [Workload] = []

    /// The control plane is istiod, not `warren-control`.
    package var isUsed: Bool { !token.isEmpty }

    static let maximumWorkloads = 1024

    static let settings: [Setting] = [
        .text(
            "control.istiod.token", \.control.istiod.token, "absolute path, may be empty",
            "A file with the token of a Kubernetes service account for the audience `istio-ca`, readable by its owner alone; read anew for each"
                + " call. With it the control plane is istiod, and this host must be no member of another mesh; empty: it is `warren-control`.",
            because: "A host of our own mesh has a certificate instead, which no file of somebody else must renew.",
            problem: { $0.isEmpty ? nil : Setting.pathProblem($0) }),
        .path(
            "control.istiod.roots", \.control.istiod.roots,
            "The roots that istiod's certificate must lead to, PEM: `root-cert.pem` of the ConfigMap `istio-ca-root-cert`. Read anew for each"
                + " connection.",
            because: "Where Istio's own proxies find it."),
        .text(
            "control.istiod.serverName", \.control.istiod.serverName, "DNS name, may be empty",
            "The name that istiod's certificate must have, where it isn't called by it: `istiod.istio-system.svc`. Empty: the host in"
                + " `control.addresses`.",
            because: "Whoever is called by a name should have it.",
            problem: {
                $0.isEmpty || ControlAddress("\($0):1").map { IPAddress($0.host) == nil } == true
                    ? nil : ("is no DNS name", "Write it like istiod.istio-system.svc.")
            }),
        Setting(
            path: "control.istiod.workloads", form: "list of `namespace`, `name` and `networkNamespace`",
            meaning:
                "Workloads (WorkloadEntry or Pod) that are captured on this host, in these network namespaces:"
                + " `- {namespace: shop, name: web-1, networkNamespace: web}`.",
            reason: "istiod knows addresses and identities, but no network namespaces.", read: readWorkloads,
            value: { .array($0.control.istiod.workloads.map(\.document)) }),
    ]

    @Sendable private static func readWorkloads(_ key: String, _ fields: Fields, _ configuration: inout DaemonConfiguration) {
        let found = fields.list(key)
        guard found.count <= maximumWorkloads else {
            return fields.report(
                key, "\(fields.path(of: key)) has \(found.count) workloads", remedy: "Keep at most \(maximumWorkloads).")
        }
        for (index, fields) in found.enumerated() {
            guard let workload = Workload(fields) else { continue }
            if let other = configuration.control.istiod.workloads.first(where: { $0.clashes(with: workload) }) {
                fields.report(
                    "name", "workload \(index + 1) has the name or the network namespace of \(other.namespace)/\(other.name)",
                    remedy: "One workload has one network namespace, and shares it with no other.")
            } else {
                configuration.control.istiod.workloads.append(workload)
            }
        }
    }

    /// What it means together with the rest.
    func check(_ addresses: [ControlAddress], _ root: Fields) {
        if isUsed, addresses.isEmpty {
            root.report(
                "control", "control.istiod.token is set, but control.addresses names no istiod",
                remedy: "Set `addresses: [istiod.istio-system.svc:15012]`, or how istiod can be reached from this host.")
        }
        if !isUsed, !workloads.isEmpty {
            root.report(
                "control", "control.istiod.workloads is set, but control.istiod.token isn't: it would have no effect",
                remedy: "Set control.istiod.token, or remove the workloads.")
        }
    }
}

extension IstiodSettings.Workload {
    /// Nil after a finding.
    fileprivate init?(_ fields: Fields) {
        let (namespace, name) = (fields.requiredString("namespace"), fields.requiredString("name"))
        let networkNamespace = fields.requiredString("networkNamespace")
        fields.finish()
        for (key, text) in [("namespace", namespace), ("name", name), ("networkNamespace", networkNamespace)] {
            if text.isEmpty { return nil }
            if let (message, remedy) = DaemonConfiguration.nameProblem(text) ?? Self.folderProblem(text) {
                fields.report(key, "\(fields.path(of: key)) is \"\(text)\", which \(message)", remedy: remedy)
                return nil
            }
        }
        self.init(namespace: namespace, name: name, networkNamespace: networkNamespace)
    }

    /// The name becomes a part of a path.
    private static func folderProblem(_ text: String) -> (message: String, remedy: String)? {
        text == "." || text == ".." ? ("means a folder", "Write the name that `ip netns` shows.") : nil
    }

    fileprivate func clashes(with other: Self) -> Bool {
        namespace == other.namespace && name == other.name || networkNamespace == other.networkNamespace
    }

    fileprivate var document: Value {
        .object([
            ("namespace", .string(namespace)), ("name", .string(name)), ("networkNamespace", .string(networkNamespace)),
        ])
    }
}
