// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Mesh

extension Authorization.Group {
    /// A rule in words: `from principals cluster.local/ns/shop/sa/web to ports 5432`.
    var description: String {
        guard !rules.isEmpty else { return "everything" }
        return rules.map { $0.matches.map(\.text).joined(separator: " or ") }.joined(separator: " and ")
    }
}

extension Authorization.Match {
    fileprivate var text: String {
        let parts = [
            words("namespaces", namespaces.map(\.text)), words("not namespaces", notNamespaces.map(\.text)),
            words("principals", principals.map(\.text)), words("not principals", notPrincipals.map(\.text)),
            words("source", sourceIPs.map(\.description)), words("not source", notSourceIPs.map(\.description)),
            words("destination", destinationIPs.map(\.description)),
            words("not destination", notDestinationIPs.map(\.description)),
            words("ports", destinationPorts.map(\.description)), words("not ports", notDestinationPorts.map(\.description)),
            words("service accounts", serviceAccounts.map { "\($0.namespace)/\($0.serviceAccount)" }),
            words("not service accounts", notServiceAccounts.map { "\($0.namespace)/\($0.serviceAccount)" }),
        ].compactMap { $0 }
        return parts.isEmpty ? "nothing that can be judged here" : parts.joined(separator: ", ")
    }

    private func words(_ name: String, _ values: [String]) -> String? {
        values.isEmpty ? nil : "\(name) \(values.joined(separator: " "))"
    }
}

extension Authorization.StringMatch {
    fileprivate var text: String {
        switch self {
        case .exact(let text): text
        case .prefix(let text): "\(text)*"
        case .suffix(let text): "*\(text)"
        case .presence: "*"
        }
    }
}
