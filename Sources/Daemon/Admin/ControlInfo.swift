// SPDX-License-Identifier: Apache-2.0

package import Documents
package import Kernel

/// How a host stands to its control plane.
package struct ControlInfo: Sendable {
    package enum State: String, Sendable {
        /// Until the next attempt.
        case waiting
        case connecting
        /// The connection stands, and what the control plane knows isn't all here yet.
        case connected
        case synchronised
    }

    package enum Kind: String, Sendable {
        case warren = "warren-control"
        /// Not told of this host's state, and not asked for anything but mesh and certificates.
        case istiod
    }

    package var kind = Kind.warren
    package var addresses: [String]
    package var state = State.waiting
    /// Which of them it is connected to, or connecting.
    package var address: String?
    package var since: WallTime?
    /// Why the last attempt or connection ended, and when.
    package var failure: String?
    package var failedAt: WallTime?
    /// `IDENTITY/REVISION` of the state in use.
    package var store: String?
    /// Why nothing of this control plane is taken.
    package var refused: String?
    /// Resources that aren't taken over as they are now.
    package var rejected: [(name: String, reason: String)] = []
    /// This host's own; to istiod, the account `NAMESPACE/NAME` of its token, and empty if that doesn't say.
    package var identity = ""
    package var certificateEnds: WallTime?
    package var renewalFailure: String?
    package var reportFailure: String?
    /// To istiod: when the token ends that was read last, and why the file can't be used.
    package var tokenEnds: WallTime?
    package var tokenFailure: String?
    /// To istiod: workloads that are declared here and aren't captured, or not as they should be.
    package var misfits: [(name: String, reason: String)] = []

    package init(addresses: [String]) { self.addresses = addresses }

    package var document: Value {
        .object(present: [
            ("kind", .string(kind.rawValue)), ("addresses", .array(addresses.map { .string($0) })),
            ("state", .string(state.rawValue)), ("address", .text(address)),
            ("since", .text(since?.description)), ("failure", .text(failure)), ("failedAt", .text(failedAt?.description)),
            ("store", .text(store)), ("refused", .text(refused)),
            ("rejected", Self.list(rejected)),
            ("identity", .string(identity)), ("certificateEnds", .text(certificateEnds?.description)),
            ("renewalFailure", .text(renewalFailure)), ("reportFailure", .text(reportFailure)),
            ("tokenEnds", .text(tokenEnds?.description)), ("tokenFailure", .text(tokenFailure)),
            ("misfits", kind == .istiod ? Self.list(misfits) : nil),
        ])
    }

    private static func list(_ items: [(name: String, reason: String)]) -> Value {
        .array(items.map { .object([("name", .string($0.name)), ("reason", .string($0.reason))]) })
    }
}
