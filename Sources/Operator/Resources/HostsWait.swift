// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel

/// Waits until every connected host has taken an object: until its condition `Programmed`, about the generation that stands, is true.
struct HostsWait {
    /// Between two looks.
    private static let look = Interval.milliseconds(200)
    /// What means something to hosts by itself.
    private static let kinds: Set<String> = [
        "Service", "WorkloadEntry", "ServiceEntry", "AuthorizationPolicy", "PeerAuthentication",
    ]

    private let plane: ControlPlane
    private let session: Session
    private let limit: Interval
    private let deadline: Instant

    /// - Parameter limit: for all objects together, from now on.
    init(_ limit: Interval, _ plane: ControlPlane, _ session: Session) {
        self.plane = plane
        self.session = session
        self.limit = limit
        deadline = .now() + limit
    }

    /// What is said when all have it: `acknowledged by 3 of 3 hosts`. Nil for kinds that hosts aren't told of.
    /// - Throws: what a host refuses, in its words, or how far it has come when the time is over.
    func until(_ target: ResourceTarget) throws(ControlFailure) -> String? {
        guard Self.kinds.contains(target.resource.kind) else { return nil }
        while true {
            let object = try plane.get(target.path)
            let generation = object["metadata"]?["generation"]
            let condition = object["status"]?["conditions"]?.sequenceValue?.first {
                $0["type"] == "Programmed" && $0["observedGeneration"] == generation
            }
            let message = condition?["message"]?.stringValue ?? "no host has answered yet"
            if condition?["status"] == "True" { return message }
            if let reason = condition?["reason"]?.stringValue, reason != "Pending" {
                throw ControlFailure(message, remedy: "`warren nodes` shows hosts and versions; what they hold stays as it was.")
            }
            guard Instant.now() < deadline, session.pause(Self.look) else {
                throw ControlFailure(
                    "it is stored, but not in effect everywhere after \(limit.milliseconds / 1000) s: \(message)",
                    remedy: "`warren nodes` shows who is behind.")
            }
        }
    }
}
