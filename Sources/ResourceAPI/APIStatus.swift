// SPDX-License-Identifier: Apache-2.0

package import Documents

/// A Kubernetes `Status`: how a request failed, in the words that kubectl and client libraries read (meta/v1).
package struct APIStatus: Error, Hashable, Sendable {
    /// What made it fail, by the field's names; the HTTP status goes with it.
    package enum Reason: String, Hashable, Sendable, CaseIterable {
        case badRequest = "BadRequest"
        case unauthorized = "Unauthorized"
        case forbidden = "Forbidden"
        case notFound = "NotFound"
        case methodNotAllowed = "MethodNotAllowed"
        case notAcceptable = "NotAcceptable"
        case alreadyExists = "AlreadyExists"
        case conflict = "Conflict"
        case expired = "Expired"
        case tooLarge = "RequestEntityTooLarge"
        case unsupportedMediaType = "UnsupportedMediaType"
        case invalid = "Invalid"
        case tooManyRequests = "TooManyRequests"
        case internalError = "InternalError"
        case unavailable = "ServiceUnavailable"
        case timeout = "Timeout"

        package var code: Int {
            switch self {
            case .badRequest: 400
            case .unauthorized: 401
            case .forbidden: 403
            case .notFound: 404
            case .methodNotAllowed: 405
            case .notAcceptable: 406
            case .alreadyExists, .conflict: 409
            case .expired: 410
            case .tooLarge: 413
            case .unsupportedMediaType: 415
            case .invalid: 422
            case .tooManyRequests: 429
            case .internalError: 500
            case .unavailable: 503
            case .timeout: 504
            }
        }
    }

    /// One thing that is wrong, and with which field.
    package struct Cause: Hashable, Sendable {
        /// `FieldValueInvalid`, `FieldValueRequired`, `FieldManagerConflict` and so on.
        package let reason: String
        package let message: String
        /// `spec.ports[0].port`.
        package let field: String

        package init(reason: String, message: String, field: String) {
            self.reason = reason
            self.message = message
            self.field = field
        }
    }

    package let reason: Reason
    /// A sentence for people: what is wrong, where, and what to do.
    package let message: String
    /// What it is about, as far as known.
    package var group = ""
    package var kind = ""
    package var name = ""
    package var causes: [Cause] = []

    package init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    /// The document that is sent.
    package var document: Value {
        let list = causes.map { cause in
            Value.object([
                ("reason", .string(cause.reason)), ("message", .string(cause.message)), ("field", .string(cause.field)),
            ])
        }
        let details = Value.object(present: [
            ("name", name.isEmpty ? nil : .string(name)), ("group", group.isEmpty ? nil : .string(group)),
            ("kind", kind.isEmpty ? nil : .string(kind)), ("causes", list.isEmpty ? nil : .array(list)),
        ])
        return .object([
            ("kind", "Status"), ("apiVersion", "v1"), ("metadata", .object([])), ("status", "Failure"),
            ("message", .string(message)),
            ("reason", .string(reason.rawValue)), ("details", details), ("code", .integer(reason.code)),
        ])
    }
}
