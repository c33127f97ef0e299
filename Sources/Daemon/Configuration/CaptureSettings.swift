// SPDX-License-Identifier: Apache-2.0

internal import Documents
package import Kernel

/// Redirection in workloads' namespaces. The reason of each default stands in the table below.
package struct CaptureSettings: Sendable {
    /// What happens to a captured workload's traffic that isn't TCP.
    package enum NonTCP: String, Sendable, CaseIterable {
        case allow
        case drop
    }

    package var nonTCP = NonTCP.allow
    package var drainLimit = Interval.seconds(30)
    package var drainMaximum: Interval?
    package var checkInterval = Interval.seconds(2)

    static let settings: [Setting] = [
        .choice(
            "capture.nonTCP", \.capture.nonTCP,
            "What captured workloads may send and receive besides TCP: `allow` leaves it as it is, in"
                + " clear; `drop` drops UDP but DNS, and the rest but ICMP.",
            because: "DNS, NTP and QUIC would break on the day of enrolment; ambient meshes leave it alone (I05)."),
        .duration(
            "capture.drainLimit", \.capture.drainLimit, .zero ... .hours(24),
            "How long after a released workload's last captured connection its return path and 15008 stay.",
            because: "A reply that is still on its way, or a last retransmission, must not leave in clear (I02)."),
        .optionalDuration(
            "capture.drainMaximum", \.capture.drainMaximum, .zero ... .hours(24 * 365),
            "How long a release waits for open captured connections before they are reset.",
            because: "Removing a label cuts nothing (I02); an operator who wants an end sets one."),
        .duration(
            "capture.checkInterval", \.capture.checkInterval, .milliseconds(100) ... .minutes(10),
            "How often rules are looked for and put back if missing.",
            because:
                "Something else on the host may flush all rules; two seconds is the time for which new connections then"
                + " pass (I03)."
        ),
    ]
}

/// Host processes whose calls to captured workloads pass without mesh: health checks. The reason of each default stands in the
/// table below.
package struct ProbeSettings: Sendable {
    /// Who may pass: a cgroup or a user of this host, to these ports.
    package struct Exemption: Hashable, Sendable {
        package enum Caller: Hashable, Sendable {
            /// A path below the cgroup root: `/system.slice/kubelet.service`.
            case cgroup(String)
            case user(UInt32)
        }

        package let caller: Caller
        package let ports: [UInt16]
    }

    package var allow: [Exemption] = []

    static let settings: [Setting] = [
        Setting(
            path: "probes.allow", form: "list of `cgroup` or `user`, and `ports`",
            meaning:
                "Processes of this host whose connections to the given ports of captured workloads pass as they are, even"
                + " where mutual"
                + " TLS is strict: `- cgroup: /system.slice/kubelet.service` or `- user: 1001`, with `ports: [8080]`.",
            reason: "No exemption: a probe that passes by its source address alone is a hole (I06).", read: readAllow,
            value: { .array($0.probes.allow.map(\.document)) })
    ]

    @Sendable private static func readAllow(_ key: String, _ fields: Fields, _ configuration: inout DaemonConfiguration) {
        configuration.probes.allow = fields.list(key).compactMap { Exemption($0) }
    }
}

extension ProbeSettings.Exemption {
    /// Nil after a finding.
    fileprivate init?(_ fields: Fields) {
        let cgroup = fields.string("cgroup")
        let user = fields.integer("user", in: UInt32.min...UInt32.max - 1)
        let elements = fields.elements("ports")
        fields.finish()
        switch (cgroup, user) {
        case (let path?, nil): caller = .cgroup(path)
        case (nil, let number?): caller = .user(number)
        case (nil, nil), (.some, .some):
            fields.report("cgroup", "an exemption names one caller", remedy: "Write either `cgroup` or `user`.")
            return nil
        }
        ports = elements.compactMap { $0.integerValue.flatMap { UInt16(exactly: $0) } }.filter { $0 != 0 }
        guard !ports.isEmpty, ports.count == elements.count, ports.count <= 64 else {
            fields.report("ports", "an exemption names 1 to 64 ports, each 1 to 65535", remedy: "Write them like [8080, 8081].")
            return nil
        }
    }

    fileprivate var document: Value {
        let ports = Value.array(ports.map { .integer($0) })
        switch caller {
        case .cgroup(let path): return .object([("cgroup", .string(path)), ("ports", ports)])
        case .user(let number): return .object([("user", .integer(number)), ("ports", ports)])
        }
    }
}
