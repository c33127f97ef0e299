// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// Where joining reads and writes on this host. A value; tests give their own.
package struct HostPlaces: Sendable {
    package var configuration = "/etc/warren/warrend.yaml"
    /// Key, certificate, roots and the last good mesh of this host.
    package var directory = "/var/lib/warren/node"
    /// There if systemd runs this host (sd_booted(3)).
    package var systemd = "/run/systemd/system"
    /// Where a unit may be installed (systemd.unit(5)).
    package var units = [
        "/etc/systemd/system", "/usr/local/lib/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system",
    ]

    package init() {}

    var key: String { "\(directory)/key.pem" }
    var certificate: String { "\(directory)/certificate.pem" }
    var roots: String { "\(directory)/roots.pem" }
    /// The last good state of the mesh, with which warrend starts while the control plane is away.
    var lastMesh: String { "\(directory)/last-mesh" }
    /// The configuration as it was before this host joined, and as joining left it: so that leaving can undo it to the byte.
    var configurationBefore: String { "\(directory)/configuration-before" }
    var configurationAfter: String { "\(directory)/configuration-after" }

    var hasUnit: Bool {
        Self.isThere(systemd) && units.contains { Self.isThere("\($0)/warrend.service") }
    }

    static func isThere(_ path: String) -> Bool { (try? File.status(path)) != nil }
}

/// warrend as a service of systemd.
struct HostService {
    let session: Session

    /// How a service was, to be put back.
    struct State {
        let isEnabled: Bool
        let isActive: Bool
    }

    private func systemctl(_ arguments: String...) -> Bool { session.execute("systemctl", arguments) == .exited(0) }

    var state: State {
        State(isEnabled: systemctl("is-enabled", "--quiet", "warrend"), isActive: systemctl("is-active", "--quiet", "warrend"))
    }

    /// Starts it, with its new configuration if it ran already, and at each boot. Not waited for: it is ready when its mesh is here, which is the
    /// control plane's to say.
    func start() -> Bool { systemctl("enable", "--quiet", "warrend") && systemctl("restart", "--no-block", "warrend") }

    func stop() -> Bool { systemctl("disable", "--quiet", "--now", "warrend") }

    var hasFailed: Bool { systemctl("is-failed", "--quiet", "warrend") }

    func restore(_ state: State) {
        if !state.isEnabled { _ = systemctl("disable", "--quiet", "warrend") }
        _ = state.isActive ? systemctl("restart", "--no-block", "warrend") : systemctl("stop", "warrend")
    }
}
