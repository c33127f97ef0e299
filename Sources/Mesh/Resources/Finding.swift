// SPDX-License-Identifier: Apache-2.0

package import Documents

/// One thing to tell the person who wrote a resource: where it stands, what it is and what to do.
package struct Finding: Hashable, Sendable {
    package let severity: Severity
    /// Stable: `WR` and four digits, see `MeshCode` and `DocumentCode`.
    package let code: String
    package let file: String
    package let position: Position
    /// `WorkloadEntry shop/db-1`; empty if the text didn't get as far as a resource.
    package let resource: String
    /// `spec.rules[0].from[0].source.ipBlocks[1]`; empty for the resource as a whole.
    package let field: String
    package let message: String
    package let remedy: String

    package init(
        _ severity: Severity, _ code: String, file: String, at position: Position, resource: String = "", field: String = "",
        _ message: String, remedy: String
    ) {
        self.severity = severity
        self.code = code
        self.file = file
        self.position = position
        self.resource = resource
        self.field = field
        self.message = message
        self.remedy = remedy
    }

    init(_ finding: DocumentFinding, file: String, resource: String) {
        self.init(
            finding.severity, finding.code, file: file, at: finding.position, resource: resource, field: finding.field,
            finding.message, remedy: finding.remedy)
    }

    package var line: Int { position.line }
    package var column: Int { position.column }
}

extension Finding: CustomStringConvertible {
    /// One line: `mesh.yaml:17:5: error WR0002 Service shop/db spec.selektor: unknown field `selektor`. Did you mean `selector`?`
    package var description: String {
        let subject = [resource, field].filter { !$0.isEmpty }.map { " \($0)" }.joined()
        let advice = remedy.isEmpty ? "" : ". \(remedy)"
        return "\(file):\(line):\(column): \(severity.rawValue) \(code)\(subject): \(message)\(advice)"
    }

    package var value: Value {
        .object([
            ("severity", .string(severity.rawValue)), ("code", .string(code)), ("file", .string(file)),
            ("line", .integer(line)), ("column", .integer(column)), ("resource", .string(resource)), ("field", .string(field)),
            ("message", .string(message)), ("remedy", .string(remedy)),
        ])
    }
}

/// The codes of what can be wrong with resources, beside those that any document has.
package enum MeshCode {
    package static let notAResource = "WR0101"
    package static let unknownKind = "WR0102"
    package static let unusedKind = "WR0103"
    package static let duplicateResource = "WR0104"
    package static let sharedAddress = "WR0105"
    package static let undeclaredNamespace = "WR0106"
    /// Something that only a waypoint could do (I16).
    package static let needsWaypoint = "WR0107"
    /// An HTTP attribute, which widens a DENY and narrows an ALLOW (I16).
    package static let httpAttribute = "WR0108"
    /// A policy that is never enforced: AUDIT, dry-run.
    package static let notEnforced = "WR0109"
    package static let capture = "WR0110"
    package static let sharedNetworkNamespace = "WR0111"
    package static let unknownAnnotation = "WR0112"
    package static let ambiguousPolicy = "WR0113"
    package static let selectsNothing = "WR0114"
    package static let notReachable = "WR0115"
}
