// SPDX-License-Identifier: Apache-2.0

/// Who asks the control plane for something, once it has proved it.
package struct Principal: Hashable, Sendable {
    package enum Role: Hashable, Sendable {
        /// May do everything. Local root over the Unix socket is one.
        case admin
        /// May change what lies in these namespaces, and read everything but secrets of the control plane.
        case editor(namespaces: [String])
        /// May read.
        case viewer
        /// A host, by its name: discovery, certificates of what is granted to it, and its own registrations (I19).
        case node(String)
    }

    /// As audit lines and managed fields tell it.
    package let name: String
    package let role: Role
    /// When what proved it ends, in Unix seconds: a request that goes on, a watch or discovery, ends then too. Nil for who needs no proof.
    package let until: Int64?

    package init(name: String, role: Role, until: Int64? = nil) {
        self.name = name
        self.role = role
        self.until = until
    }
}
