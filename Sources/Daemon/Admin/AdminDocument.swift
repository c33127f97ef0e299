// SPDX-License-Identifier: Apache-2.0

package import Documents
package import Kernel
package import Telemetry

/// What the admin API answers, as documents made of plain values. Pure: the loop that serves the socket gathers the values and
/// writes the JSON.
///
///     GET /status /workloads /services /policies /certificates /connections /tunnels /config_dump /check
///     GET /logging, POST /logging?level=info,tunnel:debug
package enum AdminDocument {
    package static func workloads(_ workloads: [WorkloadInfo]) -> Value { list("workloads", workloads.map(\.document)) }
    package static func services(_ services: [ServiceInfo]) -> Value { list("services", services.map(\.document)) }
    package static func policies(_ policies: [PolicyInfo]) -> Value { list("policies", policies.map(\.document)) }
    package static func check(_ facts: [CheckFact]) -> Value { list("facts", facts.map(\.document)) }

    package static func certificates(_ certificates: [CertificateInfo], now: WallTime) -> Value {
        list("certificates", certificates.map { $0.document(now: now) })
    }

    /// - Parameter total: how many there are, if not all are in the list.
    package static func connections(_ connections: [ConnectionInfo], total: Int? = nil) -> Value {
        .object([("total", .integer(total ?? connections.count)), ("connections", .array(connections.map(\.document)))])
    }

    package static func tunnels(_ tunnels: [TunnelInfo], total: Int? = nil) -> Value {
        .object([("total", .integer(total ?? tunnels.count)), ("tunnels", .array(tunnels.map(\.document)))])
    }

    /// The level of every scope.
    package static func logging(_ levels: LogLevels) -> Value {
        .object([("levels", .object(LogScope.allCases.map { ($0.rawValue, .string(levels[$0].word)) }))])
    }

    /// An answer that isn't 200: a sentence, and what to do.
    package static func failure(_ message: String, remedy: String = "") -> Value {
        .object([("error", .string(message)), ("remedy", .string(remedy))])
    }

    /// The most connections and tunnels that one answer lists: 10,000 are about 5 MB of text, which nobody reads to the end.
    package static let maximumRows = 10_000

    private static func list(_ name: String, _ values: [Value]) -> Value { .object([(name, .array(values))]) }
}
