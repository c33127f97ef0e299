// SPDX-License-Identifier: Apache-2.0

import Documents

extension Resource {
    /// `security.istio.io PeerAuthentication`: whether plaintext is let in.
    package struct PeerAuthentication: Hashable, Sendable {
        package enum Mode: String, Hashable, Sendable, CaseIterable {
            /// As the wider policy says.
            case unset = "UNSET"
            /// Like PERMISSIVE: the tunnel is offered all the same.
            case disable = "DISABLE"
            case permissive = "PERMISSIVE"
            case strict = "STRICT"

            var isOpen: Bool { self == .disable || self == .permissive }
        }

        package let metadata: Metadata
        /// Nil or empty: the whole namespace, or in the root namespace the whole mesh.
        package let selector: [String: String]?
        package let mode: Mode
        /// By the workload's own port.
        package let ports: [UInt16: Mode]

        var selects: [String: String]? { selector.flatMap { $0.isEmpty ? nil : $0 } }
    }
}

extension Resource.PeerAuthentication {
    init(_ root: Fields, _ metadata: Resource.Metadata, _ decoder: ResourceDecoder) {
        self.metadata = metadata
        let spec = root.fields("spec") ?? Fields(.object([]), path: "spec", findings: root.findings)
        selector = WorkloadSelector.labels(spec)
        mode = spec.fields("mtls").map(Self.mode) ?? .unset
        ports = Self.ports(spec)
        spec.finish()
        if !ports.isEmpty, selects == nil {
            spec.report("portLevelMtls", "portLevelMtls needs a selector", remedy: "Add spec.selector.matchLabels.")
        }
        if selects != nil, metadata.namespace == decoder.options.rootNamespace {
            spec.report(
                "selector", "a selector in the root namespace \(metadata.namespace) selects nothing",
                remedy: "Put the policy into the namespace of its workloads.", code: MeshCode.selectsNothing)
        }
    }

    private static func ports(_ spec: Fields) -> [UInt16: Mode] {
        guard let fields = spec.fields("portLevelMtls") else { return [:] }
        var ports: [UInt16: Mode] = [:]
        for key in fields.keys {
            guard key.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(key), port != 0 else {
                _ = fields.value(key)
                fields.report(key, "\"\(key)\" is not a port", remedy: "Write 1 to 65535.")
                continue
            }
            if let inner = fields.fields(key) { ports[port] = mode(inner) }
        }
        return ports
    }

    private static func mode(_ fields: Fields) -> Mode {
        let mode = fields.choice("mode", Mode.self) ?? .unset
        if mode == .disable {
            fields.report(
                "mode", "DISABLE is taken as PERMISSIVE: the tunnel is offered all the same", remedy: "Write PERMISSIVE.",
                severity: .warning,
                code: DocumentCode.unusedField)
        }
        fields.finish()
        return mode
    }
}
