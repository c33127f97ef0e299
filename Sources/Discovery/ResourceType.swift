// SPDX-License-Identifier: Apache-2.0

/// What is handed out by discovery, by the names that istiod and ztunnel use.
package enum ResourceType: String, Hashable, Sendable, CaseIterable {
    /// Workloads and services.
    case address = "type.googleapis.com/istio.workload.Address"
    /// Policies.
    case authorization = "type.googleapis.com/istio.security.Authorization"
    /// What a host must know of the workloads that it captures itself. Warren's own: istiod doesn't have it, and a host is told of its own
    /// workloads only.
    case local = "type.googleapis.com/warren.workload.LocalWorkload"
    /// Hosts that were turned out. Warren's own; small, and told before all else.
    case eviction = "type.googleapis.com/warren.security.Eviction"
}
