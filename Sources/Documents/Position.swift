// SPDX-License-Identifier: Apache-2.0

/// A place in a text, as editors count: lines and columns from 1. Values that no text stands behind are at `.none`.
package struct Position: Hashable, Sendable {
    package let line: Int
    package let column: Int

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    package static let none = Position(line: 0, column: 0)
    package static let start = Position(line: 1, column: 1)
}

/// Why a text is no document: one sentence for the person who wrote it, and the place. Files have no names here.
package struct DocumentFailure: Error, Hashable, Sendable {
    package let position: Position
    package let message: String
    /// What to do about it; empty where the message says it.
    package let remedy: String

    package init(_ message: String, at position: Position, remedy: String = "") {
        self.position = position
        self.message = message
        self.remedy = remedy
    }
}

/// What a reader accepts. A text beyond a limit is refused before it costs memory in proportion.
package struct DocumentLimits: Sendable {
    /// Bytes of text. 16 MiB is about a hundred thousand resources; a file beyond that is a mistake, not a mesh.
    package var bytes = 16 << 20
    /// Mappings and sequences inside each other. The deepest resource of the field has about 12 levels.
    package var depth = 64
    /// Scalars, mappings, sequences and keys together: bounds memory at some 100 bytes each.
    package var nodes = 1_000_000

    package init() {}
}
