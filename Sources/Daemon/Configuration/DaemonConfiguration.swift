// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// What /etc/warren/warrend.yaml says: every knob of the daemon with its default. A value, read once at start.
///
/// Each section has its own file, where the reason for a default stands beside its name; docs/configuration.md is made of the
/// same table.
package struct DaemonConfiguration: ConfigurationTable {
    /// What this host is called in the mesh.
    package var node: String
    package var mesh = MeshSettings()
    package var control = ControlSettings()
    package var identity = IdentitySettings()
    /// Where the lock, the handover socket and kept keys lie.
    package var runDirectory = "/run/warren"
    package var admin = AdminSettings()
    package var metrics = MetricSettings()
    package var readiness = ReadinessSettings()
    package var log = LogSettings()
    /// Threads that carry traffic; 0 means as many as there are processors, at most four.
    package var loops = 0
    package var sameHost = SameHostTraffic.splice
    package var timeouts = TimeoutSettings()
    package var limits = LimitSettings()
    package var tunnel = TunnelSettings()
    package var capture = CaptureSettings()
    package var probes = ProbeSettings()
    package var keepalive = Keepalive()
    package var handover = HandoverSettings()

    /// All defaults.
    package init(node: String) { self.node = node }

    /// The defaults of a host without a name of its own, for the reference.
    package static let standard = DaemonConfiguration(node: "the host's name")

    package static let otherDocuments = "mesh resources go to mesh.path"

    /// Where the file lies unless `warrend --config` says otherwise.
    package static let standardPath = "/etc/warren/warrend.yaml"

    /// How many loops there are with this many processors.
    package func loopCount(processors: Int) -> Int { loops == 0 ? max(1, min(4, processors)) : loops }
}

/// What carries the bytes between two workloads of this host.
package enum SameHostTraffic: String, Sendable, CaseIterable {
    /// The kernel, from socket to socket; both identities are known first hand and judged as ever.
    case splice
    /// A tunnel, as between hosts.
    case tunnel
}

// MARK: - The table

extension DaemonConfiguration {
    /// Every setting, in the order of the reference.
    package static let settings: [Setting] =
        general + MeshSettings.settings + ControlSettings.settings + IdentitySettings.settings + AdminSettings.settings
        + MetricSettings.settings
        + ReadinessSettings.settings + LogSettings.settings + TimeoutSettings.settings + LimitSettings.settings
        + TunnelSettings.settings + CaptureSettings.settings + ProbeSettings.settings + Keepalive.settings
        + HandoverSettings.settings

    private static let general: [Setting] = [
        .text(
            "node", \.node, "name: letters, digits, `.`, `-`, `_`",
            "What this host is called in the mesh: a workload whose"
                + " annotation `warren.dev/node` has this name is captured here.",
            because: "People and other tools already call the host so.", problem: nameProblem),
        .path(
            "runDirectory", \.runDirectory, "Where the lock against a second daemon, the handover socket and kept keys lie.",
            because: "A tmpfs that ends with the machine, as keys in it should."),
        .integer(
            "loops", \.loops, 0...256, "Threads that carry traffic. 0: one per processor, at most four.",
            because: "A loop fills a processor; beyond four the applications of the host want theirs."),
        .choice(
            "sameHost", \.sameHost,
            "How two captured workloads of this host reach each other: `splice` relays in the kernel"
                + " without encryption, `tunnel` encrypts as between hosts.",
            because: "The bytes never leave the host's kernel, which both ends trust already; policy is the same in both."),
    ]

    /// A name that may stand in a node, a cluster or a network.
    static func nameProblem(_ text: String) -> (message: String, remedy: String)? {
        let fits = (1...253).contains(text.utf8.count) && text.utf8.allSatisfy(isNameByte)
        return fits ? nil : ("is no name", "Use 1 to 253 letters, digits, `.`, `-` and `_`.")
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (0x61...0x7a).contains(byte) || (0x41...0x5a).contains(byte) || (0x30...0x39).contains(byte)
            || [0x2d, 0x2e, 0x5f].contains(byte)
    }
}
