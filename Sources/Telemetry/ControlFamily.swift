// SPDX-License-Identifier: Apache-2.0

/// The metrics that no loop counts: what the daemon knows of itself, set by the thread that serves the scrape.
package enum ControlFamily: Int, Sendable, CaseIterable {
    case build
    case activeProxies
    case pendingProxies
    case proxiesStarted
    case proxiesStopped
    /// When a certificate ends, in seconds since 1970.
    case certificateExpiry
    case certificateRenewals
    case meshObjects
    case meshReloads
    /// When the state in use was taken over, in seconds since 1970.
    case meshLoaded
    case logDropped
    /// Daemons that handed over and finish their connections, and how many these have.
    case generations
    case generationConnections
    case openDescriptors
    case maximumDescriptors
    case residentMemory
    case virtualMemory
    case processorSeconds
    case started

    var name: String {
        switch self {
        case .build: "istio_build"
        case .activeProxies: "workload_manager_active_proxy_count"
        case .pendingProxies: "workload_manager_pending_proxy_count"
        case .proxiesStarted: "workload_manager_proxies_started"
        case .proxiesStopped: "workload_manager_proxies_stopped"
        case .certificateExpiry: "warren_certificate_expiry_timestamp_seconds"
        case .certificateRenewals: "warren_certificate_renewals"
        case .meshObjects: "warren_mesh_objects"
        case .meshReloads: "warren_mesh_reloads"
        case .meshLoaded: "warren_mesh_loaded_timestamp_seconds"
        case .logDropped: "warren_log_dropped_lines"
        case .generations: "warren_draining_generations"
        case .generationConnections: "warren_draining_connections"
        case .openDescriptors: "process_open_fds"
        case .maximumDescriptors: "process_max_fds"
        case .residentMemory: "process_resident_memory_bytes"
        case .virtualMemory: "process_virtual_memory_bytes"
        case .processorSeconds: "process_cpu_seconds"
        case .started: "process_start_time_seconds"
        }
    }

    var help: String {
        switch self {
        case .build: "Which program and version this is."
        case .activeProxies: "Workloads that are captured."
        case .pendingProxies: "Workloads that wait to be captured."
        case .proxiesStarted: "Times that a workload's capture began."
        case .proxiesStopped: "Times that a workload's capture ended."
        case .certificateExpiry: "When the certificate of an identity ends."
        case .certificateRenewals: "Certificates made, by result."
        case .meshObjects: "Objects of the mesh state in use, by kind."
        case .meshReloads: "Times that the mesh state was read, by whether it was applied."
        case .meshLoaded: "When the mesh state in use was taken over."
        case .logDropped: "Log lines dropped because they came faster than they could be written."
        case .generations: "Daemons that handed over to a newer one and finish their connections."
        case .generationConnections: "Connections that such daemons have open."
        case .openDescriptors: "Open file descriptors."
        case .maximumDescriptors: "File descriptors that this process may open."
        case .residentMemory: "Resident memory."
        case .virtualMemory: "Virtual memory."
        case .processorSeconds: "Processor time used."
        case .started: "When this process began."
        }
    }

    var kind: MetricKind {
        switch self {
        case .proxiesStarted, .proxiesStopped, .certificateRenewals, .meshReloads, .logDropped, .processorSeconds: .counter
        case .build, .activeProxies, .pendingProxies, .certificateExpiry, .meshObjects, .meshLoaded, .openDescriptors,
            .maximumDescriptors, .residentMemory, .virtualMemory, .started, .generations, .generationConnections:
            .gauge
        }
    }

    var unit: String? {
        if name.hasSuffix("_seconds") { return "seconds" }
        return name.hasSuffix("_bytes") ? "bytes" : nil
    }

    var labels: [String] {
        switch self {
        case .build: ["component", "tag"]
        case .certificateExpiry: ["identity"]
        case .certificateRenewals, .meshReloads: ["result"]
        case .meshObjects: ["kind"]
        case .activeProxies, .pendingProxies, .proxiesStarted, .proxiesStopped, .meshLoaded, .logDropped, .openDescriptors,
            .maximumDescriptors, .residentMemory, .virtualMemory, .processorSeconds, .started, .generations,
            .generationConnections:
            []
        }
    }

    /// Without labels a family has one series, which is told even while nobody has set it.
    var isAlwaysTold: Bool { labels.isEmpty }
}
