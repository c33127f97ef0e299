// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Store

/// Which of its workloads a host has captured, as it is kept in the store: a control plane that begins must not tell everybody to dial in plain
/// what was tunnelled a second ago. A value.
struct CaptureRecord: Equatable {
    let node: String
    /// Uids of workloads.
    var workloads: Set<String>

    var key: StoreKey { StoreKey(PublishedKind.captures, node) }

    var text: [UInt8] {
        Value.object([("workloads", .array(workloads.sorted().map { .string($0) }))]).jsonBytes
    }

    init(node: String, workloads: Set<String>) {
        self.node = node
        self.workloads = workloads
    }

    /// From the store; nil if it is damaged.
    init?(node: String, text: [UInt8]) {
        guard let workloads = (try? JSON.read(text))?["workloads"]?.sequenceValue else { return nil }
        self.node = node
        self.workloads = Set(workloads.compactMap(\.stringValue))
    }
}
