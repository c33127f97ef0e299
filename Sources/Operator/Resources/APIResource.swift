// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// A kind of object that a control plane keeps, as its discovery documents say.
struct APIResource: Hashable {
    /// Empty for the core group.
    let group: String
    let version: String
    let plural: String
    let singular: String
    let kind: String
    let shortNames: [String]
    let isNamespaced: Bool
    let verbs: [String]

    /// Nil for a part of a kind (`services/status`), and for what is no description of one.
    init?(_ value: Value, group: String, version: String) {
        guard let plural = value["name"]?.stringValue, Self.isName(plural), let kind = value["kind"]?.stringValue else {
            return nil
        }
        self.group = group
        self.version = version
        self.plural = plural
        self.kind = kind
        let singular = value["singularName"]?.stringValue ?? ""
        self.singular = singular.isEmpty ? kind.lowercased() : singular
        shortNames = value["shortNames"]?.sequenceValue?.compactMap(\.stringValue) ?? []
        isNamespaced = value["namespaced"]?.boolValue ?? false
        verbs = value["verbs"]?.sequenceValue?.compactMap(\.stringValue) ?? []
    }

    /// Whether a text can be a segment of a path as it stands: groups, versions and plurals are DNS names.
    static func isName(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count) && text.utf8.first != 0x2e
            && text.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d || $0 == 0x2e }
    }

    var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }

    /// `service`, `authorizationpolicy.security.istio.io`: as results name it.
    var label: String { group.isEmpty ? singular : "\(singular).\(group)" }

    /// Whether a user may mean this by a word, whatever its case: plural, singular, kind, short name, each with or without the group and version.
    func isCalled(_ word: String) -> Bool {
        let word = word.lowercased()
        let names = [plural, singular, kind.lowercased()] + shortNames.map { $0.lowercased() }
        return names.contains { name in
            word == name || !group.isEmpty && (word == "\(name).\(group)" || word == "\(name).\(version).\(group)")
        }
    }

    /// The path of the whole kind, or of one namespace's.
    func path(namespace: String?) -> String {
        let root = group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)"
        guard isNamespaced, let namespace else { return "\(root)/\(plural)" }
        return "\(root)/namespaces/\(pathSegment(namespace))/\(plural)"
    }

    func path(namespace: String?, name: String) -> String { "\(path(namespace: namespace))/\(pathSegment(name))" }
}

/// What was learnt of a control plane's kinds. One per run; each document is asked for once.
final class ResourceCatalogue {
    fileprivate var known: [String: [APIResource]] = [:]
    fileprivate var versions: [(group: String, version: String)]?
}

extension ControlPlane {
    /// No control plane has more groups; each costs a request.
    private static let maximumGroups = 64

    /// The kind that a user's word means. The core group before the others, which come in the server's order.
    func resource(called word: String) throws(ControlFailure) -> APIResource {
        var names: [String] = []
        for (group, version) in try versions() {
            let resources = try resources(group: group, version: version)
            if let found = resources.first(where: { $0.isCalled(word) }) { return found }
            names += resources.flatMap { [$0.plural, $0.singular] }
        }
        let near = suggestion(for: word, among: names).map { "Did you mean `\($0)`? " } ?? ""
        throw ControlFailure(
            "the control plane has no kind `\(word)`", remedy: near + "`warren api-resources` lists all kinds.")
    }

    /// The kind of an object that says itself what it is.
    func resource(apiVersion: String, kind: String) throws(ControlFailure) -> APIResource {
        let parts = apiVersion.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard (1...2).contains(parts.count), parts.allSatisfy(APIResource.isName) else {
            throw ControlFailure("`\(apiVersion)` is no apiVersion", remedy: "Write it like v1 or security.istio.io/v1.")
        }
        let (group, version) = parts.count == 1 ? ("", parts[0]) : (parts[0], parts[1])
        let resources: [APIResource]
        do throws(ControlFailure) {
            resources = try self.resources(group: group, version: version)
        } catch {
            guard error.isNotFound else { throw error }
            throw ControlFailure(
                "the control plane has no apiVersion `\(apiVersion)`", remedy: "`warren api-resources` lists what it has.")
        }
        if let found = resources.first(where: { $0.kind == kind }) { return found }
        let near = suggestion(for: kind, among: resources.map(\.kind)).map { "Did you mean `\($0)`? " } ?? ""
        throw ControlFailure(
            "the control plane has no kind `\(kind)` in \(apiVersion)", remedy: near + "`warren api-resources` lists what it has."
        )
    }

    /// All kinds.
    func resources() throws(ControlFailure) -> [APIResource] {
        var all: [APIResource] = []
        for (group, version) in try versions() { all += try resources(group: group, version: version) }
        return all
    }

    private func resources(group: String, version: String) throws(ControlFailure) -> [APIResource] {
        let root = group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)"
        if let known = catalogue.known[root] { return known }
        let list = try get(root)["resources"]?.sequenceValue ?? []
        let resources = list.compactMap { APIResource($0, group: group, version: version) }
        catalogue.known[root] = resources
        return resources
    }

    /// The core group's versions, then each other group's preferred one.
    private func versions() throws(ControlFailure) -> [(group: String, version: String)] {
        if let versions = catalogue.versions { return versions }
        let core = try get("/api")["versions"]?.sequenceValue?.compactMap(\.stringValue) ?? []
        let groups = try get("/apis")["groups"]?.sequenceValue ?? []
        var versions = core.filter(APIResource.isName).map { (group: "", version: $0) }
        for group in groups {
            guard let name = group["name"]?.stringValue, APIResource.isName(name) else { continue }
            let version = group["preferredVersion"]?["version"] ?? group["versions"]?.sequenceValue?.first?["version"]
            guard let version = version?.stringValue, APIResource.isName(version) else { continue }
            versions.append((name, version))
        }
        versions = Array(versions.prefix(Self.maximumGroups))
        guard !versions.isEmpty else {
            throw ControlFailure("what answered isn't a control plane: it has no kinds", remedy: "Look at the context's server.")
        }
        catalogue.versions = versions
        return versions
    }
}
