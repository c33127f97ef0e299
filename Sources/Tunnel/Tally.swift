// SPDX-License-Identifier: Apache-2.0

/// What one connection carried, in application bytes. *Received* is what the client sent and *sent* what the server sent, at both reporters, as
/// Istio counts.
package struct Tally: Hashable, Sendable {
    package var received: UInt64 = 0
    package var sent: UInt64 = 0
    /// Of both together, what the kernel moved by itself.
    package var spliced: UInt64 = 0

    package init() {}
}
