// SPDX-License-Identifier: Apache-2.0

/// What a control plane calls a version of a resource: nearly always a 64-bit hash in hexadecimal digits, which is kept as the number it is.
package struct ResourceVersion: Hashable, Sendable, CustomStringConvertible {
    private enum Form: Hashable, Sendable {
        case hash(UInt64)
        case text(String)
    }

    private let form: Form

    package init(_ text: String) {
        if let hash = UInt64(text, radix: 16), String(hash, radix: 16) == text {
            form = .hash(hash)
        } else {
            form = .text(text)
        }
    }

    init(hash: UInt64) { form = .hash(hash) }

    /// Nil if it is none.
    var hash: UInt64? { if case .hash(let hash) = form { hash } else { nil } }

    package var description: String {
        switch form {
        case .hash(let hash): String(hash, radix: 16)
        case .text(let text): text
        }
    }

    package var isEmpty: Bool { form == .text("") }
}
