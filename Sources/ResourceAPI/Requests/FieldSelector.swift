// SPDX-License-Identifier: Apache-2.0

/// Which objects are meant, by fields: `metadata.name=web,metadata.namespace!=shop`. The two are what every kind has.
package struct FieldSelector: Hashable, Sendable {
    struct Requirement: Hashable, Sendable {
        let isName: Bool
        let value: String
        let isEqual: Bool
    }

    static let maximumRequirements = 32

    let requirements: [Requirement]

    /// - Throws: `BadRequest` for other fields, and for what is none.
    package init(_ text: String) throws(APIStatus) {
        let parts = text.split(separator: ",", maxSplits: Self.maximumRequirements)
        guard parts.count <= Self.maximumRequirements else {
            throw APIStatus(.badRequest, "a field selector may have \(Self.maximumRequirements) requirements")
        }
        var requirements: [Requirement] = []
        for part in parts { requirements.append(try Self.requirement(part)) }
        self.requirements = requirements
    }

    private static func requirement(_ part: Substring) throws(APIStatus) -> Requirement {
        guard let sign = part.firstIndex(of: "=") else {
            throw APIStatus(.badRequest, "invalid field selector: \"\(part.prefix(64))\" has no = in it")
        }
        var key = part[..<sign]
        var value = part[part.index(after: sign)...]
        let isEqual = key.last != "!"
        if !isEqual { key = key.dropLast() }
        if value.first == "=" { value = value.dropFirst() }
        guard key == "metadata.name" || key == "metadata.namespace" else {
            throw APIStatus(
                .badRequest, "field label not supported: \(key.prefix(64)). Supported: metadata.name, metadata.namespace")
        }
        return Requirement(isName: key == "metadata.name", value: String(value), isEqual: isEqual)
    }

    package func matches(name: String, namespace: String) -> Bool {
        requirements.allSatisfy { requirement in
            ((requirement.isName ? name : namespace) == requirement.value) == requirement.isEqual
        }
    }

    /// The one name that fits, if the selector asks for one: what `kubectl get -w NAME` and `kubectl wait` send.
    package var onlyName: String? { requirements.first { $0.isName && $0.isEqual }?.value }
}

/// Where the next part of a list begins: behind this key, as of this revision. Clients hand it back as it is.
package struct ContinueToken: Hashable, Sendable {
    package let revision: UInt64
    package let namespace: String
    package let name: String

    package init(revision: UInt64, namespace: String, name: String) {
        self.revision = revision
        self.namespace = namespace
        self.name = name
    }

    /// A slash in neither name: `1.482.shop/web`.
    package var text: String { "1.\(revision).\(namespace)/\(name)" }

    package init(_ text: String) throws(APIStatus) {
        let parts = text.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
        guard text.utf8.count <= 1024, parts.count == 3, parts[0] == "1", let revision = UInt64(parts[1]) else {
            throw Self.invalid
        }
        let key = parts[2].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard key.count == 2, key[0].isEmpty || NameSyntax.isLabel(key[0]), LabelSyntax.isSubdomain(key[1]) else {
            throw Self.invalid
        }
        self.init(revision: revision, namespace: key[0], name: key[1])
    }

    private static let invalid = APIStatus(.badRequest, "continue key is not valid: list again from the beginning")

    /// 410: what it points into is not known any more.
    package static let expired = APIStatus(
        .expired, "The provided continue parameter is too old to display a consistent list result. List again without it.")
}
