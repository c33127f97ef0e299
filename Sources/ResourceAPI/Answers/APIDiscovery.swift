// SPDX-License-Identifier: Apache-2.0

package import Documents

/// What clients find out before they ask: which groups, versions and kinds there are, and what can be done with them.
package enum APIDiscovery {
    package struct Answer: Sendable {
        package let contentType: String
        package let document: Value
    }

    /// - Parameter accept: kubectl asks for all groups at once (KEP-3352).
    /// - Throws: 406 if the client takes no JSON.
    package static func answer(_ path: DiscoveryPath, accept: String) throws(APIStatus) -> Answer {
        for media in try AcceptedMedia.list(accept) where media.isJSON {
            guard media["as"] != nil else { return Answer(contentType: "application/json", document: document(path)) }
            guard media["as"] == "APIGroupDiscoveryList", media["g"] == "apidiscovery.k8s.io", let version = media["v"],
                version == "v2" || version == "v2beta1", path == .legacy || path == .groups
            else { continue }
            return Answer(
                contentType: "application/json;g=apidiscovery.k8s.io;v=\(version);as=APIGroupDiscoveryList",
                document: aggregated(isCore: path == .legacy, version))
        }
        throw .notAcceptable
    }

    private static func document(_ path: DiscoveryPath) -> Value {
        switch path {
        case .root: return ["paths": .array(paths.map { .string($0) })]
        case .legacy: return ["kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []]
        case .groups:
            return [
                "kind": "APIGroupList", "apiVersion": "v1",
                "groups": .array(APIKinds.groups.map { group($0.name, $0.versions, isAlone: false) }),
            ]
        case .group(let name):
            return group(name, APIKinds.groups.first { $0.name == name }?.versions ?? [], isAlone: true)
        case .resources(let group, let version):
            let kinds = APIKinds.kinds(group: group, version: version)
            return [
                "kind": "APIResourceList", "apiVersion": "v1",
                "groupVersion": .string(group.isEmpty ? version : "\(group)/\(version)"),
                "resources": .array(kinds.flatMap { resources($0) }),
            ]
        }
    }

    private static var paths: [String] {
        let groups = APIKinds.groups.flatMap { group in
            ["/apis/\(group.name)"] + group.versions.map { "/apis/\(group.name)/\($0)" }
        }
        return ["/api", "/api/v1", "/apis"] + groups + [
            "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version",
        ]
    }

    private static func group(_ name: String, _ versions: [String], isAlone: Bool) -> Value {
        let all = versions.map { version -> Value in ["groupVersion": .string("\(name)/\(version)"), "version": .string(version)]
        }
        return .object(present: [
            ("kind", isAlone ? "APIGroup" : nil), ("apiVersion", isAlone ? "v1" : nil), ("name", .string(name)),
            ("versions", .array(all)),
            ("preferredVersion", all.first),
        ])
    }

    private static let verbs: Value = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    private static let statusVerbs: Value = ["get", "patch", "update"]

    private static func resources(_ kind: APIKind) -> [Value] {
        let own = Value.object(present: [
            ("name", .string(kind.plural)), ("singularName", .string(kind.singular)), ("namespaced", .bool(kind.isNamespaced)),
            ("kind", .string(kind.kind)), ("verbs", verbs), ("shortNames", texts(kind.shortNames)),
            ("categories", texts(kind.categories)),
        ])
        guard kind.hasStatus else { return [own] }
        return [
            own,
            [
                "name": .string("\(kind.plural)/status"), "singularName": "", "namespaced": .bool(kind.isNamespaced),
                "kind": .string(kind.kind),
                "verbs": statusVerbs,
            ],
        ]
    }

    private static func texts(_ list: [String]) -> Value? { list.isEmpty ? nil : .array(list.map { .string($0) }) }

    // MARK: - All at once

    private static func aggregated(isCore: Bool, _ version: String) -> Value {
        let groups = isCore ? [("", ["v1"])] : APIKinds.groups.map { ($0.name, $0.versions) }
        let items = groups.map { name, versions -> Value in
            let all = versions.map { version -> Value in
                let kinds = APIKinds.kinds(group: name, version: version)
                return [
                    "version": .string(version), "resources": .array(kinds.map { resource($0, version) }), "freshness": "Current",
                ]
            }
            return ["metadata": .object(present: [("name", name.isEmpty ? nil : .string(name))]), "versions": .array(all)]
        }
        return [
            "kind": "APIGroupDiscoveryList", "apiVersion": .string("apidiscovery.k8s.io/\(version)"), "metadata": .object([]),
            "items": .array(items),
        ]
    }

    private static func resource(_ kind: APIKind, _ version: String) -> Value {
        let response: Value = ["group": .string(kind.group), "version": .string(version), "kind": .string(kind.kind)]
        let status: Value = [["subresource": "status", "responseKind": response, "verbs": statusVerbs]]
        return .object(present: [
            ("resource", .string(kind.plural)), ("responseKind", response),
            ("scope", kind.isNamespaced ? "Namespaced" : "Cluster"),
            ("singularResource", .string(kind.singular)), ("verbs", verbs), ("shortNames", texts(kind.shortNames)),
            ("categories", texts(kind.categories)), ("subresources", kind.hasStatus ? status : nil),
        ])
    }

    // MARK: - Version

    /// `/version`: which Kubernetes API this is like, as clients compare it with what they can; and what it is.
    package static func version(_ version: String) -> Value {
        [
            "major": "1", "minor": "32", "gitVersion": .string("v1.32.0+warren-\(version)"), "gitCommit": "",
            "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "swift", "platform": "linux",
        ]
    }
}
