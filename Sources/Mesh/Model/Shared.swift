// SPDX-License-Identifier: Apache-2.0

/// A value on the heap that many hold: copies share it, and equal ones are mostly the same one.
package final class Shared<Content: Hashable & Sendable>: Sendable {
    package let content: Content

    package init(_ content: Content) { self.content = content }
}

extension Shared: Hashable {
    package static func == (a: Shared, b: Shared) -> Bool { a === b || a.content == b.content }
    package func hash(into hasher: inout Hasher) { hasher.combine(content) }
}
