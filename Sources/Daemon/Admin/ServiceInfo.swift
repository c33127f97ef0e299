// SPDX-License-Identifier: Apache-2.0

package import Documents

/// One service of the mesh.
package struct ServiceInfo: Sendable {
    /// A workload that serves it.
    package struct Endpoint: Sendable {
        package var workloadUID: String
        /// `NAMESPACE/NAME`.
        package var workload: String
        /// `ADDRESS` without a port.
        package var addresses: [String]
        /// Port of the service, and where it leads at this endpoint.
        package var ports: [(service: UInt16, target: UInt16)]
        package var isHealthy: Bool

        package init(
            workloadUID: String, workload: String, addresses: [String], ports: [(service: UInt16, target: UInt16)],
            isHealthy: Bool
        ) {
            self.workloadUID = workloadUID
            self.workload = workload
            self.addresses = addresses
            self.ports = ports
            self.isHealthy = isHealthy
        }
    }

    package var name: String
    package var namespace: String
    package var hostname: String
    /// `NETWORK/ADDRESS`, as ztunnel writes virtual addresses.
    package var addresses: [String]
    package var ports: [(service: UInt16, target: UInt16)]
    package var waypoint: String?
    package var subjectAltNames: [String]
    package var endpoints: [Endpoint]

    package init(
        name: String, namespace: String, hostname: String, addresses: [String], ports: [(service: UInt16, target: UInt16)],
        waypoint: String? = nil, subjectAltNames: [String] = [], endpoints: [Endpoint]
    ) {
        self.name = name
        self.namespace = namespace
        self.hostname = hostname
        self.addresses = addresses
        self.ports = ports
        self.waypoint = waypoint
        self.subjectAltNames = subjectAltNames
        self.endpoints = endpoints
    }

    /// For `/services`.
    package var document: Value {
        .object(present: [
            ("name", .string(name)), ("namespace", .string(namespace)), ("hostname", .string(hostname)),
            ("addresses", .array(addresses.map { .string($0) })), ("ports", Self.map(ports)), ("waypoint", .text(waypoint)),
            ("endpointsHealthy", .integer(endpoints.count(where: \.isHealthy))), ("endpointsTotal", .integer(endpoints.count)),
            (
                "endpoints",
                .array(
                    endpoints.map { endpoint in
                        .object([
                            ("workload", .string(endpoint.workload)), ("uid", .string(endpoint.workloadUID)),
                            ("addresses", .array(endpoint.addresses.map { .string($0) })), ("ports", Self.map(endpoint.ports)),
                            ("status", .string(endpoint.isHealthy ? "healthy" : "unhealthy")),
                        ])
                    })
            ),
        ])
    }

    /// For `/config_dump`, as a ztunnel tells it.
    var dump: Value {
        .object(present: [
            ("name", .string(name)), ("namespace", .string(namespace)), ("hostname", .string(hostname)),
            ("vips", .array(addresses.map { .string($0) })), ("ports", Self.map(ports)),
            ("waypoint", waypoint.map { .object([("destination", .string($0))]) }),
            (
                "endpoints",
                .object(
                    endpoints.map { endpoint in
                        let value: Value = .object([
                            ("workloadUid", .string(endpoint.workloadUID)), ("service", .string("\(namespace)/\(hostname)")),
                            ("port", Self.map(endpoint.ports)), ("status", .string(endpoint.isHealthy ? "Healthy" : "Unhealthy")),
                        ])
                        return (endpoint.workloadUID, value)
                    })
            ),
            ("subjectAltNames", .array(subjectAltNames.map { .string($0) })), ("ipFamilies", .string("")),
        ])
    }

    private static func map(_ ports: [(service: UInt16, target: UInt16)]) -> Value {
        .object(ports.map { (String($0.service), .integer($0.target)) })
    }
}

/// One policy of the mesh.
package struct PolicyInfo: Sendable {
    package var name: String
    package var namespace: String
    /// `Global`, `Namespace` or `WorkloadSelector`.
    package var scope: String
    /// `Allow` or `Deny`.
    package var action: String
    /// One text per rule, for people: `from principals a, b to ports 80`.
    package var rules: [String]
    /// The rules as a ztunnel tells them: lists of lists of lists of matches.
    package var dumpRules: Value
    /// How many local workloads it applies to.
    package var workloads: Int
    /// Where it was written, `FILE:LINE`.
    package var origin: String?

    package init(
        name: String, namespace: String, scope: String, action: String, rules: [String] = [], dumpRules: Value = .array([]),
        workloads: Int = 0, origin: String? = nil
    ) {
        self.name = name
        self.namespace = namespace
        self.scope = scope
        self.action = action
        self.rules = rules
        self.dumpRules = dumpRules
        self.workloads = workloads
        self.origin = origin
    }

    /// For `/policies`.
    package var document: Value {
        .object(present: [
            ("name", .string(name)), ("namespace", .string(namespace)), ("action", .string(action)), ("scope", .string(scope)),
            ("rules", .array(rules.map { .string($0) })), ("workloads", .integer(workloads)), ("origin", .text(origin)),
        ])
    }

    /// For `/config_dump`, as a ztunnel tells it.
    var dump: Value {
        .object([
            ("name", .string(name)), ("namespace", .string(namespace)), ("scope", .string(scope)), ("action", .string(action)),
            ("rules", dumpRules),
        ])
    }
}
