// SPDX-License-Identifier: Apache-2.0

package import Documents

/// What a host says of itself: which of its workloads it has captured, and how far its mesh is. A value; read from what the host sent, which is
/// bounded.
package struct NodeReport: Hashable, Sendable {
    package struct Workload: Hashable, Sendable {
        package enum State: String, Hashable, Sendable, CaseIterable {
            case captured
            case waiting
            case failed
        }

        package let uid: String
        package let state: State
        /// Why it isn't captured, for people.
        package let reason: String
    }

    /// A host with more workloads than this has no network namespaces left.
    package static let workloadLimit = 8_192
    /// Of a report with so many.
    package static let bodyLimit = 4 << 20
    private static let nameLimit = 1_024
    private static let textLimit = 512

    package let version: String
    package let workloads: [Workload]
    /// `IDENTITY/REVISION` of the mesh that it holds.
    package let mesh: String
    package let isSynchronised: Bool

    /// Why a report isn't one.
    package struct Failure: Error, Hashable, Sendable {
        package let field: String
        package let message: String
    }

    /// Fields that are new here are passed over: a host may be newer than its control plane.
    package init(_ document: Value) throws(Failure) {
        version = Self.text(document["version"], limit: 128)
        mesh = Self.text(document["mesh"]?["revision"], limit: 256)
        isSynchronised = document["mesh"]?["synced"]?.boolValue ?? false
        let entries = document["workloads"]?.sequenceValue ?? []
        guard entries.count <= Self.workloadLimit else {
            throw Failure(field: "workloads", message: "more than \(Self.workloadLimit) workloads")
        }
        var workloads: [Workload] = []
        var seen: Set<String> = []
        for (index, entry) in entries.enumerated() {
            guard let uid = entry["uid"]?.stringValue, !uid.isEmpty, uid.utf8.count <= Self.nameLimit else {
                throw Failure(
                    field: "workloads[\(index)].uid", message: "a workload needs a uid of at most \(Self.nameLimit) bytes")
            }
            guard let state = entry["state"]?.stringValue.flatMap({ Workload.State(rawValue: $0) }) else {
                throw Failure(field: "workloads[\(index)].state", message: "the state is captured, waiting or failed")
            }
            guard seen.insert(uid).inserted else {
                throw Failure(field: "workloads[\(index)].uid", message: "the workload is there twice")
            }
            workloads.append(Workload(uid: uid, state: state, reason: Self.text(entry["reason"], limit: Self.textLimit)))
        }
        self.workloads = workloads
    }

    private static func text(_ value: Value?, limit: Int) -> String {
        // Whole characters: a cut one would be no text any more.
        var text = value?.stringValue ?? ""
        while text.utf8.count > limit { text = String(text.prefix(min(limit, text.count - 1))) }
        return text
    }
}
