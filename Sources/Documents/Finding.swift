// SPDX-License-Identifier: Apache-2.0

/// How much a finding matters: an error means that the document isn't used.
package enum Severity: String, Hashable, Sendable, CaseIterable {
    case error
    case warning
    case info
}

/// One thing to tell the person who wrote a document: where, what, and what to do.
package struct DocumentFinding: Hashable, Sendable {
    package let severity: Severity
    /// Stable: scripts and documentation refer to it. `WR` and four digits.
    package let code: String
    package let position: Position
    /// Where in the tree: `spec.rules[0].from[0].source.ipBlocks[1]`; empty for the document itself.
    package let field: String
    package let message: String
    package let remedy: String

    package init(
        _ severity: Severity, _ code: String, at position: Position, field: String, _ message: String, remedy: String
    ) {
        self.severity = severity
        self.code = code
        self.position = position
        self.field = field
        self.message = message
        self.remedy = remedy
    }
}

/// Findings as they are made while one document is read. Owned by the function that decodes; not for several threads.
///
/// The list is bounded: a document with thousands of mistakes is as wrong as one with a hundred.
package final class FindingList {
    package private(set) var findings: [DocumentFinding] = []
    package private(set) var hasErrors = false
    private let limit: Int

    package init(limit: Int = 1000) { self.limit = limit }

    /// However many hints came before it, the first error is kept: without it the document would pass for right.
    package func append(_ finding: DocumentFinding) {
        let isFirstError = finding.severity == .error && !hasErrors
        if findings.count < limit || isFirstError { findings.append(finding) }
        hasErrors = hasErrors || isFirstError
    }

    /// Nothing that is appended from here on is kept.
    var isFull: Bool { findings.count >= limit && hasErrors }
}

/// The codes of what can be wrong with the shape of any document.
package enum DocumentCode {
    package static let unreadable = "WR0001"
    package static let unknownField = "WR0002"
    package static let wrongType = "WR0003"
    package static let missingField = "WR0004"
    package static let invalidValue = "WR0005"
    package static let unusedField = "WR0006"
}
