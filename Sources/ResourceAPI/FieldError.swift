// SPDX-License-Identifier: Apache-2.0

/// One field that is wrong, in the words of Kubernetes' own validation.
package struct FieldError: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable {
        case invalid = "FieldValueInvalid"
        case required = "FieldValueRequired"
        case duplicate = "FieldValueDuplicate"
        case notFound = "FieldValueNotFound"
        case notSupported = "FieldValueNotSupported"
        case forbidden = "FieldValueForbidden"
        case tooLong = "FieldValueTooLong"
        case tooMany = "FieldValueTooMany"
        case typeInvalid = "FieldValueTypeInvalid"

        /// How the message begins.
        var words: String {
            switch self {
            case .invalid, .typeInvalid: "Invalid value"
            case .required: "Required value"
            case .duplicate: "Duplicate value"
            case .notFound: "Not found"
            case .notSupported: "Unsupported value"
            case .forbidden: "Forbidden"
            case .tooLong: "Too long"
            case .tooMany: "Too many"
            }
        }
    }

    package let kind: Kind
    package let field: String
    /// Without the field: `Invalid value: "x": must be …`.
    package let message: String

    /// `value` is what was written, as JSON; nil leaves it out.
    package init(_ kind: Kind, _ field: String, value: String? = nil, _ detail: String) {
        self.kind = kind
        self.field = field
        let shown = value.map { ": " + Self.shortened($0) } ?? ""
        message = detail.isEmpty ? kind.words + shown : "\(kind.words)\(shown): \(detail)"
    }

    var cause: APIStatus.Cause { APIStatus.Cause(reason: kind.rawValue, message: message, field: field) }

    /// What a client wrote may be long; who reads the message knows what it wrote.
    private static func shortened(_ text: String) -> String {
        text.utf8.count <= 200 ? text : String(text.prefix(120)) + "…"
    }
}

extension APIStatus {
    /// What is listed at most: the first are what people repair first.
    private static let maximumCauses = 32

    /// 422 for an object with these faults.
    package static func invalid(_ kind: APIKind, _ name: String, _ errors: [FieldError]) -> APIStatus {
        let listed = errors.prefix(maximumCauses)
        let lines = listed.map { $0.field.isEmpty ? $0.message : "\($0.field): \($0.message)" }
        let all = lines.count == 1 ? lines[0] : "[" + lines.joined(separator: ", ") + "]"
        let more = errors.count > listed.count ? " and \(errors.count - listed.count) more" : ""
        var status = APIStatus(.invalid, "\(subject(kind.kind, kind.group)) \"\(name)\" is invalid: \(all)\(more)")
        status.group = kind.group
        status.kind = kind.kind
        status.name = name
        status.causes = listed.map(\.cause)
        return status
    }

    /// 404 for an object that isn't there.
    package static func notFound(_ kind: APIKind, _ name: String) -> APIStatus {
        of(kind, name, .notFound, "\(kind.resource) \"\(name)\" not found")
    }

    /// 409 for a name that is taken.
    package static func alreadyExists(_ kind: APIKind, _ name: String) -> APIStatus {
        of(kind, name, .alreadyExists, "\(kind.resource) \"\(name)\" already exists")
    }

    /// 409 for a change of something that has changed meanwhile.
    package static func conflict(_ kind: APIKind, _ name: String, _ reason: String) -> APIStatus {
        of(kind, name, .conflict, "Operation cannot be fulfilled on \(kind.resource) \"\(name)\": \(reason)")
    }

    /// 409 for a write that was based on an older object.
    package static func modified(_ kind: APIKind, _ name: String) -> APIStatus {
        conflict(kind, name, "the object has been modified; please apply your changes to the latest version and try again")
    }

    /// 403.
    package static func forbidden(_ kind: APIKind, _ name: String, _ reason: String) -> APIStatus {
        of(kind, name, .forbidden, "\(kind.resource) \"\(name)\" is forbidden: \(reason)")
    }

    /// 404 for a path that leads nowhere.
    package static let noSuchPath = APIStatus(.notFound, "the server could not find the requested resource")

    private static func of(_ kind: APIKind, _ name: String, _ reason: Reason, _ message: String) -> APIStatus {
        var status = APIStatus(reason, message)
        status.group = kind.group
        status.kind = kind.plural
        status.name = name
        return status
    }

    private static func subject(_ kind: String, _ group: String) -> String { group.isEmpty ? kind : "\(kind).\(group)" }
}
