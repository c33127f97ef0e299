// SPDX-License-Identifier: Apache-2.0

package import Documents
package import Kernel

/// A daemon that handed over and finishes its connections, as it tells of itself. Immutable.
package struct GenerationInfo: Equatable, Sendable {
    package let process: CInt
    package let version: String
    /// When it handed over.
    package let since: WallTime
    /// Open connections by workload (uid).
    package let open: [String: Int]
    package let tunnels: Int
    /// False: it lives, and hasn't told its counts yet.
    package let hasTold: Bool

    package init(process: CInt, version: String, since: WallTime, open: [String: Int], tunnels: Int, hasTold: Bool = true) {
        self.hasTold = hasTold
        self.process = process
        self.version = version
        self.since = since
        self.open = open
        self.tunnels = tunnels
    }

    package var connections: Int { open.values.reduce(0, +) }

    /// What the admin API shows.
    package var document: Value {
        .object([
            ("process", .integer(process)), ("version", .string(version)), ("since", .string(since.description)),
            ("sinceSeconds", .integer(since.seconds)), ("connections", .integer(connections)), ("tunnels", .integer(tunnels)),
        ])
    }

    /// What it leaves for others to read: that, and the workloads.
    package var record: Value {
        .object(
            (document.mappingValue ?? []).map { ($0.key, $0.value) } + [
                ("workloads", .object(open.sorted { $0.key < $1.key }.map { ($0.key, .integer($0.value)) }))
            ])
    }

    /// Nil for what isn't such a record.
    package init?(record: Value) {
        guard let process = record["process"]?.integerValue.flatMap({ CInt(exactly: $0) }), process > 0,
            let version = record["version"]?.stringValue, let since = record["sinceSeconds"]?.integerValue,
            let tunnels = record["tunnels"]?.integerValue.flatMap({ Int(exactly: $0) }),
            let workloads = record["workloads"]?.mappingValue
        else { return nil }
        var open: [String: Int] = [:]
        for entry in workloads {
            guard let count = entry.value.integerValue.flatMap({ Int32(exactly: $0) }), count >= 0 else { return nil }
            open[entry.key] = Int(count)
        }
        self.init(process: process, version: version, since: WallTime(seconds: since), open: open, tunnels: tunnels)
    }
}
