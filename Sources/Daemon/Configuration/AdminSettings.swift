// SPDX-License-Identifier: Apache-2.0

internal import Documents
package import Kernel

/// The admin API's Unix socket. The reason of each default stands in the table below.
package struct AdminSettings: Sendable {
    package var socket = "/run/warren/warrend.sock"
    /// Permission bits.
    package var mode: UInt32 = 0o600

    static let settings: [Setting] = [
        .text(
            "admin.socket", \.admin.socket, "absolute path, at most 107 bytes",
            "The Unix socket of the admin API, which `warren` talks to.",
            because: "Where `warren` looks.",
            problem: { text in
                if text.utf8.count <= UnixSocket.maximumPath { return Setting.pathProblem(text) }
                return ("is longer than a socket's path may be", "Use at most \(UnixSocket.maximumPath) bytes.")
            }),
        Setting(
            path: "admin.mode", form: "octal permissions in quotes", meaning: "Who may use the socket.",
            reason: "The API shows who talks to whom and changes log levels: root alone, until an operator gives a group access.",
            read: readMode, value: { .string("0" + String($0.admin.mode, radix: 8)) }),
    ]

    @Sendable private static func readMode(_ key: String, _ fields: Fields, _ configuration: inout DaemonConfiguration) {
        guard let text = fields.string(key) else { return }
        guard let mode = UInt32(text, radix: 8), mode <= 0o777, text.utf8.count <= 4 else {
            return fields.report(
                key, "\(fields.path(of: key)) is \"\(text)\", which is no file mode",
                remedy: "Write it like \"0660\", with the quotes.")
        }
        guard mode & 0o007 == 0 else {
            return fields.report(
                key, "\(fields.path(of: key)) is \(text), which lets every user of this host in", remedy: "End it with 0.")
        }
        configuration.admin.mode = mode
    }
}

/// The scrape. The reason of each default stands in the table below.
package struct MetricSettings: Sendable {
    package var port = Ports.metrics
    package var maximumSeries = 2000
    package var idle = Interval.minutes(15)

    static let settings: [Setting] = [
        .integer(
            "metrics.port", \.metrics.port, 1...65535, "Where Prometheus scrapes `/metrics`, in the host's network namespace.",
            because: "Istio's port, which scrape configurations know."),
        .integer(
            "metrics.maximumSeries", \.metrics.maximumSeries, 10...1_000_000,
            "Traffic series (pairs of workloads and services) per loop; what is beyond is counted in one series `unknown`.",
            because: "A large host's pairs; a series costs about 400 bytes per loop and 4 kB of text in each scrape."),
        .duration(
            "metrics.idle", \.metrics.idle, .seconds(1) ... .hours(24),
            "How long a series without an open connection is still told.",
            because:
                "Longer than any scrape interval, so that its last bytes are seen; short enough that workloads that are"
                + " gone don't add up."
        ),
    ]
}

/// The readiness answer. The reason of each default stands in the table below.
package struct ReadinessSettings: Sendable {
    package var port = Ports.readiness

    static let settings: [Setting] = [
        .integer(
            "readiness.port", \.readiness.port, 1...65535,
            "Where `GET /healthz/ready` is answered, in the host's network namespace.",
            because: "Istio's port.")
    ]
}
