// SPDX-License-Identifier: Apache-2.0

/// What is handed out by discovery, by the names that istiod and ztunnel use.
package enum ResourceType: String, Hashable, Sendable, CaseIterable {
    /// Workloads and services.
    case address = "type.googleapis.com/istio.workload.Address"
    /// Policies.
    case authorization = "type.googleapis.com/istio.security.Authorization"
}
