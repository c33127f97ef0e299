// SPDX-License-Identifier: Apache-2.0

/// A request for objects: which, and what to do with them.
package struct APIRequest: Sendable {
    /// In the words of Kubernetes' authorization.
    package enum Verb: String, Hashable, Sendable, CaseIterable {
        case get, list, watch, create, update, patch, delete, deletecollection

        package var isWrite: Bool {
            switch self {
            case .get, .list, .watch: false
            case .create, .update, .patch, .delete, .deletecollection: true
            }
        }
    }

    package enum Subresource: String, Hashable, Sendable {
        case status
        /// Of a namespace: its `spec.finalizers` alone.
        case finalize
    }

    package let kind: APIKind
    /// The version in which the client speaks.
    package let version: String
    /// Nil for what belongs to none, and for all of them together.
    package let namespace: String?
    /// Nil for a collection.
    package let name: String?
    package let subresource: Subresource?
    package let verb: Verb
    package let options: RequestOptions

    init(method: String, path: APIPath) throws(APIStatus) {
        let place = try Place(path.segments)
        options = try RequestOptions(path)
        kind = place.kind
        version = place.version
        namespace = place.namespace
        name = place.name
        subresource = place.subresource
        let isAll = place.kind.isNamespaced && place.namespace == nil
        switch (method, place.name == nil) {
        case ("GET", false), ("HEAD", false): verb = .get
        case ("GET", true), ("HEAD", true): verb = options.isWatch ? .watch : .list
        case ("POST", true) where !isAll: verb = .create
        case ("PUT", false): verb = .update
        case ("PATCH", false) where place.subresource != .finalize: verb = .patch
        case ("DELETE", false) where place.subresource == nil: verb = .delete
        case ("DELETE", true) where !isAll: verb = .deletecollection
        default: throw .methodNotAllowed
        }
    }

    /// What it is about, for lines of the log: `security.istio.io/v1 authorizationpolicies shop/allow-web/status`.
    package var subject: String {
        let object = [namespace, name, subresource?.rawValue].compactMap { $0 }.joined(separator: "/")
        return "\(kind.apiVersion(version)) \(kind.plural)" + (object.isEmpty ? "" : " \(object)")
    }

    private struct Place {
        let kind: APIKind
        let version: String
        var namespace: String?
        var name: String?
        var subresource: Subresource?

        init(_ segments: [String]) throws(APIStatus) {
            let isCore = segments.first == "api"
            let group = isCore ? "" : segments.dropFirst().first ?? ""
            let rest = Array(segments.dropFirst(isCore ? 1 : 2))
            guard isCore || !group.isEmpty, let version = rest.first, rest.count >= 2 else { throw .noSuchPath }
            self.version = version
            var parts = rest[1...]
            // `/namespaces/N/services`; but `/namespaces/N` and `/namespaces/N/status` are about the namespace itself.
            let words = Array(parts)
            if words.count >= 3, words[0] == "namespaces", Self.subresource(words[2], words.count) == nil {
                namespace = words[1]
                parts = parts.dropFirst(2)
            }
            guard let plural = parts.popFirst(), let kind = APIKinds.find(group: group, version: version, plural: plural) else {
                throw .noSuchPath
            }
            self.kind = kind
            guard kind.isNamespaced || namespace == nil else { throw .noSuchPath }
            name = parts.popFirst()
            if name != nil, kind.isNamespaced, namespace == nil { throw .noSuchPath }
            if let word = parts.popFirst() {
                guard let subresource = Subresource(rawValue: word), Self.has(subresource, kind) else { throw .noSuchPath }
                self.subresource = subresource
            }
            guard parts.isEmpty else { throw .noSuchPath }
        }

        private static func subresource(_ word: String, _ count: Int) -> Subresource? {
            count == 3 ? Subresource(rawValue: word) : nil
        }

        private static func has(_ subresource: Subresource, _ kind: APIKind) -> Bool {
            switch subresource {
            case .status: kind.hasStatus
            case .finalize: kind == .namespace
            }
        }
    }
}
