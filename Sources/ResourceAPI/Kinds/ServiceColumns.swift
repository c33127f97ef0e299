// SPDX-License-Identifier: Apache-2.0

import Documents

/// What `kubectl get service` shows, as its API server makes it.
enum ServiceColumns {
    static let all: [APIColumn] = [
        APIColumn("Type", "How the service is reached", at: "spec", "type"),
        APIColumn("Cluster-IP", "Its virtual address") { service in
            guard let address = service.at("spec", "clusterIP")?.stringValue, !address.isEmpty else { return "<none>" }
            return .string(address)
        },
        APIColumn("External-IP", "Where it is reached from outside") { service in
            if service.at("spec", "type") == "ExternalName" { return service.at("spec", "externalName") ?? "<none>" }
            let external = service.at("spec", "externalIPs")?.strings ?? []
            return external.isEmpty ? "<none>" : .string(external.joined(separator: ","))
        },
        APIColumn("Port(s)", "Its ports") { service in
            let ports = (service.at("spec", "ports")?.sequenceValue ?? []).compactMap { port in
                port["port"]?.integerValue.map { "\($0)/\(port["protocol"]?.stringValue ?? "TCP")" }
            }
            return ports.isEmpty ? "<none>" : .string(ports.joined(separator: ","))
        },
        APIColumn("Selector", "The labels of its workloads", priority: 1) { service in
            let labels = (service.at("spec", "selector")?.stringMap ?? [:]).sorted { $0.key < $1.key }
            return labels.isEmpty ? "<none>" : .string(labels.map { "\($0.key)=\($0.value)" }.joined(separator: ","))
        },
    ]
}
